import {
  assertIsTransactionWithBlockhashLifetime,
  getBase64EncodedWireTransaction,
  getSignatureFromTransaction,
  signTransactionMessageWithSigners,
  type Instruction,
  type Signature,
  type TransactionSigner,
} from '@solana/kit';

import { land, traceOf } from './confirm';
import type { Bulwark } from './connection';
import { failureOf } from './errors';
import { parseEvents, type ParsedLog } from './events';
import {
  buildTransaction,
  refreshesOf,
  splitRefreshes,
  tablesOf,
  type BuildOptions,
  type BuiltTransaction,
} from './transaction';

/** How a transaction is sent and waited for. */
export interface WaitOptions {
  /** Gives up waiting when it is aborted; the transaction may land all the same. */
  readonly signal?: AbortSignal;
  /**
   * How long a transaction may take to land or to expire, milliseconds: 300 000, five minutes, by default. Usually it is less
   * than two; a chain that stands still, or was begun anew, does neither.
   */
  readonly deadlineMs?: number;
}

/** How a transaction is built, sent and waited for. */
export interface SendOptions extends Omit<BuildOptions, 'inFront'>, WaitOptions {}

/** A transaction that succeeded. */
export interface Sent extends ParsedLog {
  /** Signature. */
  readonly signature: Signature;
  /** Slot that it is in. */
  readonly slot: bigint;
  /** Compute units that it took; `undefined` if the endpoint does not give the transaction: `truncated` is `true` then. */
  readonly computeUnits: bigint | undefined;
}

/**
 * Builds, simulates, signs and sends a transaction, sends it again every two seconds, and waits until it has the handle's
 * commitment (`confirmed` at least, for its events can't be read before) or its blockhash has expired. Refreshes in front that
 * do not fit are sent ahead of it, see {@link splitRefreshes}: nothing is lost if what follows them fails. The `instruction` of
 * a failure is counted without the refreshes in front; a refresh that failed has none.
 *
 * @throws {@link TransactionTooLargeError}; {@link BulwarkError} or {@link TransactionFailedError} if it fails, when
 * simulated or on chain; {@link TransactionExpiredError}; {@link TransactionUnknownError} if nobody can say what became of it.
 * After any other error, but that of `signal`, it has done nothing and can't any more.
 */
export async function send(
  handle: Bulwark,
  payer: TransactionSigner,
  instructions: readonly Instruction[],
  options: SendOptions = {},
): Promise<Sent> {
  const lookupTables = await tablesOf(handle, options.lookupTables);
  const known = { ...options, lookupTables };
  const transactions = splitRefreshes(payer, instructions, lookupTables);
  for (const ahead of transactions.slice(0, -1)) {
    // A limit that was named is meant for what the instructions are for.
    const { computeUnitLimit: _, ...sized } = known;
    const apart = { ...sized, inFront: ahead.length };
    await sendBuilt(handle, await buildTransaction(handle, payer, ahead, apart), apart);
  }
  const last = transactions.at(-1) ?? [];
  const own = instructions.length - refreshesOf(instructions);
  const counted = { ...known, inFront: last.length - own };
  return sendBuilt(handle, await buildTransaction(handle, payer, last, counted), counted);
}

/**
 * Signs and sends a transaction that {@link buildTransaction} built, and waits for it as {@link send} does.
 *
 * @throws as {@link send}.
 */
export async function sendBuilt(
  handle: Bulwark,
  message: BuiltTransaction,
  options: WaitOptions & Pick<BuildOptions, 'inFront'> = {},
): Promise<Sent> {
  const signed = await signTransactionMessageWithSigners(message);
  assertIsTransactionWithBlockhashLifetime(signed);
  const signature = getSignatureFromTransaction(signed);
  const landed = await land(
    handle,
    {
      signature,
      wire: getBase64EncodedWireTransaction(signed),
      lastValidBlockHeight: signed.lifetimeConstraint.lastValidBlockHeight,
    },
    options,
  );
  const found = await traceOf(handle, signature, options.signal);
  if (landed.err !== null) {
    const { inFront = 0 } = options;
    const programs = message.instructions.map((instruction) => instruction.programAddress);
    const logs = found?.logs ?? null;
    throw failureOf({ error: landed.err, logs, programs, inFront, signature });
  }
  const log = found === undefined ? { events: [], truncated: true } : parseEvents(found.logs);
  return { signature, slot: landed.slot, computeUnits: found?.computeUnits, ...log };
}
