import type { Address, Signature } from '@solana/kit';

import {
  fetchBytes,
  readAccount,
  type AccountType,
  type Loaded,
  type RawAccount,
} from './accounts';
import type { Bulwark } from './connection';
import { parseEvents, type ParsedLog } from './events';
import { BULWARK_PROGRAM_ADDRESS } from './generated';
import { rawAccount, type JsonAccount } from './raw';
import { pause } from './wait';

/** How something is watched. */
export interface WatchOptions {
  /** Ends the iteration when it is aborted. */
  readonly signal: AbortSignal;
}

/** The subscription is up again: what happened in between was missed. Read what you keep account of anew. */
export interface Reconnected {
  /** Tells it from what is watched. */
  readonly kind: 'reconnected';
}

/** Events of a transaction that succeeded. */
export interface WatchedEvents extends ParsedLog {
  /** Tells it from {@link Reconnected}. */
  readonly kind: 'events';
  /** Signature. */
  readonly signature: Signature;
  /** Slot. */
  readonly slot: bigint;
}

/** An account as it became. */
export interface WatchedAccount<T> extends Loaded<T> {
  /** Tells it from {@link Reconnected}. */
  readonly kind: 'account';
  /** Slot. */
  readonly slot: bigint;
}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;

/** A subscription: resolves once it is up. */
type Subscribe<T> = (signal: AbortSignal) => Promise<AsyncIterable<T>>;

/**
 * Subscribes, and again after the connection was lost, waiting longer from time to time: 0.25 s at first, 10 s at most.
 * Yields nothing but notifications and, after each time but the first, `undefined`.
 */
async function* lasting<T>(
  subscribe: Subscribe<T>,
  signal: AbortSignal,
): AsyncGenerator<T | undefined> {
  let wait = FIRST_PAUSE_MS;
  for (let first = true; !signal.aborted;) {
    const attempt = new AbortController();
    const abort = () => attempt.abort();
    signal.addEventListener('abort', abort);
    try {
      const notifications = await subscribe(attempt.signal);
      wait = FIRST_PAUSE_MS;
      if (!first) yield undefined;
      first = false;
      yield* notifications;
    } catch {
      // The endpoint is gone: that is what the next attempt is for.
    } finally {
      signal.removeEventListener('abort', abort);
      attempt.abort();
    }
    await pause(wait, signal);
    wait = Math.min(wait * 2, LONGEST_PAUSE_MS);
  }
}

/**
 * The program's events as they happen, transaction by transaction. It connects by itself whenever the connection is lost, and
 * says so: events in between were missed. Events with gaps in their `sequence` and a log that was `truncated` say that
 * something was missed, too.
 */
export async function* watchEvents(
  handle: Bulwark,
  options: WatchOptions,
): AsyncGenerator<WatchedEvents | Reconnected> {
  const { commitment, rpcSubscriptions } = handle;
  const about = { mentions: [BULWARK_PROGRAM_ADDRESS] as [Address] };
  const subscribe = (abortSignal: AbortSignal) =>
    rpcSubscriptions.logsNotifications(about, { commitment }).subscribe({ abortSignal });
  for await (const found of lasting(subscribe, options.signal)) {
    if (found === undefined) {
      yield { kind: 'reconnected' };
      continue;
    }
    const { context, value } = found;
    if (value.err !== null) continue;
    const log = parseEvents(value.logs);
    if (log.events.length === 0 && !log.truncated) continue;
    yield { kind: 'events', signature: value.signature, slot: context.slot, ...log };
  }
}

/**
 * An account as it is and as it becomes. It connects by itself whenever the connection is lost, says so, and reads the account
 * anew. While a connection lasts it never goes back to an older slot; the endpoint behind a new one may not be as far.
 *
 * @throws Error if the account is closed, or becomes one of another program or type.
 */
export async function* watchAccount<T>(
  handle: Bulwark,
  kind: AccountType<T>,
  at: Address,
  options: WatchOptions,
): AsyncGenerator<WatchedAccount<T> | Reconnected> {
  const { commitment, rpcSubscriptions } = handle;
  const read = async (): Promise<Version> => {
    const { accounts, slot } = await fetchBytes(handle, [at]);
    return { raw: accounts[0], slot };
  };
  const config = { commitment, encoding: 'base64' } as const;
  const subscribe = async (abortSignal: AbortSignal) => {
    const later = await rpcSubscriptions
      .accountNotifications(at, config)
      .subscribe({ abortSignal });
    // Read once the subscription is up: nothing gets lost in between.
    return afterFirst(await read(), later);
  };
  let last = -1n;
  for await (const found of lasting(subscribe, options.signal)) {
    if (found === undefined) {
      last = -1n;
      yield { kind: 'reconnected' };
      continue;
    }
    const { raw, slot } = found;
    if (slot < last) continue;
    last = slot;
    yield { kind: 'account', ...readAccount(kind, at, raw), slot };
  }
}

interface Version {
  readonly raw: RawAccount | undefined;
  readonly slot: bigint;
}

interface AccountNotification {
  readonly context: { readonly slot: bigint };
  readonly value: JsonAccount;
}

async function* afterFirst(
  first: Version,
  later: AsyncIterable<AccountNotification>,
): AsyncGenerator<Version> {
  yield first;
  for await (const { context, value } of later) {
    yield { raw: rawAccount(value), slot: context.slot };
  }
}
