import type { Address } from '@solana/kit';
import { expect, test } from 'vitest';

import * as sdk from '../../src';
import * as book from './book';
import * as offices from './book-offices';
import { getMarginAccountEncoder } from '../../src/generated';
import { handle, localnet, travel, wallet } from './chain';

const SOL = 0;
const urls = { rpcUrl: localnet.rpcUrl, wsUrl: localnet.wsUrl };

async function funded(name: string, dollars: string): Promise<book.Trader> {
  const trader = await book.connect(urls, await wallet(name));
  await book.openAccount(trader);
  await book.deposit(trader, dollars);
  return trader;
}

test('a trader opens, looks and leaves', async () => {
  const trader = await funded('trader', '10000');
  const quoted = await book.quote(trader, SOL, '5000');
  const stop = new AbortController();
  const watched = book.nextTrade(trader, stop.signal);
  const opened = await book.buy(trader, SOL, quoted.lots);
  const [trade] = sdk.eventsNamed(opened.events, 'traded');
  expect(trade).toMatchObject({ market: SOL, lots: quoted.lots });

  await book.stopLoss(trader, SOL);
  const view = await book.look(trader);
  expect(view.positions).toMatchObject([{ lots: quoted.lots }]);
  const [trigger] = view.triggers;
  await book.cancelTrigger(trader, trigger?.id ?? 0n);
  const greedy = await book.buy(trader, SOL, 50n * quoted.lots).catch(book.whatToDo);
  expect(greedy).toBe('deposit more, or trade less');

  const table = await book.lookupTable(trader);
  const known = await sdk.loadLookupTables(handle, [table]);
  expect(known[table]).toContain(sdk.EXCHANGE_ADDRESS);

  await book.close(trader, SOL);
  // The subscription may stand only after the first trade.
  expect(await watched).toMatchObject({ account: trader.margin, market: SOL });
  stop.abort();
  await book.leave(trader);
  await expect(book.load(trader)).rejects.toThrow('there is no margin account');
});

test('a provider and a staker come and go', async () => {
  const provider = await book.connect(urls, await wallet('trader2'));
  const added = await book.addLiquidity(provider, '10000');
  const [{ shares } = { shares: 0n }] = sdk.eventsNamed(added.events, 'liquidityAdded');
  await book.requestRedeem(provider, shares);
  await expect(book.redeem(provider)).rejects.toMatchObject({ errorName: 'RedeemTooEarly' });
  await travel(86_401n);
  const redeemed = await book.redeem(provider);
  expect(sdk.eventsNamed(redeemed.events, 'redeemed')).toHaveLength(1);
  const staked = await book.stake(provider, '1000');
  expect(sdk.eventsNamed(staked.events, 'backstopStaked')).toHaveLength(1);
});

test('a signer reads before he signs', async () => {
  const admin = await book.connect(urls, await wallet('admin'));
  const { nonce, instructions } = await offices.lowerTheFee(admin, SOL);
  const [proposing] = instructions;
  if (proposing === undefined) throw new Error('a proposal is an instruction');
  expect(await offices.explainProposal(admin, proposing)).toContain('taker_fee_ppm');
  await book.send(admin, instructions);
  await expect(offices.execute(admin, nonce)).rejects.toMatchObject({
    errorName: 'ChangeTooEarly',
  });
  const waiting = await offices.explainStored(admin);
  expect(waiting.some((text) => text.includes('taker_fee_ppm'))).toBe(true);
  await travel(172_801n);
  await offices.execute(admin, nonce);
  const { markets } = await sdk.loadContext(handle);
  expect(markets.get(SOL)?.data.core.params.takerFeePpm).toBe(400);
});

/** Leaves an account so many quote units: the oracles of the localnet print what they print. */
async function leaveQuote(at: Address, quote: bigint): Promise<void> {
  const { data } = await sdk.loadAccount(handle, sdk.marginAccountType, at);
  const bytes = getMarginAccountEncoder().encode({ ...data, quote });
  const update = { data: Buffer.from(bytes).toString('hex') };
  const body = { jsonrpc: '2.0', id: 1, method: 'surfnet_setAccount', params: [at, update] };
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(urls.rpcUrl, { method: 'POST', headers, body: JSON.stringify(body) });
  expect(await answer.json()).not.toHaveProperty('error');
}

test('a keeper finds an account in trouble, and it is resolved', async () => {
  const [trader, keeper] = [await funded('trader2', '1000'), await funded('keeper', '50000')];
  await book.buy(trader, SOL, sdk.lotsWorth(await book.load(trader), SOL, 15_000_000_000n));
  const { margin } = trader;
  expect(await offices.inTrouble(keeper)).toEqual([]);

  await leaveQuote(margin, 400_000_000n);
  expect(await offices.inTrouble(keeper)).toEqual([{ address: margin, market: SOL }]);
  const taken = await offices.takeOver(keeper, margin, SOL);
  const [liquidated] = sdk.eventsNamed(taken.events, 'liquidated');
  expect(liquidated).toMatchObject({ account: margin, liquidator: keeper.margin });

  await leaveQuote(margin, -1_000_000_000n);
  const handed = await offices.handToPool(keeper, margin, SOL);
  expect(sdk.eventsNamed(handed.events, 'liquidated')).toMatchObject([{ positionLots: 0n }]);
  const resolved = await offices.resolve(keeper, margin, SOL);
  expect(sdk.eventsNamed(resolved.events, 'bankruptcyResolved')).toMatchObject([{ unpaid: 0n }]);
});
