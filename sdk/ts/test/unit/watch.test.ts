import { expect, test } from 'vitest';

import * as sdk from '../../src';
import { BULWARK_PROGRAM_ADDRESS as OURS, getPoolEncoder, POOL_ADDRESS } from '../../src/generated';
import { getInvariantsCheckedEncoder } from '../../src/generated';
import idl from '../../../../idl/bulwark.json';
import { node } from '../support/node';
import { world } from '../support/world';

const DISCRIMINATOR = idl.events.find((e) => e.name === 'InvariantsChecked')?.discriminator ?? [];
const event = Buffer.from([
  ...DISCRIMINATOR,
  ...getInvariantsCheckedEncoder().encode({ ok: true }),
]);
const ours = [
  `Program ${OURS} invoke [1]`,
  `Program data: ${event.toString('base64')}`,
  `Program ${OURS} success`,
];

type Connection = readonly unknown[] | 'refused';

/** A websocket whose connections each bring some notifications, and are lost then. */
function lossy(connections: readonly Connection[]): {
  handle: sdk.Bulwark;
  subscribed: () => number;
} {
  let count = 0;
  const subscribe = async ({ abortSignal }: { abortSignal: AbortSignal }) => {
    const connection = connections[count] ?? [];
    count += 1;
    if (connection === 'refused') throw new Error('connection refused');
    return (async function* () {
      yield* connection;
      if (abortSignal.aborted) return;
      throw new Error('connection lost');
    })();
  };
  const pending = {
    logsNotifications: () => ({ subscribe }),
    accountNotifications: () => ({ subscribe }),
  };
  const { handle } = node({
    getMultipleAccounts: () => ({ context: { slot: 5n }, value: [account(1n)] }),
  });
  return { handle: { ...handle, rpcSubscriptions: pending as never }, subscribed: () => count };
}

const notification = (slot: bigint, logs: readonly string[] = ours, err: unknown = null) => ({
  context: { slot },
  value: { err, logs, signature: 'signature' },
});

function account(idle: bigint) {
  const { data } = world().pool;
  const bytes = getPoolEncoder().encode({ ...data, core: { ...data.core, idle } });
  return {
    data: [Buffer.from(bytes).toString('base64'), 'base64'],
    owner: OURS,
    executable: false,
    lamports: 1n,
    space: 1n,
  };
}

const later = (slot: bigint, idle: bigint) => ({ context: { slot }, value: account(idle) });

async function take<T>(count: number, from: AsyncIterable<T>, stop: AbortController): Promise<T[]> {
  const taken: T[] = [];
  for await (const item of from) {
    taken.push(item);
    if (taken.length === count) stop.abort();
  }
  return taken;
}

test('events go on after the connection was lost, and it is said that it was', async () => {
  const { handle, subscribed } = lossy([[notification(1n)], 'refused', [notification(2n)]]);
  const stop = new AbortController();
  const seen = await take(3, sdk.watchEvents(handle, { signal: stop.signal }), stop);
  expect(seen).toMatchObject([
    { kind: 'events', slot: 1n, events: [{ name: 'invariantsChecked' }] },
    { kind: 'reconnected' },
    { kind: 'events', slot: 2n },
  ]);
  expect(subscribed()).toBe(3);
});

test('failed transactions and those without events are passed over, cut logs are not', async () => {
  const cut = [`Program ${OURS} invoke [1]`, 'Log truncated'];
  const { handle } = lossy([
    [notification(1n, ours, 'AccountNotFound'), notification(2n, []), notification(3n, cut)],
  ]);
  const stop = new AbortController();
  const seen = await take(1, sdk.watchEvents(handle, { signal: stop.signal }), stop);
  expect(seen).toMatchObject([{ slot: 3n, truncated: true, events: [] }]);
});

test('a signal that is aborted already ends it at once', async () => {
  const { handle, subscribed } = lossy([]);
  const stop = new AbortController();
  stop.abort();
  expect(await take(1, sdk.watchEvents(handle, { signal: stop.signal }), stop)).toEqual([]);
  expect(subscribed()).toBe(0);
});

test('an account is read when the subscription is up, and does not go back while it lasts', async () => {
  const { handle } = lossy([[later(4n, 9n), later(6n, 2n)], [later(7n, 3n)]]);
  const stop = new AbortController();
  const watched = sdk.watchAccount(handle, sdk.poolType, POOL_ADDRESS, { signal: stop.signal });
  const seen = await take(5, watched, stop);
  expect(
    seen.map((item) => (item.kind === 'account' ? [item.slot, item.data.core.idle] : item.kind)),
  ).toEqual([
    [5n, 1n],
    [6n, 2n],
    'reconnected',
    // The endpoint behind the new connection is not as far.
    [5n, 1n],
    [7n, 3n],
  ]);
});

test('an account of another type ends the watching with an error', async () => {
  const { handle } = lossy([[]]);
  const stop = new AbortController();
  const watched = sdk.watchAccount(handle, sdk.exchangeType, POOL_ADDRESS, { signal: stop.signal });
  await expect(take(1, watched, stop)).rejects.toThrow('the account is no exchange');
});

test('an account that goes over to another program, or is closed, ends the watching', async () => {
  const watch = (value: object) => {
    const { handle } = lossy([[{ context: { slot: 6n }, value }]]);
    const stop = new AbortController();
    const watched = sdk.watchAccount(handle, sdk.poolType, POOL_ADDRESS, { signal: stop.signal });
    return take(2, watched, stop);
  };
  const other = { ...account(2n), owner: sdk.TOKEN_PROGRAM_ADDRESS };
  await expect(watch(other)).rejects.toThrow(
    `it belongs to the program ${sdk.TOKEN_PROGRAM_ADDRESS}, not to Bulwark`,
  );
  const closed = { ...account(2n), data: ['', 'base64'], owner: sdk.SYSTEM_PROGRAM_ADDRESS };
  await expect(watch(closed)).rejects.toThrow(`there is no pool at ${POOL_ADDRESS}`);
});
