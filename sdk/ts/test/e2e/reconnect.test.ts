import {
  createServer,
  connect as dial,
  type AddressInfo,
  type Server,
  type Socket,
} from 'node:net';

import { afterAll, expect, test } from 'vitest';

import * as sdk from '../../src';
import { EXCHANGE_ADDRESS } from '../../src/generated';
import { again, DOLLAR, localnet, wallet } from './chain';

/** A way to the endpoint that can be cut. */
class Wire {
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  /** Connections that it still turns away. */
  #turnsAway = 0;
  /** Called with everything that is sent. */
  onSent: (text: string) => void = () => {};

  constructor(url: string) {
    this.#server = createServer((client) => {
      if (this.#turnsAway > 0) {
        this.#turnsAway -= 1;
        client.destroy();
        return;
      }
      const upstream = dial(Number(new URL(url).port), '127.0.0.1');
      this.#pass(client, upstream);
      this.#pass(upstream, client);
      client.on('data', (data) => this.onSent(data.toString()));
    });
  }

  #pass(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.on('error', () => to.destroy());
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
    from.pipe(to);
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  /** Cuts every connection, and turns the next ones away. */
  cut(turnsAway = 0): void {
    this.#turnsAway = turnsAway;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Connections that it turns away before it passes one on again. */
  get turnsAway(): number {
    return this.#turnsAway;
  }

  end(): void {
    this.cut();
    this.#server.close();
  }
}

const [rpc, ws] = [new Wire(localnet.rpcUrl), new Wire(localnet.wsUrl)];
afterAll(() => [rpc, ws].forEach((wire) => wire.end()));
const handle = sdk.connect({
  rpcUrl: `http://127.0.0.1:${await rpc.listen()}`,
  wsUrl: `ws://127.0.0.1:${await ws.listen()}`,
});

async function depositOne(): Promise<sdk.Sent> {
  const owner = await wallet('trader');
  const [margin] = await sdk.loadMarginAccounts(handle, owner.address);
  if (margin === undefined) throw new Error('the trader has an account');
  const listings = await sdk.loadListings(handle);
  const input = { depositor: owner, marginAccount: margin.address, amount: DOLLAR };
  return sdk.send(handle, owner, await sdk.deposit(listings, input));
}

test('events and accounts go on after every connection was cut', async () => {
  const owner = await wallet('trader');
  const [known] = await sdk.loadMarginAccounts(handle, owner.address);
  if (known === undefined) {
    await sdk.send(handle, owner, await sdk.openMarginAccount({ owner, subId: 30 }));
  }
  const [margin] = await sdk.loadMarginAccounts(handle, owner.address);
  const stop = new AbortController();
  const events = sdk.watchEvents(handle, { signal: stop.signal });
  const account = sdk.watchAccount(
    handle,
    sdk.marginAccountType,
    margin?.address ?? EXCHANGE_ADDRESS,
    { signal: stop.signal },
  );
  // The account is read when its subscription is up.
  expect((await account.next()).value).toMatchObject({ kind: 'account' });

  const waiting = nextDeposit(events);
  await again(depositOne, waiting);

  rpc.cut();
  ws.cut(2);
  expect(await nextMarker(events)).toBe('reconnected');
  await again(depositOne, nextDeposit(events));
  expect(await nextKinds(account)).toContain('reconnected');
  stop.abort();
  expect(await nextMarker(events)).toBe('done');
});

/** What comes after events that were told late. */
async function nextMarker(
  events: AsyncGenerator<sdk.WatchedEvents | sdk.Reconnected>,
): Promise<string> {
  for (;;) {
    const { value, done } = await events.next();
    if (done === true) return 'done';
    if (value.kind !== 'events') return value.kind;
  }
}

/** Resolves once a deposit was seen. */
async function nextDeposit(
  events: AsyncGenerator<sdk.WatchedEvents | sdk.Reconnected>,
): Promise<boolean> {
  for (;;) {
    const { value, done } = await events.next();
    if (done === true) return false;
    if (value.kind === 'events' && sdk.eventsNamed(value.events, 'deposited').length > 0)
      return true;
  }
}

async function nextKinds(account: AsyncGenerator<{ kind: string }>): Promise<string[]> {
  const kinds: string[] = [];
  while (!kinds.includes('reconnected')) {
    const { value, done } = await account.next();
    if (done === true) break;
    kinds.push(value.kind);
  }
  return kinds;
}

test('a transaction lands although the endpoint is away while it is waited for', async () => {
  const owner = await wallet('trader');
  const [margin] = await sdk.loadMarginAccounts(handle, owner.address);
  const listings = await sdk.loadListings(handle);
  const input = {
    depositor: owner,
    marginAccount: margin?.address ?? EXCHANGE_ADDRESS,
    amount: DOLLAR,
  };
  const message = await sdk.buildTransaction(handle, owner, await sdk.deposit(listings, input));
  // The answer to the transaction itself is lost, and so are those to the next questions.
  rpc.onSent = (text) => {
    if (!text.includes('sendTransaction')) return;
    rpc.onSent = () => {};
    setImmediate(() => rpc.cut(3));
  };
  await expect(sdk.sendBuilt(handle, message)).resolves.toMatchObject({ truncated: false });
  expect(rpc.turnsAway).toBe(0);
});

test('a transaction whose blockhash the chain never had is found to have expired', async () => {
  const owner = await wallet('trader');
  const listings = await sdk.loadListings(handle);
  const [margin] = await sdk.loadMarginAccounts(handle, owner.address);
  const marginAccount = margin?.address ?? EXCHANGE_ADDRESS;
  const input = { depositor: owner, marginAccount, amount: DOLLAR };
  const message = await sdk.buildTransaction(handle, owner, await sdk.deposit(listings, input));
  const blockhash =
    '11111111111111111111111111111112' as typeof message.lifetimeConstraint.blockhash;
  const old = { ...message, lifetimeConstraint: { blockhash, lastValidBlockHeight: 0n } };
  await expect(sdk.sendBuilt(handle, old)).rejects.toThrow(sdk.TransactionExpiredError);
});
