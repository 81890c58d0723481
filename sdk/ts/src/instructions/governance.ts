import type { Address } from '@solana/kit';

import type { Loaded } from '../accounts';
import {
  associatedTokenAddress,
  changeAddress,
  marketAddress,
  oracleAddresses,
  SYSTEM_PROGRAM_ADDRESS,
  type OracleAccounts,
} from '../addresses';
import {
  BULWARK_PROGRAM_ADDRESS,
  getAcceptAdminInstruction,
  getCancelChangeInstruction,
  getChangePayloadDecoder,
  getCollectProtocolFeesInstruction,
  getExecuteChangeInstruction,
  getNominateAdminInstruction,
  getProposeChangeInstruction,
  getProposeChangeInstructionDataDecoder,
  getSetPauseInstruction,
  getTightenInstruction,
  INSURANCE_FUND_ADDRESS,
  POOL_ADDRESS,
  PROPOSE_CHANGE_DISCRIMINATOR,
  type Change,
  type ChangePayload,
  type ChangePayloadArgs,
  type Exchange,
} from '../generated';
import { marketOf, QUOTE, vaultOf, type Listings } from '../listings';
import { signerOf, type AnyInstruction, type Authority } from './common';
import { createTokenAccount } from './tokens';

/** Bits of a pause. */
export const PAUSE = {
  /** Increases of positions. */
  increase: 1,
  /** Withdrawals; of the exchange only. */
  withdraw: 2,
  /** Pool money in and out. */
  liquidity: 4,
  /** Stake in and out; of the exchange only. */
  stake: 8,
} as const;

interface Targets {
  market?: Address;
  vault?: Address;
  pool?: Address;
  insuranceFund?: Address;
}

/** The accounts that a payload is about. */
function targetsOf(listings: Listings, payload: ChangePayloadArgs): Targets {
  switch (payload.__kind) {
    case 'MarketParams':
    case 'MarketSources':
    case 'MarketStatus':
      return { market: marketOf(listings, payload.market) };
    case 'Unpause': {
      const market = optional(payload.market);
      return market === undefined ? {} : { market: marketOf(listings, market) };
    }
    case 'VaultParams':
    case 'VaultSources':
      return { vault: vaultOf(listings, payload.vault).address };
    case 'PoolParams':
      return { pool: POOL_ADDRESS };
    case 'InsuranceParams':
      return { insuranceFund: INSURANCE_FUND_ADDRESS };
    default:
      return {};
  }
}

/** An optional number of the generated types, which may be written as one or the other. */
function optional(value: Extract<ChangePayloadArgs, { __kind: 'Unpause' }>['market']) {
  if (value === null || typeof value === 'number') return value ?? undefined;
  return value.__option === 'Some' ? value.value : undefined;
}

/**
 * The payload of a stored change.
 *
 * @throws Error if the stored bytes are no payload.
 */
export function payloadOf(change: Change): ChangePayload {
  return getChangePayloadDecoder().decode(change.payload.slice(0, change.payloadLen));
}

/** Input of {@link proposeChange}. */
export interface ProposeChangeInput {
  /** Admin. Signs. */
  readonly admin: Authority;
  /** Pays the rent, and gets it back; the admin by default. Signs. */
  readonly payer?: Authority;
  /** Number of the change: at least the exchange's `nextChange`. */
  readonly nonce: bigint;
  /** What is to change: whole parameter sets. */
  readonly payload: ChangePayloadArgs;
}

/**
 * Proposes a change, to be executed by anybody once its delay is over. Look at it first with {@link explainPayload}.
 *
 * @throws {@link UnlistedError}
 */
export async function proposeChange(
  listings: Listings,
  input: ProposeChangeInput,
): Promise<AnyInstruction[]> {
  const { admin, payer = admin, nonce, payload } = input;
  return [
    getProposeChangeInstruction({
      ...targetsOf(listings, payload),
      admin: signerOf(admin),
      payer: signerOf(payer),
      change: await changeAddress(nonce),
      pool: POOL_ADDRESS,
      nonce,
      payload,
    }),
  ];
}

/** What a proposing instruction proposes: its number and payload. Nothing for any other instruction. */
export function proposal(
  instruction: Pick<AnyInstruction, 'programAddress' | 'data'>,
): { readonly nonce: bigint; readonly payload: ChangePayload } | undefined {
  const { programAddress, data } = instruction;
  const proposes = PROPOSE_CHANGE_DISCRIMINATOR.every((byte, i) => data[i] === byte);
  if (programAddress !== BULWARK_PROGRAM_ADDRESS || !proposes) return undefined;
  const [{ nonce, payload }, end] = getProposeChangeInstructionDataDecoder().read(data, 0);
  return end === data.length ? { nonce, payload } : undefined;
}

