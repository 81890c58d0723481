// What the tests do to the chain, and how they wait for it.
import { readFile } from 'node:fs/promises';

import {
  address,
  createKeyPairSignerFromBytes,
  type Address,
  type KeyPairSigner,
} from '@solana/kit';
import { inject } from 'vitest';

import * as sdk from '../../src';
import { fetchBytes } from '../../src/accounts';

export const localnet = inject('localnet');
export const handle = sdk.connect({ rpcUrl: localnet.rpcUrl, wsUrl: localnet.wsUrl });

export const DOLLAR = 1_000_000n;

export async function wallet(name: string): Promise<KeyPairSigner> {
  const path = localnet.wallets[name]?.path;
  if (path === undefined) throw new Error(`the localnet has no ${name}`);
  const bytes = JSON.parse(await readFile(path, 'utf8')) as number[];
  return createKeyPairSignerFromBytes(Uint8Array.from(bytes));
}

/** One of Surfpool's own requests. */
async function cheat(method: string, params: readonly unknown[]): Promise<void> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(localnet.rpcUrl, { method: 'POST', headers, body });
  const { error } = (await response.json()) as { error?: { message: string } };
  if (error !== undefined) throw new Error(`${method}: ${error.message}`);
}

/** Polls until there is something, and fails after half a minute with what was waited for. */
export async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const end = Date.now() + 30_000;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > end) throw new Error(`waited too long for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Does it again and again until it was seen: who watches may not be there yet. Returns how often. */
export async function again(act: () => Promise<unknown>, seen: Promise<boolean>): Promise<number> {
  for (let times = 1; times <= 20; times += 1) {
    await act();
    const soon = new Promise<undefined>((resolve) => setTimeout(resolve, 1_000, undefined));
    const found = await Promise.race([seen, soon]);
    if (found === true) return times;
  }
  throw new Error('it was never seen');
}

export async function now(): Promise<bigint> {
  return (await sdk.loadContext(handle)).now;
}

// A Pyth update: where its fields are.
const PRICE = 73;
const CONF = 81;
const PUBLISH_TIME = 93;
const PREV_PUBLISH_TIME = 101;
const EMA_PRICE = 109;
const EMA_CONF = 117;

async function oracleOf(
  market: number,
): Promise<{ at: Address; bytes: Uint8Array; owner: Address }> {
  const at = address(localnet.markets[market]?.oracle ?? '');
  const { accounts } = await fetchBytes(handle, [at]);
  const found = accounts[0];
  if (found === undefined) throw new Error('the market has an oracle');
  return { at, ...found };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Moves the clock, and waits until the oracles have printed since. */
export async function travel(seconds: bigint): Promise<void> {
  const then = (await now()) + seconds;
  await cheat('surfnet_timeTravel', [{ absoluteTimestamp: Number(then) * 1_000 }]);
  await until('prints after the journey', async () => {
    const { bytes } = await oracleOf(0);
    return viewOf(bytes).getBigInt64(PUBLISH_TIME, true) >= then ? true : undefined;
  });
}

/**
 * An update of a market's feed with its price multiplied, in an account of its own: the localnet goes on printing to the
 * sponsored one.
 */
export async function printed(
  market: number,
  numerator: bigint,
  denominator: bigint,
): Promise<Address> {
  const { bytes, owner } = await oracleOf(market);
  const view = viewOf(bytes);
  const price = (view.getBigInt64(PRICE, true) * numerator) / denominator;
  // Of two prints of one second the first one counts.
  const time = await until('a later second', async () => {
    const context = await sdk.loadContext(handle);
    const stored = context.markets.get(market)?.data.core.oracle.publishTime ?? 0n;
    return context.now > stored ? context.now : undefined;
  });
  for (const at of [PRICE, EMA_PRICE]) view.setBigInt64(at, price, true);
  for (const at of [CONF, EMA_CONF]) view.setBigUint64(at, price / 10_000n, true);
  view.setBigInt64(PUBLISH_TIME, time, true);
  view.setBigInt64(PREV_PUBLISH_TIME, time - 1n, true);
  const at = await sdk.marginAccountAddress(owner, market);
  const update = {
    lamports: 10_000_000,
    owner,
    executable: false,
    data: Buffer.from(bytes).toString('hex'),
  };
  await cheat('surfnet_setAccount', [at, update]);
  return at;
}

/** A margin account with quote tokens in it. */
export async function fundedAccount(
  owner: KeyPairSigner,
  subId: number,
  amount: bigint,
): Promise<Address> {
  const marginAccount = await sdk.marginAccountAddress(owner.address, subId);
  const listings = await sdk.loadListings(handle);
  await sdk.send(handle, owner, [
    ...(await sdk.openMarginAccount({ owner, subId })),
    ...(await sdk.deposit(listings, { depositor: owner, marginAccount, amount })),
  ]);
  return marginAccount;
}
