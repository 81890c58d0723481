import type { Address } from '@solana/kit';

import type { TrancheName } from './addresses';
import type { Context, MarginContext } from './context';
import { ask } from './engine';
import type { Trigger } from './generated';
import type { Margin, Side } from './instructions/common';
import { sideOf } from './instructions/common';
import type { TriggerKind } from './instructions/triggers';
import { accountsOf, marginBytes } from './snapshot';

/** A value, or why there is none. */
export type Outcome<T> = T | { readonly error: string };

/** What an account is worth and what it needs, quote units. */
export interface Health {
  /** What it is worth. */
  readonly equity: bigint;
  /** What it needs: it may, while equity is no less. */
  readonly requirement: bigint;
}

/** A position or a claim as its holder sees it. Prices are Q32.32 quote units per lot. */
export interface PositionView {
  /** Index of the market. */
  readonly market: number;
  /** Side; a claim keeps the side that it came from. */
  readonly side: Side;
  /** Lots after any unwind that is pending; zero for a claim. */
  readonly lots: bigint;
  /** Live price. */
  readonly mark: bigint;
  /**
   * Price at which it would be worth nothing, carry included, rounded to the holder's worse. Zero or less for a position
   * whose profit no price could take. `null` for a claim.
   */
  readonly entry: bigint | null;
  /** Worth at the live price, carry included, quote units rounded down. For a claim, what is owed. */
  readonly pnl: bigint;
  /** Lots at the live price, quote units rounded up. */
  readonly notional: bigint;
  /** Live price beyond which the account can be liquidated, with all else as it is. `null` if no price of this market decides. */
  readonly liquidationPrice: bigint | null;
}

/** A collateral of an account. */
export interface CollateralView {
  /** Index of the vault. */
  readonly vault: number;
  /** Token units. */
  readonly amount: bigint;
  /** What it counts for in maintenance margin, after the haircut: quote units rounded down. */
  readonly value: bigint;
}

/** An account's numbers as the engine works them out. */
export interface AccountNumbers {
  /** Quote balance, quote units; negative after a loss. */
  readonly quote: bigint;
  /** Collaterals in slot order. */
  readonly collaterals: readonly CollateralView[];
  /** Positions and claims in slot order. */
  readonly positions: readonly PositionView[];
  /** The account may increase while equity covers the requirement. */
  readonly initial: Outcome<Health>;
  /** It may stay. */
  readonly maintenance: Outcome<Health>;
  /** It may withdraw. */
  readonly withdrawal: Outcome<Health>;
}

/** A trigger. Prices are Q32.32 quote units per lot. */
export interface TriggerView {
  /** Its id. */
  readonly id: bigint;
  /** What it does. */
  readonly kind: TriggerKind;
  /** Index of the market. */
  readonly market: number;
  /** Side of the position that it opens, increases or decreases. */
  readonly side: Side;
  /** Lots; 2^64 − 1 stands for all. */
  readonly lots: bigint;
  /** Mark price that it waits for. */
  readonly triggerPrice: bigint;
  /** Worst fill price, fees excluded. */
  readonly limitPrice: bigint;
  /** Last moment, unix seconds. */
  readonly expiry: bigint;
  /** Whether a delegate placed it: it goes with him. */
  readonly byDelegate: boolean;
}

/** A margin account as its owner sees it. */
export interface MarginAccountView extends AccountNumbers {
  /** Address. */
  readonly address: Address;
  /** Owner. */
  readonly owner: Address;
  /** Who may trade besides the owner; all zeros for nobody. */
  readonly delegate: Address;
  /** Orders that wait for a price. */
  readonly triggers: readonly TriggerView[];
  /**
   * What is left of initial equity after its requirement, quote units, 0 at least: room for new positions. `undefined` while
   * a price has to be refreshed first, see `initial`.
   */
  readonly freeCollateral: bigint | undefined;
}

/**
 * The context's margin account: balances, positions, claims, triggers and health. Health whose prices need a refresh is an
 * error that says so; the rest is at the stored prices.
 *
 * @throws {@link EngineError}
 */
