// What became of a transaction that was sent.
import {
  commitmentComparator,
  isSolanaError,
  SOLANA_ERROR__JSON_RPC__INVALID_PARAMS,
  SOLANA_ERROR__JSON_RPC__SERVER_ERROR_SEND_TRANSACTION_PREFLIGHT_FAILURE,
  SOLANA_ERROR__JSON_RPC__SERVER_ERROR_TRANSACTION_SIGNATURE_VERIFICATION_FAILURE,
  type Base64EncodedWireTransaction,
  type Commitment,
  type Signature,
} from '@solana/kit';

import type { Bulwark } from './connection';
import { TransactionExpiredError, TransactionUnknownError } from './errors';
import { OverdueError, pause, within } from './wait';

/** A signed transaction. */
export interface Sending {
  readonly signature: Signature;
  readonly wire: Base64EncodedWireTransaction;
  readonly lastValidBlockHeight: bigint;
}

/** One that is in a block. */
export interface Landed {
  readonly slot: bigint;
  /** Why it failed; `null` if it did not. */
  readonly err: unknown;
}

const POLL_MS = 400;
const POLLS_PER_SEND = 5;
/** Polls without an answer after which the endpoint counts as gone: half a minute. */
const MOST_SILENT_POLLS = 75;
const DEADLINE_MS = 300_000;
/** How long one answer may take. */
const ANSWER_MS = 15_000;

/** How long to wait. */
interface Waiting {
  readonly signal?: AbortSignal;
  readonly deadlineMs?: number;
}

/**
 * Sends until the transaction is on chain or can't land any more.
 *
 * @throws {@link TransactionExpiredError}; {@link TransactionUnknownError}; the endpoint's refusal of what is no transaction.
 */
export async function land(handle: Bulwark, sending: Sending, waiting: Waiting): Promise<Landed> {
  const { signal, deadlineMs = DEADLINE_MS } = waiting;
  try {
    return await within({ ms: deadlineMs, signal }, (either) => poll(handle, sending, either));
  } catch (error) {
    if (!(error instanceof OverdueError)) throw error;
    throw new TransactionUnknownError(sending.signature, { cause: error });
  }
}

/** An endpoint that does not answer for a while is no reason to give up. */
async function poll(handle: Bulwark, sending: Sending, signal: AbortSignal): Promise<Landed> {
  let silent = 0;
  for (let polls = 0; ; polls += 1) {
    signal.throwIfAborted();
    const limit = { ms: ANSWER_MS, signal };
    if (polls % POLLS_PER_SEND === 0) {
      await within(limit, (each) => submit(handle, sending.wire, each)).catch((error: unknown) => {
        if (polls === 0 && isRefusal(error)) throw error;
      });
    }
    try {
      const fate = await within(limit, (each) => look(handle, sending, each));
      if (fate !== undefined) return fate;
      silent = 0;
    } catch (error) {
      if (error instanceof TransactionExpiredError) throw error;
      silent += 1;
      if (silent > MOST_SILENT_POLLS) {
        throw new TransactionUnknownError(sending.signature, { cause: error });
      }
    }
    await pause(POLL_MS, signal);
  }
}

/** Its simulation has checked it already. */
async function submit(
  handle: Bulwark,
  wire: Base64EncodedWireTransaction,
  abortSignal: AbortSignal,
): Promise<void> {
  const config = { encoding: 'base64', skipPreflight: true, maxRetries: 0n } as const;
  await handle.rpc.sendTransaction(wire, config).send({ abortSignal });
}

/**
 * Whether the endpoint says that this is no transaction that anybody could include. Whatever else it says, a gateway's time-out
 * or an error of its own, the transaction may have gone out: its status is what counts.
 */
function isRefusal(error: unknown): boolean {
  return (
    isSolanaError(error, SOLANA_ERROR__JSON_RPC__INVALID_PARAMS) ||
    isSolanaError(error, SOLANA_ERROR__JSON_RPC__SERVER_ERROR_SEND_TRANSACTION_PREFLIGHT_FAILURE) ||
    isSolanaError(
      error,
      SOLANA_ERROR__JSON_RPC__SERVER_ERROR_TRANSACTION_SIGNATURE_VERIFICATION_FAILURE,
    )
  );
}

/**
 * What became of it; nothing as long as that is open. It has expired once a final block is beyond its last one, and a node that
 * has seen that block does not know it, nor has it in its history.
 */
async function look(
  handle: Bulwark,
  { signature, lastValidBlockHeight }: Sending,
  abortSignal: AbortSignal,
): Promise<Landed | undefined> {
  const { rpc } = handle;
  const recent = await rpc.getSignatureStatuses([signature]).send({ abortSignal });
  const status = recent.value[0] ?? null;
  if (status !== null) return landedAs(status, handle);
  const rooted = await rpc.getEpochInfo({ commitment: 'finalized' }).send({ abortSignal });
  if (rooted.blockHeight <= lastValidBlockHeight) return undefined;
  const { context, value } = await rpc
    .getSignatureStatuses([signature], { searchTransactionHistory: true })
    .send({ abortSignal });
  const kept = value[0] ?? null;
  if (kept !== null) return landedAs(kept, handle);
  if (context.slot >= rooted.absoluteSlot) throw new TransactionExpiredError(signature);
  return undefined;
}

interface Status extends Landed {
  readonly confirmationStatus: Commitment | null;
  readonly confirmations: bigint | null;
}

/** Nothing if it is not confirmed: what is merely processed may be on a fork. */
function landedAs(status: Status, handle: Bulwark): Landed | undefined {
  const final = status.confirmations === null ? 'finalized' : 'processed';
  const reached = status.confirmationStatus ?? final;
  const done = commitmentComparator(reached, confirmedOr(handle.commitment)) >= 0;
  return done ? { slot: status.slot, err: status.err } : undefined;
}

/** Nodes give no transaction that is merely processed. */
function confirmedOr(commitment: Commitment): 'confirmed' | 'finalized' {
  return commitment === 'finalized' ? commitment : 'confirmed';
}

/** What the chain keeps of a transaction that landed. */
export interface Trace {
  readonly logs: readonly string[];
  readonly computeUnits: bigint | undefined;
}

const MOST_LOOKS = 10;

/**
 * What the chain keeps of a transaction that is confirmed, which an endpoint may need a moment to find. Nothing if it does not:
 * that the transaction landed is known all the same.
 */
export function traceOf(
  handle: Bulwark,
  signature: Signature,
  signal: AbortSignal | undefined,
): Promise<Trace | undefined> {
  return within({ ms: ANSWER_MS, signal }, async (abortSignal) => {
    for (let looks = 0; looks < MOST_LOOKS && !abortSignal.aborted; looks += 1) {
      if (looks > 0) await pause(POLL_MS, abortSignal);
      const found = await trace(handle, signature, abortSignal).catch(() => undefined);
      if (found !== undefined) return found;
    }
    return undefined;
  });
}

async function trace(
  handle: Bulwark,
  signature: Signature,
  abortSignal: AbortSignal,
): Promise<Trace | undefined> {
  const commitment = confirmedOr(handle.commitment);
  const config = { commitment, encoding: 'base64', maxSupportedTransactionVersion: 0 } as const;
  const found = await handle.rpc.getTransaction(signature, config).send({ abortSignal });
  const logs = found?.meta?.logMessages ?? null;
  return logs === null ? undefined : { logs, computeUnits: found?.meta?.computeUnitsConsumed };
}
