import type { Address } from '@solana/kit';

import type { MarginContext } from '../context';
import {
  getCancelTriggerInstruction,
  getExecuteTriggerInstruction,
  getPlaceTriggerInstruction,
} from '../generated';
import { marketOf, type Listings } from '../listings';
import {
  ALL_LOTS,
  sideByte,
  signerOf,
  type AnyInstruction,
  type Authority,
  type Margin,
  type Side,
} from './common';
import type { Refreshing } from './refresh';
import { trade } from './trade';

/** What a trigger does once its price has come: increase a position, or decrease it at a profit or at a loss. */
export type TriggerKind = 'limit' | 'takeProfit' | 'stopLoss';

const TRIGGER_BYTES: Readonly<Record<TriggerKind, number>> = {
  limit: 0,
  takeProfit: 1,
  stopLoss: 2,
};

/** Input of {@link placeTrigger}. Prices are Q32.32 quote units per lot. */
export interface PlaceTriggerInput {
  /** Owner or delegate of the margin account. Signs. */
  readonly authority: Authority;
  /** Limit entry, take-profit or stop-loss; the latter two only reduce. */
  readonly kind: TriggerKind;
  /** Index of the market. */
  readonly market: number;
  /** Side of the position that it opens, increases or decreases. */
  readonly side: Side;
  /** Lots; for a take-profit or stop-loss all of the position by default. */
  readonly lots?: bigint;
  /** Mark price to wait for. */
  readonly triggerPrice: bigint;
  /** Worst fill price, fees excluded; see {@link anyPrice}. */
  readonly limitPrice: bigint;
  /** Last moment at which it can be executed, unix seconds. */
  readonly expiry: bigint;
}

/**
 * Places a trigger. It executes at a fresh price only, by anybody.
 *
 * @throws {@link UnlistedError}
 */
export async function placeTrigger(
  listings: Listings,
  margin: Margin,
  input: PlaceTriggerInput,
): Promise<AnyInstruction[]> {
  const { kind, side, lots = ALL_LOTS, triggerPrice, limitPrice, expiry } = input;
  if (kind === 'limit' && input.lots === undefined) throw new TypeError('a limit entry needs lots');
  const args = {
    incarnation: margin.data.incarnation,
    kind: TRIGGER_BYTES[kind],
    side: sideByte(side),
    reduceOnly: kind !== 'limit',
    lots,
    triggerPrice,
    limitPrice,
    expiry,
  };
  const market = marketOf(listings, input.market);
  const authority = signerOf(input.authority);
  return [
    getPlaceTriggerInstruction({ authority, marginAccount: margin.address, market, ...args }),
  ];
}

/** Cancels a trigger. Signed by owner or delegate, or by anybody once it has expired. */
export async function cancelTrigger(
  margin: Margin,
  input: { readonly authority: Authority; readonly id: bigint },
): Promise<AnyInstruction[]> {
  const authority = signerOf(input.authority);
  const { incarnation } = margin.data;
  const marginAccount = margin.address;
  return [getCancelTriggerInstruction({ authority, marginAccount, incarnation, id: input.id })];
}

/** Input of {@link executeTrigger}. */
export interface ExecuteTriggerInput extends Refreshing {
  /** Id of the trigger. */
  readonly id: bigint;
  /** Margin account that the fee goes to; nobody is paid without. */
  readonly keeper?: Address;
}

/**
 * Executes a trigger of the context's margin account. No signer.
 *
 * @throws {@link UnlistedError}; Error if the account has no such trigger.
 */
export async function executeTrigger(
  context: MarginContext,
  input: ExecuteTriggerInput,
): Promise<AnyInstruction[]> {
  const { id, keeper } = input;
  const trigger = context.margin.data.triggers.find((t) => t.id === id && t.id !== 0n);
  if (trigger === undefined) throw new Error(`the account has no trigger ${id}: read it again`);
  const instruction = getExecuteTriggerInstruction({
    marginAccount: context.margin.address,
    market: marketOf(context.listings, trigger.market),
    ...(keeper === undefined ? {} : { keeperAccount: keeper }),
    id,
  });
  return trade(context, { ...input, market: trigger.market }, instruction);
}