export function marginAccountView(context: MarginContext): MarginAccountView {
  const [view] = marginAccountViews(context, [context.margin]);
  return present(view);
}

/**
 * The same of many margin accounts at once.
 *
 * @throws {@link EngineError}
 */
export function marginAccountViews(
  context: Context,
  margins: readonly Margin[],
): MarginAccountView[] {
  const bytes = margins.map((margin) => marginBytes(margin));
  const views = ask<Outcome<AccountNumbers>[]>({ ask: 'views' }, accountsOf(context, bytes));
  return margins.map((margin, i) => complete(margin, valueOf(present(views[i]))));
}

function complete(margin: Margin, numbers: AccountNumbers): MarginAccountView {
  const { owner, delegate, triggers } = margin.data;
  const initial: Outcome<Health> = numbers.initial;
  return Object.freeze({
    ...numbers,
    address: margin.address,
    owner,
    delegate,
    triggers: triggers.filter((trigger) => trigger.id !== 0n).map(viewTrigger),
    freeCollateral: isError(initial) ? undefined : excess(initial),
  });
}

/** Equity over the requirement, quote units, 0 at least. */
export function excess(health: Health): bigint {
  const left = health.equity - health.requirement;
  return left > 0n ? left : 0n;
}

/** Whether there is an error in place of a value. */
export function isError<T extends object>(
  outcome: Outcome<T>,
): outcome is { readonly error: string } {
  return 'error' in outcome;
}

/**
 * The value of an outcome.
 *
 * @throws Error with its message if there is none.
 */
export function valueOf<T extends object>(outcome: Outcome<T>): T {
  if (isError(outcome)) throw new Error(outcome.error);
  return outcome as T;
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the engine left an account out');
  return value;
}

const KINDS: readonly TriggerKind[] = ['limit', 'takeProfit', 'stopLoss'];

function viewTrigger(trigger: Trigger): TriggerView {
  const { id, market, lots, triggerPrice, limitPrice, expiry } = trigger;
  const kind = KINDS[trigger.kind] ?? 'limit';
  const byDelegate = trigger.byDelegate !== 0;
  const side = sideOf(trigger.side);
  return { id, kind, market, side, lots, triggerPrice, limitPrice, expiry, byDelegate };
}

/** What {@link quote} is asked. */
export type QuoteInput = {
  /** Index of the market. */
  readonly market: number;
  /** Side to open or increase; without one the position is decreased. */
  readonly side?: Side;
  /** Worst fill price, Q32.32 quote units per lot; any by default. */
  readonly limitPrice?: bigint;
} & (
  | {
      /** Lots, a multiple of the market's step; 2^64 − 1 closes all. */
      readonly lots: bigint;
    }
  | {
      /** Quote units that the lots are worth at most, at the live price; they are rounded down to the market's step. */
      readonly notional: bigint;
    }
);

/** What a trade would do, quote units: exactly as the program would do it at this state and clock. */
export interface TradeQuote {
  /** Signed lots of the fill, bought above zero. */
  readonly lots: bigint;
  /** Lots at the live price. */
  readonly notional: bigint;
  /** Signed cost along the price curve, without spread. */
  readonly curve: bigint;
  /** Spread. */
  readonly spread: bigint;
  /** Signed cost of the lots, fee excluded: paid above zero. */
  readonly cost: bigint;
  /** Average fill price, fee excluded: Q32.32 quote units per lot, rounded to the trader's worse. */
  readonly price: bigint;
  /** Taker fee. */
  readonly fee: bigint;
  /** PnL realised by closed lots, fee excluded. */
  readonly realised: bigint;
  /** Toxic-exit fee: part of a profit that stays in the market's cash. */
  readonly toxicFee: bigint;
  /** Part of `realised − toxicFee` that moves between the market's cash and the account. */
  readonly paid: bigint;
  /** Part of it that stays as a claim. */
  readonly claim: bigint;
  /** Change of the account's quote balance. */
  readonly quoteChange: bigint;
  /** Lots taken by a pending unwind before the trade. */
  readonly unwoundLots: bigint;
  /** Change of the position's quote by it. */
  readonly unwoundQuote: bigint;
  /** The account afterwards. */
  readonly after: Outcome<AccountNumbers>;
}

