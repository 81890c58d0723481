import type { Address } from '@solana/kit';

import { marketAddress } from '../addresses';
import type { MarginContext } from '../context';
import {
  getClosePositionInstruction,
  getOpenPositionInstruction,
  getSettlePositionInstruction,
} from '../generated';
import { legs, marketOf } from '../listings';
import {
  ALL_LOTS,
  sideByte,
  signerOf,
  withReadonly,
  type AnyInstruction,
  type Authority,
  type Side,
} from './common';
import { inFront, oldLegs, type Refreshing } from './refresh';

/** Input of {@link openPosition}. */
export interface OpenPositionInput extends Refreshing {
  /** Owner or delegate of the margin account. Signs. */
  readonly authority: Authority;
  /** Index of the market. */
  readonly market: number;
  /** Side of the position. */
  readonly side: Side;
  /** Lots to add, a multiple of the market's step. */
  readonly lots: bigint;
  /** Worst fill price, Q32.32 quote units per lot, fees excluded; see {@link anyPrice}. */
  readonly limitPrice: bigint;
}

/**
 * Opens or increases a position.
 *
 * @throws {@link UnlistedError}
 */
export async function openPosition(
  context: MarginContext,
  input: OpenPositionInput,
): Promise<AnyInstruction[]> {
  const { lots, limitPrice } = input;
  const { incarnation } = context.margin.data;
  const args = { incarnation, side: sideByte(input.side), lots, limitPrice };
  return trade(context, input, getOpenPositionInstruction({ ...traded(context, input), ...args }));
}

/** Input of {@link closePosition}. */
export interface ClosePositionInput extends Refreshing {
  /** Owner or delegate of the margin account. Signs. */
  readonly authority: Authority;
  /** Index of the market. */
  readonly market: number;
  /** Lots to close, a multiple of the market's step; all by default. */
  readonly lots?: bigint;
  /** Worst fill price, Q32.32 quote units per lot, fees excluded; see {@link anyPrice}. */
  readonly limitPrice: bigint;
}

/**
 * Decreases or closes a position.
 *
 * @throws {@link UnlistedError}
 */
export async function closePosition(
  context: MarginContext,
  input: ClosePositionInput,
): Promise<AnyInstruction[]> {
  const { lots = ALL_LOTS, limitPrice } = input;
  const args = { incarnation: context.margin.data.incarnation, lots, limitPrice };
  return trade(context, input, getClosePositionInstruction({ ...traded(context, input), ...args }));
}

interface Traded extends Refreshing {
  readonly market: number;
}

function traded(context: MarginContext, input: Traded & { readonly authority: Authority }) {
  return {
    authority: signerOf(input.authority),
    marginAccount: context.margin.address,
    market: marketOf(context.listings, input.market),
  };
}

/** A trade's instruction with the account's other legs, and the refreshes in front. */
export async function trade(
  context: MarginContext,
  input: Traded,
  instruction: AnyInstruction,
): Promise<AnyInstruction[]> {
  const { listings, margin } = context;
  const keys = legs(listings, margin.data, { market: input.market });
  const old = () => oldLegs(context, margin, input.market);
  return [...(await inFront(context, input, old)), withReadonly(instruction, keys)];
}

/** Settles a position: pending unwind, claim, losses that claims wait for. No signer. */
export async function settlePosition(input: {
  readonly marginAccount: Address;
  readonly market: number;
}): Promise<AnyInstruction[]> {
  const { marginAccount } = input;
  return [getSettlePositionInstruction({ marginAccount, market: marketAddress(input.market) })];
}
