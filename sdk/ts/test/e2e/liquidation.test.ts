import { expect, test } from 'vitest';

import * as sdk from '../../src';
import { DOLLAR, fundedAccount, handle, printed, until, wallet } from './chain';

test('an account below maintenance margin is taken over, by what the auction offers', async () => {
  const [trader, keeper] = [await wallet('trader2'), await wallet('keeper')];
  const marginAccount = await fundedAccount(trader, 20, 1_000n * DOLLAR);
  const ours = await fundedAccount(keeper, 20, 100_000n * DOLLAR);
  const load = () => sdk.loadContext(handle, marginAccount);

  let context = await load();
  const lots = sdk.lotsWorth(context, 0, 15_000n * DOLLAR);
  const order = {
    authority: trader,
    market: 0,
    side: 'long',
    lots,
    limitPrice: sdk.anyPrice('buy'),
  } as const;
  await sdk.send(handle, trader, await sdk.openPosition(context, order));
  context = await load();
  expect(sdk.distress(context, [context.margin])).toEqual([null]);
  const before = sdk.marginAccountView(context);
  const [held] = before.positions;

  // Four per cent down: further than the liquidation price.
  const primary = await printed(0, 96n, 100n);
  await sdk.send(handle, keeper, [sdk.refreshMarket(0, { primary })]);
  context = await load();
  const mark = context.markets.get(0)?.data.core.oracle.price ?? 0n;
  expect(mark).toBeLessThan(held?.liquidationPrice ?? 0n);
  const [found] = sdk.distress(context, [context.margin]);
  if (found === null || found === undefined) throw new Error('the account is in distress');
  const { health, offer } = sdk.valueOf(found);
  expect(health.equity).toBeLessThan(health.requirement);
  if (offer === null) throw new Error('the account has a position to offer');
  expect(sdk.valueOf(offer).market).toBe(0);

  const liquidate = async (most: bigint) => {
    // A takeover asks for a young price, whatever time it took to get here.
    const young = await printed(0, 96n, 100n);
    const margin = await sdk.loadAccount(handle, sdk.marginAccountType, ours);
    const liquidator = { authority: keeper, margin };
    const input = {
      liquidator,
      market: 0,
      lots: most,
      limitPrice: sdk.anyPrice('buy'),
      refresh: false,
    };
    // What it takes depends on the slot that it lands in.
    const options = { computeUnitLimit: 100_000 };
    const instructions = await sdk.liquidate(await load(), input);
    const refresh = sdk.refreshMarket(0, { primary: young });
    return sdk.send(handle, keeper, [refresh, ...instructions], options);
  };
  const called = await liquidate(0n);
  expect(sdk.eventsNamed(called.events, 'auctionCalled')).toMatchObject([
    { account: marginAccount },
  ]);
  const taken = await until('an offer', async () => {
    const [liquidated] = sdk.eventsNamed((await liquidate(sdk.ALL_LOTS)).events, 'liquidated');
    return liquidated;
  });
  expect(taken).toMatchObject({ account: marginAccount, market: 0 });

  const left = sdk.marginAccountView(await load());
  const keeps = sdk.marginAccountView(await sdk.loadContext(handle, ours));
  const of = (view: sdk.MarginAccountView) =>
    view.positions.reduce((sum, position) => sum + position.lots, 0n);
  expect(of(left)).toBeLessThan(lots);
  expect(of(left) + of(keeps)).toBe(lots);
  const ratio = ({ maintenance }: sdk.MarginAccountView) => {
    const { equity, requirement } = sdk.valueOf(maintenance);
    return Number(equity) / Number(requirement || 1n);
  };
  expect(ratio(left)).toBeGreaterThan(Number(health.equity) / Number(health.requirement));
});