/**
 * What a trade of the context's margin account would do. Margin, pause and market status are the program's to check: look
 * at `after`.
 *
 * @throws {@link EngineError} with what the engine refuses.
 */
export function quote(context: MarginContext, input: QuoteInput): TradeQuote {
  const { market, side = null, limitPrice = null } = input;
  const lots = 'lots' in input ? input.lots : lotsWorth(context, market, input.notional);
  const accounts = accountsOf(context, [marginBytes(context.margin)]);
  const found = ask<Omit<TradeQuote, 'price'>>(
    { ask: 'quote', market, side, lots, limit: limitPrice },
    accounts,
  );
  return Object.freeze({ ...found, price: averagePrice(found) });
}

const FRACTION_BITS = 32n;

/** What is paid is rounded up, what is received is rounded down: `cost` has the sign of `lots`. */
function averagePrice({ lots, cost }: { readonly lots: bigint; readonly cost: bigint }): bigint {
  if (lots === 0n) return 0n;
  if (lots < 0n) return (-cost << FRACTION_BITS) / -lots;
  return ((cost << FRACTION_BITS) + lots - 1n) / lots;
}

/**
 * Lots, a multiple of the market's step, that are worth at most so many quote units at its live price.
 *
 * @throws {@link EngineError}
 */
export function lotsWorth(context: Context, market: number, notional: bigint): bigint {
  return ask({ ask: 'lotsWorth', market, notional }, accountsOf(context));
}

/** What an auction offers at a moment. */
export interface Offer {
  /** Index of the market. */
  readonly market: number;
  /** Concession to who takes over, share of the notional, Q32. */
  readonly concession: bigint;
  /** Fee to the market's insurance, share of the notional, Q32. */
  readonly fee: bigint;
  /** Lots that restore the account. */
  readonly lots: bigint;
}

/** An account that can be liquidated. */
export interface Distress {
  /** Its health at the live prices, every doubt in its favour. */
  readonly health: Health;
  /** Slots since the first call of its auction. */
  readonly elapsed: bigint;
  /**
   * What the auction offers of the position that has to go first; `null` without positions: collateral is sold then. An error
   * if the market's own price is no good.
   */
  readonly offer: Outcome<Offer> | null;
}

/**
 * Which margin accounts can be liquidated at a slot, that of the context by default: `null` for one that is healthy with
 * every doubt in its favour, an error for one whose prices need a refresh.
 *
 * @throws {@link EngineError}
 */
export function distress(
  context: Context,
  margins: readonly Margin[],
  slot: bigint = context.slot,
): readonly (Outcome<Distress> | null)[] {
  const bytes = margins.map((margin) => marginBytes(margin));
  return ask({ ask: 'distress', slot }, accountsOf(context, bytes));
}

/** What the pool is worth, and is exposed to. */
export interface PoolView {
  /** Worth at the price that is worse for a holder, quote units. */
  readonly low: bigint;
  /** Worth at the price that is worse for who joins. */
  readonly high: bigint;
  /** What exposure uses. */
  readonly used: bigint;
  /** What markets can give back. */
  readonly releasable: bigint;
  /** Exposure by market. */
  readonly markets: readonly {
    /** Index of the market. */
    readonly market: number;
    /** Signed lots that the pool is long or short. */
    readonly lots: bigint;
    /** Their worth, signed, quote units rounded towards zero. */
    readonly notional: bigint;
    /** The market's equity, quote units. */
    readonly equity: bigint;
  }[];
}

/**
 * What the pool is worth at the stored prices, and is exposed to.
 *
 * @throws {@link EngineError}
 */
export function poolView(context: Context): PoolView {
  return ask({ ask: 'pool' }, accountsOf(context));
}

/**
 * Quote units that shares of a tranche are worth at the price that is worse for their holder, rounded down.
 *
 * @throws {@link EngineError}
 */
export function shareValue(context: Context, tranche: TrancheName, shares: bigint): bigint {
  return ask({ ask: 'shareValue', tranche, shares }, accountsOf(context));
}
