import { AccountRole } from '@solana/kit';
import { expect, test } from 'vitest';

import * as sdk from '../../src';
import {
  EXCHANGE_ADDRESS,
  REFRESH_MARKET_DISCRIMINATOR,
  REFRESH_VAULT_DISCRIMINATOR,
} from '../../src/generated';
import { bytesOf, key, market, world } from '../support/world';

const held = {
  positions: [
    [2, 10n],
    [0, -5n],
    [3, 0n],
  ],
  collaterals: [2, 1],
} as const;
const order = { authority: key(1), market: 0, limitPrice: 7n };

test('a trade refreshes its market in any case, and of the rest what is old', () => {
  const fresh = world({ held, age: 30n });
  expect(sdk.oldLegs(fresh, fresh.margin, 0)).toEqual([{ market: 0 }]);
  expect(sdk.oldLegs(fresh, fresh.margin)).toEqual([]);
  const old = world({ held, age: 31n });
  // A claim needs no price; the quote token's is asked for too.
  const legs = [{ market: 0 }, { market: 2 }, { vault: 2 }, { vault: 1 }, { vault: 0 }];
  expect(sdk.oldLegs(old, old.margin, 0)).toEqual(legs);
});

test('refreshes stand in front, and can be turned off', async () => {
  const old = world({ held, age: 31n });
  const built = await sdk.closePosition(old, order);
  const kinds = built.map((instruction) => instruction.data[0]);
  const [ofMarket, ofVault] = [REFRESH_MARKET_DISCRIMINATOR[0], REFRESH_VAULT_DISCRIMINATOR[0]];
  expect(kinds.slice(0, -1)).toEqual([ofMarket, ofMarket, ofVault, ofVault, ofVault]);
  expect(await sdk.closePosition(old, { ...order, refresh: false })).toHaveLength(1);
});

test("only the quote vault's refresh writes the exchange", async () => {
  const context = world();
  const [quote, other] = await sdk.refresh(context, [{ vault: 0 }, { vault: 1 }]);
  const role = (built?: sdk.AnyInstruction) =>
    built?.accounts.find((meta) => meta.address === EXCHANGE_ADDRESS)?.role;
  expect(role(quote)).toBe(AccountRole.WRITABLE);
  expect(role(other)).toBe(AccountRole.READONLY);
});

test('each is refreshed once, from the sponsored account of its feed', async () => {
  const context = world();
  const built = await sdk.refresh(context, [{ market: 1 }, { market: 1 }]);
  expect(built).toHaveLength(1);
  const [first] = market(1).sources;
  expect(built[0]?.accounts[2]?.address).toBe(await sdk.pythFeedAddress(0, first?.feed ?? []));
});

test("accounts of one's own stand in for the sponsored ones", async () => {
  const old = world({ held, age: 31n });
  const legs: sdk.Leg[] = [];
  const oracles = (leg: sdk.Leg) => {
    legs.push(leg);
    if ('vault' in leg) return undefined;
    return leg.market === 0 ? { primary: key(80) } : { primary: key(81), secondary: key(82) };
  };
  const built = await sdk.closePosition(old, { ...order, oracles });
  expect(legs).toEqual(sdk.oldLegs(old, old.margin, 0));
  const read = built.map((instruction) => instruction.accounts.map((meta) => meta.address));
  expect(read[0]).toContain(key(80));
  expect(read[1]).toEqual(expect.arrayContaining([key(81), key(82)]));
  const [first] = old.vaults.get(2)?.data.sources ?? [];
  expect(read[2]).toContain(await sdk.pythFeedAddress(0, first?.feed ?? []));
  expect(read.slice(0, 2).flat()).not.toContain(
    await sdk.pythFeedAddress(0, market(0).sources[0]?.feed ?? []),
  );
});

test('a secondary source that is not named is read as usual', async () => {
  const context = world();
  const listed = market(1);
  const secondary = { kind: 2, feed: new Uint8Array(32).fill(9) };
  const sources = listed.sources.map((source, i) =>
    i === 1 ? { ...source, ...secondary } : source,
  );
  const at = sdk.marketAddress(1);
  const markets = new Map(context.markets).set(1, { address: at, data: { ...listed, sources } });
  const usual = await sdk.oracleAddresses(sources);
  const oracles = () => ({ primary: key(80) });
  const [built] = await sdk.refresh({ ...context, markets }, [{ market: 1 }], oracles);
  const read = built?.accounts.map((meta) => meta.address);
  expect(usual?.secondary).toBeDefined();
  expect(read).toEqual(expect.arrayContaining([key(80), usual?.secondary]));
  expect(read).not.toContain(usual?.primary);
});

test('shares are minted and paid at prices as young as for a trade', () => {
  const context = world({ age: 1n });
  const traded = market(1, 1n);
  const book = { ...traded.core.book, long: { ...traded.core.book.long, lots: 3n } };
  const address = sdk.marketAddress(1);
  const changed = (core: Partial<typeof traded.core>) => {
    const data = { ...traded, core: { ...traded.core, ...core } };
    const markets = new Map(context.markets).set(1, { address, data });
    return { ...context, markets, bytes: bytesOf({ ...context, markets }) };
  };
  expect(sdk.oldMarkets(changed({ book }), true)).toEqual([{ market: 1 }]);
  expect(sdk.oldMarkets(changed({ book }), false)).toEqual([]);
  expect(sdk.oldMarkets(changed({ book, settlingSince: 1n }), true)).toEqual([]);
});

test('to value the pool nothing is refreshed whose price does not matter', () => {
  const idle = world({ markets: 3, age: 31n });
  expect([true, false].map((strict) => sdk.oldMarkets(idle, strict))).toEqual([[], []]);
});

test('who needs no margin to withdraw refreshes nothing', async () => {
  const idle = world({ held: { collaterals: [1] }, age: 999n });
  const built = await sdk.withdraw(idle, { owner: key(1), amount: 1n, destination: key(3) });
  expect(built).toHaveLength(1);
});
