import { expect, test } from 'vitest';

import * as sdk from '../../src';
import { DOLLAR, fundedAccount, handle, now, wallet } from './chain';

const WRAPPED_SOL = 1;

test("a trader's day", async () => {
  const trader = await wallet('trader');
  const marginAccount = await fundedAccount(trader, 10, 2_000n * DOLLAR);
  const load = () => sdk.loadContext(handle, marginAccount);
  const listings = await sdk.loadListings(handle);

  // Some SOL as collateral as well.
  const collateral = {
    depositor: trader,
    marginAccount,
    vault: WRAPPED_SOL,
    amount: 2_000_000_000n,
  };
  const deposited = await sdk.send(handle, trader, await sdk.deposit(listings, collateral));
  expect(sdk.eventsNamed(deposited.events, 'deposited')).toMatchObject([
    { vault: WRAPPED_SOL, amount: 2_000_000_000n },
  ]);

  // Long, as it was quoted.
  await sdk.send(handle, trader, await sdk.refresh(await load(), [{ market: 0 }]));
  let context = await load();
  const quoted = sdk.quote(context, { market: 0, side: 'long', notional: 20_000n * DOLLAR });
  expect(quoted.notional).toBeLessThanOrEqual(20_000n * DOLLAR);
  const limitPrice = sdk.worsePrice(quoted.price, 'buy', 10_000);
  const order = { authority: trader, market: 0, lots: quoted.lots, limitPrice };
  const opened = await sdk.send(
    handle,
    trader,
    await sdk.openPosition(context, { ...order, side: 'long' }),
  );
  const [traded] = sdk.eventsNamed(opened.events, 'traded');
  expect(traded).toMatchObject({
    account: marginAccount,
    lots: quoted.lots,
    positionLots: quoted.lots,
  });
  expect(opened.truncated).toBe(false);
  expect(opened.computeUnits).toBeGreaterThan(0n);

  // What the account looks like is what the quote said of it.
  context = await load();
  const view = sdk.marginAccountView(context);
  const after = sdk.valueOf(quoted.after);
  expect(view.positions).toMatchObject([{ market: 0, side: 'long', lots: quoted.lots }]);
  expect(view.collaterals).toMatchObject([{ vault: WRAPPED_SOL, amount: 2_000_000_000n }]);
  expect(view.quote).toBe(after.quote);
  const [position] = view.positions;
  expect(position?.liquidationPrice).toBeLessThan(position?.mark ?? 0n);
  expect(view.freeCollateral).toBeGreaterThan(0n);

  // A stop and a target; the stop is thought better of.
  const mark = position?.mark ?? 0n;
  const waits = {
    authority: trader,
    market: 0,
    side: 'long',
    limitPrice: 0n,
    expiry: (await now()) + 3_600n,
  } as const;
  const placed = await sdk.send(handle, trader, [
    ...(await sdk.placeTrigger(listings, context.margin, {
      ...waits,
      kind: 'stopLoss',
      triggerPrice: mark / 2n,
    })),
    ...(await sdk.placeTrigger(listings, context.margin, {
      ...waits,
      kind: 'takeProfit',
      triggerPrice: mark * 2n,
    })),
  ]);
  const [stop, target] = sdk.eventsNamed(placed.events, 'triggerPlaced');
  const id = stop?.id ?? 0n;
  await sdk.send(
    handle,
    trader,
    await sdk.cancelTrigger(context.margin, { authority: trader, id }),
  );
  expect(sdk.marginAccountView(await load()).triggers).toMatchObject([
    { id: target?.id, kind: 'takeProfit', side: 'long', triggerPrice: mark * 2n },
  ]);

  // More than margin allows stays where it is, and the program says why.
  const greedy = sdk.withdraw(await load(), { owner: trader, amount: 1_990n * DOLLAR });
  const refused = sdk.send(handle, trader, await greedy);
  await expect(refused).rejects.toBeInstanceOf(sdk.BulwarkError);
  await expect(refused).rejects.toMatchObject({ errorName: expect.stringContaining('Margin') });

  // Out again, and everything home.
  const all = { authority: trader, market: 0, limitPrice: sdk.anyPrice('sell') };
  const closed = await sdk.send(handle, trader, await sdk.closePosition(await load(), all));
  expect(sdk.eventsNamed(closed.events, 'traded')).toMatchObject([{ positionLots: 0n }]);
  await sdk.send(
    handle,
    trader,
    await sdk.cancelTrigger(context.margin, { authority: trader, id: target?.id ?? 0n }),
  );
  context = await load();
  const left = context.margin.data.quote;
  expect(left).toBeLessThan(2_000n * DOLLAR);
  await sdk.send(handle, trader, [
    ...(await sdk.withdraw(context, { owner: trader, amount: left })),
    ...(await sdk.withdraw(context, { owner: trader, vault: WRAPPED_SOL, amount: 2_000_000_000n })),
    ...(await sdk.closeMarginAccount({ owner: trader, marginAccount })),
  ]);
  await expect(load()).rejects.toThrow('there is no margin account');
});

test('a delegate trades and does not withdraw', async () => {
  const [owner, delegate] = [await wallet('trader'), await wallet('trader2')];
  const marginAccount = await fundedAccount(owner, 11, 1_000n * DOLLAR);
  const load = () => sdk.loadContext(handle, marginAccount);
  const { margin } = await load();
  await sdk.send(
    handle,
    owner,
    await sdk.setDelegate(margin, { owner, delegate: delegate.address }),
  );
  const context = await load();
  const lots = sdk.lotsWorth(context, 1, 500n * DOLLAR);
  const order = {
    authority: delegate,
    market: 1,
    side: 'short',
    lots,
    limitPrice: sdk.anyPrice('sell'),
  } as const;
  await sdk.send(handle, delegate, await sdk.openPosition(context, order));
  expect(sdk.marginAccountView(await load()).positions).toMatchObject([
    { market: 1, side: 'short' },
  ]);
  const taken = await sdk.withdraw(await load(), { owner: delegate, amount: DOLLAR });
  await expect(sdk.send(handle, delegate, taken)).rejects.toThrow(sdk.BulwarkError);
});
