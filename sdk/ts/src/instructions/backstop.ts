import type { Address } from '@solana/kit';

import type { Loaded } from '../accounts';
import { associatedTokenAddress, TOKEN_PROGRAM_ADDRESS, unstakeTicketAddress } from '../addresses';
import {
  BACKSTOP_MINT_ADDRESS,
  getCancelUnstakeInstruction,
  getFundInsuranceInstruction,
  getRequestUnstakeInstruction,
  getStakeBackstopInstruction,
  getUnstakeInstruction,
  type UnstakeTicket,
} from '../generated';
import { QUOTE, vaultOf, type Listings } from '../listings';
import { addressOf, signerOf, type AnyInstruction, type Authority } from './common';
import { createTokenAccount } from './tokens';

const SHARES = {
  shareMint: BACKSTOP_MINT_ADDRESS,
  shareTokenProgram: TOKEN_PROGRAM_ADDRESS,
} as const;

function quoteVault(listings: Listings) {
  const { address, mint, tokenAccount, tokenProgram } = vaultOf(listings, QUOTE);
  return { quoteVault: address, mint, tokenAccount, tokenProgram };
}

/** Input of {@link fundInsurance}. */
export interface FundInsuranceInput {
  /** Owner of the tokens. Signs. */
  readonly donor: Authority;
  /** Quote units. */
  readonly amount: bigint;
  /** Quote token account; the donor's associated one by default. */
  readonly source?: Address;
}

/**
 * Donates quote tokens to the insurance fund's reserve.
 *
 * @throws {@link UnlistedError}
 */
export async function fundInsurance(
  listings: Listings,
  input: FundInsuranceInput,
): Promise<AnyInstruction[]> {
  const { donor, amount } = input;
  const vault = quoteVault(listings);
  const own = await associatedTokenAddress(addressOf(donor), vault.mint, vault.tokenProgram);
  const source = input.source ?? own;
  return [getFundInsuranceInstruction({ donor: signerOf(donor), ...vault, source, amount })];
}

/** Input of {@link stakeBackstop}. */
export interface StakeBackstopInput {
  /** Owner of the tokens and of the shares. Signs. */
  readonly staker: Authority;
  /** Quote units. */
  readonly amount: bigint;
  /** Least shares to get, share units. */
  readonly minShares: bigint;
  /** Quote token account; the staker's associated one by default. */
  readonly source?: Address;
  /** Account for the shares; by default the staker's associated one, which is created if it does not exist. */
  readonly shares?: Address;
}

/**
 * Stakes quote tokens behind the markets.
 *
 * @throws {@link UnlistedError}
 */
export async function stakeBackstop(
  listings: Listings,
  input: StakeBackstopInput,
): Promise<AnyInstruction[]> {
  const { staker, amount, minShares } = input;
  const owner = addressOf(staker);
  const vault = quoteVault(listings);
  const instruction = getStakeBackstopInstruction({
    staker: signerOf(staker),
    ...vault,
    ...SHARES,
    source: input.source ?? (await associatedTokenAddress(owner, vault.mint, vault.tokenProgram)),
    shares: input.shares ?? (await associatedTokenAddress(owner, BACKSTOP_MINT_ADDRESS)),
    amount,
    minShares,
  });
  const own = { payer: staker, owner, mint: BACKSTOP_MINT_ADDRESS };
  const created = input.shares === undefined ? [await createTokenAccount(own)] : [];
  return [...created, instruction];
}

/** Input of {@link requestUnstake}. */
export interface RequestUnstakeInput {
  /** Owner of the shares. Signs. */
  readonly staker: Authority;
  /** Pays the ticket's rent; the staker by default. Signs. */
  readonly payer?: Authority;
  /** Number of the ticket, chosen by the staker: one that he has no ticket under. */
  readonly nonce: bigint;
  /** Shares, share units. */
  readonly amount: bigint;
  /** Account of the shares; the staker's associated one by default. */
  readonly shares?: Address;
}

/** Puts backstop shares into a ticket, to be paid after the cooldown. */
export async function requestUnstake(input: RequestUnstakeInput): Promise<AnyInstruction[]> {
  const { staker, payer = staker, nonce, amount } = input;
  const owner = addressOf(staker);
  return [
    getRequestUnstakeInstruction({
      staker: signerOf(staker),
      payer: signerOf(payer),
      ticket: await unstakeTicketAddress(owner, nonce),
      ...SHARES,
      shares: input.shares ?? (await associatedTokenAddress(owner, BACKSTOP_MINT_ADDRESS)),
      nonce,
      amount,
    }),
  ];
}

/** Input of {@link unstake}. */
export interface UnstakeInput {
  /** Owner of the ticket. Signs. */
  readonly staker: Authority;
  /** The ticket. */
  readonly ticket: Loaded<UnstakeTicket>;
  /** Least quote units to get. */
  readonly minAmount: bigint;
  /** Quote token account; by default the staker's associated one, which is created if it does not exist. */
  readonly destination?: Address;
}

/**
 * Pays an unstake ticket.
 *
 * @throws {@link UnlistedError}
 */
export async function unstake(listings: Listings, input: UnstakeInput): Promise<AnyInstruction[]> {
  const { staker, ticket, minAmount } = input;
  const { owner, payer } = ticket.data;
  const vault = quoteVault(listings);
  const { mint, tokenProgram } = vault;
  const own = { payer: staker, owner, mint, tokenProgram };
  const instruction = getUnstakeInstruction({
    staker: signerOf(staker),
    payer,
    ticket: ticket.address,
    ...vault,
    destination: input.destination ?? (await associatedTokenAddress(owner, mint, tokenProgram)),
    minAmount,
  });
  const created = input.destination === undefined ? [await createTokenAccount(own)] : [];
  return [...created, instruction];
}

/** Input of {@link cancelUnstake}. */
export interface CancelUnstakeInput {
  /** Owner of the ticket, or anybody once its window is over. Signs. */
  readonly authority: Authority;
  /** The ticket. */
  readonly ticket: Loaded<UnstakeTicket>;
  /** Account of the ticket's owner for the shares; by default his associated one, which is created if it does not exist. */
  readonly shares?: Address;
}

/** Makes the stake of a ticket active again. */
export async function cancelUnstake(input: CancelUnstakeInput): Promise<AnyInstruction[]> {
  const { authority, ticket } = input;
  const { owner, payer } = ticket.data;
  const own = { payer: authority, owner, mint: BACKSTOP_MINT_ADDRESS };
  const instruction = getCancelUnstakeInstruction({
    authority: signerOf(authority),
    payer,
    ticket: ticket.address,
    ...SHARES,
    shares: input.shares ?? (await associatedTokenAddress(owner, BACKSTOP_MINT_ADDRESS)),
  });
  const created = input.shares === undefined ? [await createTokenAccount(own)] : [];
  return [...created, instruction];
}
