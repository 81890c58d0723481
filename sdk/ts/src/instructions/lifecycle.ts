import type { Address } from '@solana/kit';

import type { Loaded } from '../accounts';
import {
  marketAddress,
  oracleAddresses,
  TOKEN_PROGRAM_ADDRESS,
  vaultAddress,
  vaultTokensAddress,
  type OracleAccounts,
} from '../addresses';
import {
  BACKSTOP_MINT_ADDRESS,
  BULWARK_PROGRAM_ADDRESS,
  EXCHANGE_ADDRESS,
  getCloseMarketInstruction,
  getCreateMarketInstruction,
  getCreateVaultInstruction,
  getInitializeExchangeInstruction,
  getResumeMarketInstruction,
  getSuspendMarketInstruction,
  INSURANCE_FUND_ADDRESS,
  JUNIOR_MINT_ADDRESS,
  POOL_ADDRESS,
  PROGRAM_DATA_ADDRESS,
  SENIOR_MINT_ADDRESS,
  type Change,
  type Exchange,
  type InitializeExchangeInstructionDataArgs,
  type Market,
  type OracleSource,
} from '../generated';
import { nextMarketIndex } from '../listings';
import { signerOf, type AnyInstruction, type Authority } from './common';
import { payloadOf } from './governance';

/** Input of {@link initializeExchange}. */
export interface InitializeExchangeInput {
  /** The program's upgrade authority. Signs and pays. */
  readonly deployer: Authority;
  /** Mint of the quote token. */
  readonly mint: Address;
  /** Its token program; SPL Token by default. */
  readonly tokenProgram?: Address;
  /** Roles and parameters. */
  readonly args: InitializeExchangeInstructionDataArgs;
}

/** Creates the exchange, the quote vault, the pool and the insurance fund. */
export async function initializeExchange(
  input: InitializeExchangeInput,
): Promise<AnyInstruction[]> {
  const { deployer, mint, args, tokenProgram = TOKEN_PROGRAM_ADDRESS } = input;
  return [
    getInitializeExchangeInstruction({
      deployer: signerOf(deployer),
      program: BULWARK_PROGRAM_ADDRESS,
      programData: PROGRAM_DATA_ADDRESS,
      exchange: EXCHANGE_ADDRESS,
      quoteVault: await vaultAddress(mint),
      tokenAccount: await vaultTokensAddress(mint),
      pool: POOL_ADDRESS,
      juniorMint: JUNIOR_MINT_ADDRESS,
      seniorMint: SENIOR_MINT_ADDRESS,
      insuranceFund: INSURANCE_FUND_ADDRESS,
      backstopMint: BACKSTOP_MINT_ADDRESS,
      mint,
      tokenProgram,
      shareTokenProgram: TOKEN_PROGRAM_ADDRESS,
      ...args,
    }),
  ];
}

/** What lists something. */
export interface ListingInput {
  /** Admin. Signs. */
  readonly admin: Authority;
  /** Pays the rent; the admin by default. Signs. */
  readonly payer?: Authority;
  /** An executed change that says what to list. */
  readonly change: Loaded<Change>;
  /** Accounts of the sources; by default where the change says that they are. */
  readonly oracles?: OracleAccounts;
}

function listed(input: ListingInput) {
  return {
    admin: signerOf(input.admin),
    payer: signerOf(input.payer ?? input.admin),
    change: input.change.address,
    changePayer: input.change.data.payer,
  };
}

async function oraclesOf(
  input: ListingInput,
  sources: readonly OracleSource[],
): Promise<OracleAccounts> {
  const oracles = input.oracles ?? (await oracleAddresses(sources));
  if (oracles === undefined) throw new Error('the change names no primary oracle');
  return oracles;
}

/**
 * Lists a collateral, as an executed change says.
 *
 * @throws Error if the change lists none.
 */
export async function createVault(
  input: ListingInput & { readonly tokenProgram?: Address },
): Promise<AnyInstruction[]> {
  const payload = payloadOf(input.change.data);
  if (payload.__kind !== 'CreateVault') throw new Error('the change lists no collateral');
  const { mint, sources } = payload;
  return [
    getCreateVaultInstruction({
      ...listed(input),
      ...(await oraclesOf(input, sources)),
      vault: await vaultAddress(mint),
      tokenAccount: await vaultTokensAddress(mint),
      mint,
      tokenProgram: input.tokenProgram ?? TOKEN_PROGRAM_ADDRESS,
    }),
  ];
}

/**
 * Lists a market under the exchange's next free index, as an executed change says: two equal instructions, since a market
 * is larger than one may allocate. They go into one transaction or two.
 *
 * @throws Error if the change lists none.
 */
export async function createMarket(
  exchange: Loaded<Exchange>,
  input: ListingInput,
): Promise<AnyInstruction[]> {
  const payload = payloadOf(input.change.data);
  if (payload.__kind !== 'CreateMarket') throw new Error('the change lists no market');
  const step = getCreateMarketInstruction({
    ...listed(input),
    ...(await oraclesOf(input, payload.sources)),
    market: marketAddress(nextMarketIndex(exchange.data)),
  });
  return [step, step];
}

/** Stops increases of a market that has had no price for its `maxOutage`. No signer. */
export async function suspendMarket(input: { readonly market: number }): Promise<AnyInstruction[]> {
  return [getSuspendMarketInstruction({ market: marketAddress(input.market) })];
}

/** Activates a suspended market that has a price again. No signer. */
export async function resumeMarket(input: { readonly market: number }): Promise<AnyInstruction[]> {
  return [getResumeMarketInstruction({ market: marketAddress(input.market) })];
}

/** Closes a market that has settled; whoever paid its rent gets it back. No signer. */
export async function closeMarket(input: {
  readonly market: Loaded<Market>;
}): Promise<AnyInstruction[]> {
  const { address, data } = input.market;
  return [getCloseMarketInstruction({ market: address, payer: data.payer })];
}
