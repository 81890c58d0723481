import { createKeyPairSignerFromBytes } from '@solana/kit';
import { readFile } from 'node:fs/promises';
import { afterAll, expect, test } from 'vitest';

import * as sdk from '../../src';
import { again, DOLLAR } from './chain';
import { start } from './localnet';

const network = await start();
afterAll(network.stop);

test('events and sends go on after the endpoint was restarted with an empty chain', async () => {
  const { rpcUrl, wsUrl, wallets } = network.description;
  const handle = sdk.connect({ rpcUrl, wsUrl });
  const key = JSON.parse(await readFile(wallets['trader']?.path ?? '', 'utf8')) as number[];
  const owner = await createKeyPairSignerFromBytes(Uint8Array.from(key));
  const marginAccount = await sdk.marginAccountAddress(owner.address);
  const open = async () => sdk.send(handle, owner, await sdk.openMarginAccount({ owner }));
  const depositOne = async () => {
    const input = { depositor: owner, marginAccount, amount: DOLLAR };
    return sdk.send(handle, owner, await sdk.deposit(await sdk.loadListings(handle), input));
  };

  await open();
  const stop = new AbortController();
  const events = sdk.watchEvents(handle, { signal: stop.signal });
  await again(depositOne, waitFor(events, isDeposit));
  const marker = waitFor(events, (seen) => seen.kind === 'reconnected');
  expect(await network.command('reset')).toContain('reset');
  expect(await marker).toBe(true);

  // Nothing of the old chain is left: the account is opened anew.
  await open();
  const deposits = await again(depositOne, waitFor(events, isDeposit));
  const { margin } = await sdk.loadContext(handle, marginAccount);
  expect(margin.data.quote).toBe(BigInt(deposits) * DOLLAR);
  stop.abort();
});

type Seen = sdk.WatchedEvents | sdk.Reconnected;

function isDeposit(seen: Seen): boolean {
  return seen.kind === 'events' && sdk.eventsNamed(seen.events, 'deposited').length > 0;
}

/** Reads on until something is seen. */
async function waitFor(
  events: AsyncGenerator<Seen>,
  isIt: (seen: Seen) => boolean,
): Promise<boolean> {
  for (;;) {
    const { value, done } = await events.next();
    if (done === true) return false;
    if (isIt(value)) return true;
  }
}
