import type { Address } from '@solana/kit';

import { marketAddress } from '../addresses';
import type { Context, MarginContext } from '../context';
import {
  getAutoDeleverageInstruction,
  getLiquidateCollateralInstruction,
  getLiquidateInstruction,
  getLiquidateToPoolInstruction,
  getRebalanceMarketInstruction,
  getResolveBankruptcyInstruction,
} from '../generated';
import { legs, legsAfterBuying, marketOf, vaultOf } from '../listings';
import {
  ALL_LOTS,
  signerOf,
  withReadonly,
  withWritable,
  type AnyInstruction,
  type Authority,
  type Margin,
} from './common';
import { inFront, oldLegs, type Refreshing } from './refresh';

/** Who takes a position or a collateral over. */
export interface Liquidator {
  /** Owner or delegate of the margin account. Signs. */
  readonly authority: Authority;
  /** Margin account that takes over, and pays. */
  readonly margin: Margin;
}

/** Input of {@link liquidate}. */
export interface LiquidateInput extends Refreshing {
  /** Who takes over. */
  readonly liquidator: Liquidator;
  /** Index of the market whose position is taken over. */
  readonly market: number;
  /** Lots; by default what the auction offers. 0 only starts the auction. */
  readonly lots?: bigint;
  /** Worst price, Q32.32 quote units per lot: the highest for a long, the lowest for a short. */
  readonly limitPrice: bigint;
}

/**
 * Takes over a position of the context's margin account, which is below maintenance margin, at the auction's price. What it
 * takes depends on the slot that it lands in, and so do the compute units: name a `computeUnitLimit` when sending it rather than
 * to have it sized by a simulation of an earlier slot.
 *
 * @throws {@link UnlistedError}
 */
export async function liquidate(
  context: MarginContext,
  input: LiquidateInput,
): Promise<AnyInstruction[]> {
  const { listings, margin } = context;
  const { liquidator, market, lots = ALL_LOTS, limitPrice } = input;
  const taker = liquidator.margin;
  const instruction = getLiquidateInstruction({
    liquidator: signerOf(liquidator.authority),
    marginAccount: margin.address,
    liquidatorAccount: taker.address,
    market: marketOf(listings, market),
    incarnation: taker.data.incarnation,
    lots,
    limitPrice,
  });
  const old = () => [...oldLegs(context, margin, market), ...oldLegs(context, taker, market)];
  const keys = [
    ...legs(listings, margin.data, { market }),
    ...legs(listings, taker.data, { market }),
  ];
  return [...(await inFront(context, input, old)), withReadonly(instruction, keys)];
}

/** What keepers say of a position. */
export interface KeeperInput extends Refreshing {
  /** Index of the market. */
  readonly market: number;
  /** Margin account that the pay goes to; nobody is paid without. */
  readonly keeper?: Address;
}

/**
 * Hands a position of the context's margin account, which is below maintenance margin, to the pool. No signer.
 *
 * @throws {@link UnlistedError}
 */
export async function liquidateToPool(
  context: MarginContext,
  input: KeeperInput,
): Promise<AnyInstruction[]> {
  return reduce(context, input, getLiquidateToPoolInstruction(reduced(context, input)));
}

/**
 * Reduces a position of the context's margin account to the cut-off leverage. No signer.
 *
 * @throws {@link UnlistedError}
 */
export async function autoDeleverage(
  context: MarginContext,
  input: KeeperInput,
): Promise<AnyInstruction[]> {
  return reduce(context, input, getAutoDeleverageInstruction(reduced(context, input)));
}

function reduced(context: MarginContext, input: KeeperInput) {
  return {
    marginAccount: context.margin.address,
    market: marketOf(context.listings, input.market),
    ...(input.keeper === undefined ? {} : { keeperAccount: input.keeper }),
  };
}

async function reduce(
  context: MarginContext,
  input: KeeperInput,
  instruction: AnyInstruction,
): Promise<AnyInstruction[]> {
  const { listings, margin } = context;
  const keys = legs(listings, margin.data, { market: input.market });
  const old = () => oldLegs(context, margin, input.market);
  return [...(await inFront(context, input, old)), withReadonly(instruction, keys)];
}

/** Input of {@link liquidateCollateral}. */
export interface LiquidateCollateralInput extends Refreshing {
  /** Who buys. */
  readonly liquidator: Liquidator;
  /** Index of the vault whose tokens are bought. */
  readonly vault: number;
  /** Token units, at most. */
  readonly amount: bigint;
  /** Highest price, Q32.32 quote units per token unit. */
  readonly limitPrice: bigint;
  /** Index of a market that settles or has claims waiting and that the account owes for: then any debt is reason enough. */
  readonly creditor?: number;
}

/**
 * Buys collateral of the context's margin account, which is in trouble or owes too much quote.
 *
 * @throws {@link UnlistedError}
 */
export async function liquidateCollateral(
  context: MarginContext,
  input: LiquidateCollateralInput,
): Promise<AnyInstruction[]> {
  const { listings, margin } = context;
  const { liquidator, vault, amount, limitPrice, creditor } = input;
  const buyer = liquidator.margin;
  const instruction = getLiquidateCollateralInstruction({
    liquidator: signerOf(liquidator.authority),
    marginAccount: margin.address,
    liquidatorAccount: buyer.address,
    vault: vaultOf(listings, vault).address,
    ...(creditor === undefined ? {} : { market: marketOf(listings, creditor) }),
    incarnation: buyer.data.incarnation,
    amount,
    limitPrice,
  });
  const old = () => [...oldLegs(context, margin), { vault }, ...oldLegs(context, buyer)];
  const keys = [
    ...legs(listings, margin.data, { vault }),
    ...legsAfterBuying(listings, buyer.data, vault),
  ];
  return [...(await inFront(context, input, old)), withReadonly(instruction, keys)];
}

/**
 * Pays what the context's margin account, which is bankrupt, owes for a market, through the waterfall. No signer.
 *
 * @throws {@link UnlistedError}
 */
export async function resolveBankruptcy(
  context: MarginContext,
  input: Refreshing & { readonly market: number },
): Promise<AnyInstruction[]> {
  const { listings, margin } = context;
  const { market } = input;
  const instruction = getResolveBankruptcyInstruction({
    marginAccount: margin.address,
    market: marketOf(listings, market),
  });
  const claims = margin.data.positions.filter((p) => p.inUse !== 0 && p.market !== market);
  const keys = claims.map((claim) => marketOf(listings, claim.market));
  const fronted = await inFront(context, input, () => [{ market }]);
  return [...fronted, withWritable(instruction, keys)];
}

/** Unwinds the winners of a market whose pool money is used up. No signer. */
export async function rebalanceMarket(
  context: Context,
  input: Refreshing & { readonly market: number },
): Promise<AnyInstruction[]> {
  const { market } = input;
  const fronted = await inFront(context, input, () => [{ market }]);
  return [...fronted, getRebalanceMarketInstruction({ market: marketAddress(market) })];
}
