import { beforeAll, expect, test } from 'vitest';

import {
  distress,
  isError,
  marginAccountViews,
  poolView,
  quote,
  shareValue,
  type Context,
  type Health,
  type Outcome,
} from '../../src';
import { oldLegs, oldMarkets } from '../../src/instructions/refresh';
import {
  at,
  contextOf,
  read,
  withMargin,
  type Failed,
  type Pair,
  type Portfolio,
  type Said,
  type Scene,
} from './data';

const scenes = read<Scene[]>('scenes.json');
const contexts: Context[] = [];
let portfolios: [Context, Portfolio][] = [];

beforeAll(async () => {
  for (const scene of scenes) contexts.push(await contextOf(scene));
  portfolios = scenes.flatMap((scene, i) =>
    scene.portfolios.map((p): [Context, Portfolio] => [at(contexts, i), p]),
  );
});

function failed(said: unknown): said is Failed {
  return typeof said === 'object' && said !== null && 'error' in said;
}

/** What Rust said of a health, as the SDK says it. */
function health(said: Said<Pair>): Outcome<Health> {
  return failed(said)
    ? { error: said.error }
    : { equity: BigInt(said[0]), requirement: BigInt(said[1]) };
}

/** A value, or the message of why there is none. */
function attempt<T>(ask: () => T): T | Failed {
  try {
    return ask();
  } catch (error) {
    return { error: (error as Error).message };
  }
}

test('there are enough portfolios, of every kind', () => {
  expect(portfolios.length).toBeGreaterThanOrEqual(1_000);
  const having = (what: (p: Portfolio) => boolean) => portfolios.filter(([, p]) => what(p)).length;
  expect(having((p) => p.positions.length > 0)).toBeGreaterThan(500);
  expect(having((p) => p.positions.length === 16)).toBeGreaterThan(300);
  expect(
    having((p) => p.positions.some((x) => typeof x.liquidationPrice === 'string')),
  ).toBeGreaterThan(300);
  expect(having((p) => p.health.some(failed))).toBeGreaterThan(10);
  expect(having((p) => p.distress !== null && !failed(p.distress))).toBeGreaterThan(30);
});

test('health of every account, for every purpose', () => {
  for (const [context, portfolio] of portfolios) {
    const view = at(marginAccountViews(context, [withMargin(context, portfolio).margin]), 0);
    const mine = [view.initial, view.maintenance, view.withdrawal];
    expect(mine).toEqual(portfolio.health.map(health));
  }
});

test('PnL and liquidation price of every position', () => {
  for (const [context, portfolio] of portfolios) {
    const view = at(marginAccountViews(context, [withMargin(context, portfolio).margin]), 0);
    const mine = view.positions.map(({ market, pnl, liquidationPrice }) => ({
      market,
      pnl: String(pnl),
      liquidationPrice: liquidationPrice === null ? null : String(liquidationPrice),
    }));
    expect(mine).toEqual(portfolio.positions);
  }
});

test('quotes: every part of a trade, and the health after it', () => {
  let [answered, refused] = [0, 0];
  for (const [context, portfolio] of portfolios) {
    const margin = withMargin(context, portfolio);
    for (const asked of portfolio.quotes) {
      if (asked === null) continue;
      const { market, side, answer } = asked;
      const input = { market, lots: BigInt(asked.asked), ...(side === null ? {} : { side }) };
      const mine = attempt(() => quote(margin, input));
      if (failed(answer)) {
        expect(mine).toEqual(answer);
        refused += 1;
      } else {
        if (failed(mine)) throw new Error(mine.error);
        const { initialAfter, ...parts } = answer;
        for (const [name, value] of Object.entries(parts)) {
          expect(String(mine[name as keyof typeof mine]), name).toBe(value);
        }
        const after = mine.after;
        expect(isError(after) ? after : after.initial).toEqual(health(initialAfter));
        answered += 1;
      }
    }
  }
  expect(answered).toBeGreaterThan(1_000);
  expect(refused).toBeGreaterThan(100);
});

test('who can be liquidated, and what the auction offers', () => {
  for (const [context, portfolio] of portfolios) {
    const { margin } = withMargin(context, portfolio);
    const [mine] = distress(context, [margin]);
    const expected = portfolio.distress;
    if (expected === null || failed(expected)) {
      expect(mine).toEqual(expected);
      continue;
    }
    if (mine === null || mine === undefined || isError(mine))
      throw new Error(`no distress of ${portfolio.address}`);
    expect(mine.health).toEqual(health(expected.health));
    expect(String(mine.elapsed)).toBe(expected.elapsed);
    const { offer } = mine;
    const told =
      offer === null || isError(offer)
        ? offer
        : [offer.market, offer.concession, offer.fee, offer.lots].map(String);
    expect(told).toEqual(expected.offer);
  }
});

test('share values, worth of the pool, exposure', () => {
  let valued = 0;
  scenes.forEach((scene, i) => {
    const context = at(contexts, i);
    for (const tranche of ['junior', 'senior'] as const) {
      const { shares, value } = scene[tranche];
      const mine = attempt(() => shareValue(context, tranche, BigInt(shares)));
      expect(failed(mine) ? mine : String(mine)).toEqual(value);
      if (!failed(value)) valued += 1;
    }
    const pool = attempt(() => poolView(context));
    if (failed(scene.nav) || failed(pool)) {
      expect(pool).toEqual(scene.nav);
      return;
    }
    expect([pool.low, pool.high, pool.used, pool.releasable].map(String)).toEqual(scene.nav);
    const deltas = pool.markets.map((m) => [m.lots, m.notional, m.equity].map(String));
    expect(deltas).toEqual(scene.deltas);
  });
  expect(valued).toBeGreaterThan(50);
});

test('what has to be refreshed', () => {
  scenes.forEach((scene, i) => {
    expect([true, false].map((strict) => oldMarkets(at(contexts, i), strict))).toEqual(
      scene.oldMarkets,
    );
  });
  for (const [context, portfolio] of portfolios) {
    const { margin } = withMargin(context, portfolio);
    expect(oldLegs(context, margin, portfolio.traded ?? undefined)).toEqual(portfolio.oldLegs);
  }
});
