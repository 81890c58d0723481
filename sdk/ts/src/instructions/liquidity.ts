import type { Address } from '@solana/kit';

import type { Loaded } from '../accounts';
import {
  associatedTokenAddress,
  marketAddress,
  redeemTicketAddress,
  shareMintAddress,
  TOKEN_PROGRAM_ADDRESS,
  type TrancheName,
} from '../addresses';
import type { Context } from '../context';
import {
  getAddLiquidityInstruction,
  getAllocateLiquidityInstruction,
  getCancelRedeemInstruction,
  getRedeemInstruction,
  getRequestRedeemInstruction,
  getSweepMarketInstruction,
  type RedeemTicket,
} from '../generated';
import { QUOTE, vaultOf } from '../listings';
import { addressOf, signerOf, withReadonly, type AnyInstruction, type Authority } from './common';
import { inFront, oldMarkets, type Refreshing } from './refresh';
import { createTokenAccount } from './tokens';

/** Input of {@link addLiquidity}. */
export interface AddLiquidityInput extends Refreshing {
  /** Owner of the tokens and of the shares. Signs. */
  readonly provider: Authority;
  /** Tranche to add to. */
  readonly tranche: TrancheName;
  /** Quote units. */
  readonly amount: bigint;
  /** Least shares to get, share units. */
  readonly minShares: bigint;
  /** Quote token account; the provider's associated one by default. */
  readonly source?: Address;
  /** Account for the shares; by default the provider's associated one, which is created if it does not exist. */
  readonly shares?: Address;
}

/**
 * Adds liquidity to the pool for shares.
 *
 * @throws {@link UnlistedError}
 */
export async function addLiquidity(
  context: Context,
  input: AddLiquidityInput,
): Promise<AnyInstruction[]> {
  const { provider, tranche, amount, minShares } = input;
  const vault = vaultOf(context.listings, QUOTE);
  const { mint, tokenAccount, tokenProgram } = vault;
  const owner = addressOf(provider);
  const shareMint = shareMintAddress(tranche);
  const own = { payer: provider, owner, mint: shareMint };
  const instruction = getAddLiquidityInstruction({
    provider: signerOf(provider),
    quoteVault: vault.address,
    tokenAccount,
    source: input.source ?? (await associatedTokenAddress(owner, mint, tokenProgram)),
    mint,
    shareMint,
    shares: input.shares ?? (await associatedTokenAddress(owner, shareMint)),
    tokenProgram,
    shareTokenProgram: TOKEN_PROGRAM_ADDRESS,
    amount,
    minShares,
  });
  return [
    ...(await inFront(context, input, () => oldMarkets(context, true))),
    ...(input.shares === undefined ? [await createTokenAccount(own)] : []),
    withReadonly(instruction, context.listings.markets.values()),
  ];
}

/** Input of {@link requestRedeem}. */
export interface RequestRedeemInput extends Refreshing {
  /** Owner of the shares. Signs. */
  readonly provider: Authority;
  /** Pays the ticket's rent; the provider by default. Signs. */
  readonly payer?: Authority;
  /** Tranche of the shares. */
  readonly tranche: TrancheName;
  /** Number of the ticket, chosen by the provider: one that he has no ticket under. */
  readonly nonce: bigint;
  /** Shares, share units. */
  readonly amount: bigint;
  /** Account of the shares; the provider's associated one by default. */
  readonly shares?: Address;
}

/** Puts pool shares into a ticket, to be redeemed after the pool's delay. */
export async function requestRedeem(
  context: Context,
  input: RequestRedeemInput,
): Promise<AnyInstruction[]> {
  const { provider, payer = provider, tranche, nonce, amount } = input;
  const owner = addressOf(provider);
  const shareMint = shareMintAddress(tranche);
  const instruction = getRequestRedeemInstruction({
    provider: signerOf(provider),
    payer: signerOf(payer),
    ticket: await redeemTicketAddress(owner, nonce),
    shareMint,
    shares: input.shares ?? (await associatedTokenAddress(owner, shareMint)),
    shareTokenProgram: TOKEN_PROGRAM_ADDRESS,
    nonce,
    amount,
  });
  const fronted = await inFront(context, input, () => oldMarkets(context, false));
  return [...fronted, withReadonly(instruction, context.listings.markets.values())];
}

/** Input of {@link redeem}. */
export interface RedeemInput extends Refreshing {
  /** Owner of the ticket. Signs. */
  readonly provider: Authority;
  /** The ticket. */
  readonly ticket: Loaded<RedeemTicket>;
  /** Least quote units to get. */
  readonly minAmount: bigint;
  /** Quote token account; by default the provider's associated one, which is created if it does not exist. */
  readonly destination?: Address;
}

/**
 * Pays a redeem ticket, whole or as far as the pool can.
 *
 * @throws {@link UnlistedError}
 */
export async function redeem(context: Context, input: RedeemInput): Promise<AnyInstruction[]> {
  const { provider, ticket, minAmount } = input;
  const vault = vaultOf(context.listings, QUOTE);
  const { mint, tokenAccount, tokenProgram } = vault;
  const { owner, payer } = ticket.data;
  const destination = await associatedTokenAddress(owner, mint, tokenProgram);
  const own = { payer: provider, owner, mint, tokenProgram };
  const instruction = getRedeemInstruction({
    provider: signerOf(provider),
    payer,
    ticket: ticket.address,
    quoteVault: vault.address,
    tokenAccount,
    destination: input.destination ?? destination,
    mint,
    tokenProgram,
    minAmount,
  });
  return [
    ...(await inFront(context, input, () => oldMarkets(context, true))),
    ...(input.destination === undefined ? [await createTokenAccount(own)] : []),
    withReadonly(instruction, context.listings.markets.values()),
  ];
}

/** Input of {@link cancelRedeem}. */
export interface CancelRedeemInput {
  /** Owner of the ticket, or anybody once its window is over. Signs. */
  readonly authority: Authority;
  /** The ticket. */
  readonly ticket: Loaded<RedeemTicket>;
  /** Account of the ticket's owner for the shares; his associated one by default. */
  readonly shares?: Address;
}

const JUNIOR = 0;

/** Takes the shares back out of a redeem ticket. */
export async function cancelRedeem(input: CancelRedeemInput): Promise<AnyInstruction[]> {
  const { authority, ticket } = input;
  const { owner, payer } = ticket.data;
  const shareMint = shareMintAddress(ticket.data.tranche === JUNIOR ? 'junior' : 'senior');
  const own = { payer: authority, owner, mint: shareMint };
  const instruction = getCancelRedeemInstruction({
    authority: signerOf(authority),
    payer,
    ticket: ticket.address,
    shareMint,
    shares: input.shares ?? (await associatedTokenAddress(owner, shareMint)),
    shareTokenProgram: TOKEN_PROGRAM_ADDRESS,
  });
  const created = input.shares === undefined ? [await createTokenAccount(own)] : [];
  return [...created, instruction];
}

/** Moves pool money to or from a market towards its target. No signer. */
export async function allocateLiquidity(
  context: Context,
  input: Refreshing & { readonly market: number },
): Promise<AnyInstruction[]> {
  const market = marketAddress(input.market);
  const others = [...context.listings.markets.values()].filter((key) => key !== market);
  const fronted = await inFront(context, input, () => oldMarkets(context, false));
  return [...fronted, withReadonly(getAllocateLiquidityInstruction({ market }), others)];
}

/** Distributes a market's fees. No signer. */
export async function sweepMarket(input: { readonly market: number }): Promise<AnyInstruction[]> {
  return [getSweepMarketInstruction({ market: marketAddress(input.market) })];
}