/** Input of {@link executeChange}. */
export interface ExecuteChangeInput {
  /** The change. */
  readonly change: Loaded<Change>;
  /** Accounts of the new sources, for a change of sources; by default where the payload says that they are. */
  readonly oracles?: OracleAccounts;
}

/**
 * Executes a change whose delay is over. No signer. One that lists something is carried out by {@link createVault} or
 * {@link createMarket} after this.
 *
 * @throws {@link UnlistedError}; Error if the stored bytes are no payload.
 */
export async function executeChange(
  listings: Listings,
  input: ExecuteChangeInput,
): Promise<AnyInstruction[]> {
  const { change } = input;
  const payload = payloadOf(change.data);
  const sourced = payload.__kind === 'MarketSources' || payload.__kind === 'VaultSources';
  const oracles = input.oracles ?? (sourced ? await oracleAddresses(payload.sources) : undefined);
  const { pool: _, ...targets } = targetsOf(listings, payload);
  return [
    getExecuteChangeInstruction({
      ...targets,
      ...oracles,
      payer: change.data.payer,
      change: change.address,
      pool: POOL_ADDRESS,
    }),
  ];
}

/** Cancels a change. Signed by admin or guardian, or by anybody once it can't be executed any more. */
export async function cancelChange(input: {
  readonly authority: Authority;
  readonly change: Loaded<Change>;
}): Promise<AnyInstruction[]> {
  const { authority, change } = input;
  const { payer } = change.data;
  return [
    getCancelChangeInstruction({ authority: signerOf(authority), payer, change: change.address }),
  ];
}

/**
 * Puts stricter parameters in force at once, or stops a market's increases. Signed by admin or guardian.
 *
 * @throws {@link UnlistedError}
 */
export async function tighten(
  listings: Listings,
  input: { readonly authority: Authority; readonly payload: ChangePayloadArgs },
): Promise<AnyInstruction[]> {
  const { authority, payload } = input;
  const targets = targetsOf(listings, payload);
  return [getTightenInstruction({ ...targets, authority: signerOf(authority), payload })];
}

/** Sets pause bits, see {@link PAUSE}, of a market, or of the exchange without one. Signed by guardian or admin. */
export async function setPause(input: {
  readonly authority: Authority;
  readonly bits: number;
  readonly market?: number;
}): Promise<AnyInstruction[]> {
  const { authority, bits, market } = input;
  const target = market === undefined ? {} : { market: marketAddress(market) };
  return [getSetPauseInstruction({ authority: signerOf(authority), bits, ...target })];
}

/** Nominates the next admin. Signed by the admin. Without `nominee` it takes a nomination back, which the guardian may, too. */
export async function nominateAdmin(input: {
  readonly authority: Authority;
  readonly nominee?: Address;
}): Promise<AnyInstruction[]> {
  const { authority, nominee = SYSTEM_PROGRAM_ADDRESS } = input;
  return [getNominateAdminInstruction({ authority: signerOf(authority), nominee })];
}

/** Accepts a nomination after its delay. Signed by the nominee. */
export async function acceptAdmin(input: {
  readonly nominee: Authority;
}): Promise<AnyInstruction[]> {
  return [getAcceptAdminInstruction({ nominee: signerOf(input.nominee) })];
}

/** Input of {@link collectProtocolFees}. */
export interface CollectProtocolFeesInput {
  /** Admin. Signs. */
  readonly admin: Authority;
  /** The exchange: names the recipient. */
  readonly exchange: Loaded<Exchange>;
  /** Quote units. */
  readonly amount: bigint;
  /** Quote token account of the recipient; by default his associated one, which is created if it does not exist. */
  readonly destination?: Address;
}

/**
 * Moves protocol fees to a token account of the recorded recipient.
 *
 * @throws {@link UnlistedError}
 */
export async function collectProtocolFees(
  listings: Listings,
  input: CollectProtocolFeesInput,
): Promise<AnyInstruction[]> {
  const { admin, exchange, amount } = input;
  const owner = exchange.data.feeRecipient;
  const vault = vaultOf(listings, QUOTE);
  const { mint, tokenAccount, tokenProgram } = vault;
  const own = { payer: admin, owner, mint, tokenProgram };
  const instruction = getCollectProtocolFeesInstruction({
    admin: signerOf(admin),
    quoteVault: vault.address,
    tokenAccount,
    destination: input.destination ?? (await associatedTokenAddress(owner, mint, tokenProgram)),
    mint,
    tokenProgram,
    amount,
  });
  const created = input.destination === undefined ? [await createTokenAccount(own)] : [];
  return [...created, instruction];
}
