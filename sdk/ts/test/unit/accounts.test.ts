import { getAddressEncoder, type Address } from '@solana/kit';
import { expect, test } from 'vitest';

import * as sdk from '../../src';
import { BULWARK_PROGRAM_ADDRESS as OURS } from '../../src/generated';
import { node, type Request } from '../support/node';
import { key, NOW, world } from '../support/world';

const context = world({ markets: 1, vaults: 1 });
const at = context.margin.address;
const FOREIGN = key(9);
const SYSVARS = 'Sysvar1111111111111111111111111111111111111' as Address;

function clock(): Uint8Array {
  const view = new DataView(new ArrayBuffer(40));
  view.setBigUint64(0, 77n, true);
  view.setBigInt64(32, NOW, true);
  return new Uint8Array(view.buffer);
}

const json = (bytes: Uint8Array, owner: Address) => ({
  data: [Buffer.from(bytes).toString('base64'), 'base64'],
  owner,
  executable: false,
  lamports: 1n,
  space: BigInt(bytes.length),
});

/** A node with the world's accounts on it; some belong to another program. */
function chain(owners: Partial<Record<Address, Address>> = {}) {
  const found = (address: Address) => {
    if (address === sdk.CLOCK_ADDRESS) return json(clock(), SYSVARS);
    const bytes = context.bytes.get(address);
    return bytes === undefined ? null : json(bytes, owners[address] ?? OURS);
  };
  return node({
    getSlot: () => 6n,
    getMultipleAccounts: ([keys]) => ({
      context: { slot: 5n },
      value: (keys as Address[]).map(found),
    }),
    getProgramAccounts: () => [{ pubkey: at, account: found(at) }],
  });
}

test('an account of the program is read', async () => {
  const { handle } = chain();
  const loaded = await sdk.loadAccount(handle, sdk.marginAccountType, at);
  expect(loaded).toMatchObject({ address: at, data: { owner: key(1) } });
  expect(await sdk.loadMarginAccounts(handle, key(1))).toMatchObject([{ address: at }]);
  const read = await sdk.loadContext(handle, at, { listings: context.listings });
  expect(read).toMatchObject({ slot: 77n, now: NOW, margin: { address: at } });
});

test('the same bytes in an account of another program are refused', async () => {
  const message = `${at} is no margin account: it belongs to the program ${FOREIGN}, not to Bulwark, ${OURS}`;
  const { handle } = chain({ [at]: FOREIGN });
  await expect(sdk.loadAccount(handle, sdk.marginAccountType, at)).rejects.toThrow(message);
  await expect(sdk.loadMarginAccounts(handle, key(1))).rejects.toThrow(message);
  const { listings } = context;
  await expect(sdk.loadContext(handle, at, { listings })).rejects.toThrow(message);
});

test.each([
  sdk.EXCHANGE_ADDRESS,
  sdk.POOL_ADDRESS,
  sdk.INSURANCE_FUND_ADDRESS,
  sdk.marketAddress(0),
  key(100),
])('a context is read of nothing but accounts of the program: %s', async (foreign) => {
  const { handle } = chain({ [foreign]: FOREIGN });
  const { listings } = context;
  await expect(sdk.loadContext(handle, undefined, { listings })).rejects.toThrow('not to Bulwark');
});

test('lamports at an address make no account', () => {
  const raw = { owner: sdk.SYSTEM_PROGRAM_ADDRESS, bytes: new Uint8Array() };
  const read = (found?: sdk.RawAccount) => () => sdk.readAccount(sdk.poolType, key(3), found);
  expect(read(raw)).toThrow(`there is no pool at ${key(3)}`);
  expect(read()).toThrow(`there is no pool at ${key(3)}`);
});

test('no accounts are read at the present slot', async () => {
  const { handle, asked } = chain();
  expect(await sdk.fetchBytes(handle, [])).toEqual({ slot: 6n, accounts: [] });
  expect(asked.map(({ method }: Request) => method)).toEqual(['getSlot']);
});

const ACTIVE = 0xffff_ffff_ffff_ffffn;
const keys = Array.from({ length: 5 }, (_, i) => key(400 + i));

/** A lookup table of five addresses, of which the last two were added in slot 9. */
function table({ kind = 1, deactivated = ACTIVE, owner = sdk.LOOKUP_TABLE_PROGRAM_ADDRESS } = {}) {
  const bytes = new Uint8Array(56 + 32 * keys.length);
  const head = new DataView(bytes.buffer);
  head.setUint32(0, kind, true);
  head.setBigUint64(4, deactivated, true);
  head.setBigUint64(12, 9n, true);
  head.setUint8(20, 3);
  keys.forEach((each, i) => bytes.set(getAddressEncoder().encode(each), 56 + 32 * i));
  return json(bytes, owner);
}

function load(found: object | null, slot = 10n) {
  const answer = { context: { slot }, value: [found] };
  const { handle } = node({ getMultipleAccounts: () => answer });
  return sdk.loadLookupTables(handle, [key(3)]);
}

test('addresses that were added in the present slot are not used yet', async () => {
  expect(await load(table(), 9n)).toEqual({ [key(3)]: keys.slice(0, 3) });
  expect(await load(table(), 10n)).toEqual({ [key(3)]: keys });
});

test('a lookup table that is being closed, or none, is refused', async () => {
  await expect(load(table({ deactivated: 8n }))).rejects.toThrow(
    `the lookup table ${key(3)} is being closed`,
  );
  const none = `there is no lookup table at ${key(3)}`;
  const foreign = { ...table(), owner: OURS };
  for (const found of [null, foreign, table({ kind: 0 }), json(new Uint8Array(8), foreign.owner)]) {
    await expect(load(found)).rejects.toThrow(none);
  }
});
