import {
  assertIsTransactionWithBlockhashLifetime,
  commitmentComparator,
  getBase64EncodedWireTransaction,
  getSignatureFromTransaction,
  isSolanaError,
  signTransactionMessageWithSigners,
  type Address,
  type Base64EncodedWireTransaction,
  type Instruction,
  type Signature,
  type TransactionSigner,
} from '@solana/kit';

import type { Bulwark } from './connection';
import { failureOf, TransactionExpiredError, TransactionUnknownError } from './errors';
import { parseEvents, type ParsedLog } from './events';
import {
  buildTransaction,
  splitRefreshes,
  tablesOf,
  type BuildOptions,
  type BuiltTransaction,
} from './transaction';
import { pause } from './wait';

/** How a transaction is built and sent. */
export interface SendOptions extends BuildOptions {
  /** Gives up waiting when it is aborted; the transaction may land all the same. */
  readonly signal?: AbortSignal;
}

/** A transaction that succeeded. */
export interface Sent extends ParsedLog {
  /** Signature. */
  readonly signature: Signature;
  /** Slot that it is in. */
  readonly slot: bigint;
  /** Compute units that it took; `undefined` if the endpoint does not keep transactions: `truncated` is `true` then. */
  readonly computeUnits: bigint | undefined;
}

/**
 * Builds, simulates, signs and sends a transaction, sends it again every two seconds, and waits until it has the handle's
 * commitment (`confirmed` at least, for its events can't be read before) or its blockhash has expired. Refreshes in front that
 * do not fit are sent ahead of it, see {@link splitRefreshes}: nothing is lost if what follows them fails.
 *
 * @throws {@link TransactionTooLargeError}; {@link BulwarkError} or {@link TransactionFailedError} if it fails, when
 * simulated or on chain; {@link TransactionExpiredError}; {@link TransactionUnknownError} if the endpoint went away for good.
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
    await sendBuilt(handle, await buildTransaction(handle, payer, ahead, sized), options);
  }
  const last = transactions.at(-1) ?? [];
  return sendBuilt(handle, await buildTransaction(handle, payer, last, known), options);
}

/**
 * Signs and sends a transaction that {@link buildTransaction} built, and waits for it as {@link send} does.
 *
 * @throws as {@link send}.
 */
export async function sendBuilt(
  handle: Bulwark,
  message: BuiltTransaction,
  options: Pick<SendOptions, 'signal'> = {},
): Promise<Sent> {
  const signed = await signTransactionMessageWithSigners(message);
  assertIsTransactionWithBlockhashLifetime(signed);
  const sending: Sending = {
    signature: getSignatureFromTransaction(signed),
    wire: getBase64EncodedWireTransaction(signed),
    lastValidBlockHeight: signed.lifetimeConstraint.lastValidBlockHeight,
    programs: message.instructions.map((instruction) => instruction.programAddress),
  };
  const landed = await land(handle, sending, options.signal);
  const found = await transactionOf(handle, sending.signature, options.signal);
  if (landed.err !== null) {
    const { signature, programs } = sending;
    throw failureOf({ error: landed.err, logs: found?.logs ?? null, programs, signature });
  }
  const log = found === undefined ? { events: [], truncated: true } : parseEvents(found.logs);
  const { signature } = sending;
  return { signature, slot: landed.slot, computeUnits: found?.computeUnits, ...log };
}

interface Sending {
  readonly signature: Signature;
  readonly wire: Base64EncodedWireTransaction;
  readonly lastValidBlockHeight: bigint;
  readonly programs: readonly Address[];
}

interface Landed {
  readonly slot: bigint;
  readonly err: unknown;
}

const POLL_MS = 400;
const POLLS_PER_SEND = 5;
/** Polls without an answer after which the endpoint counts as gone: half a minute. */
const MOST_SILENT_POLLS = 75;

/** Sends until the transaction is on chain or can't land any more. An endpoint that does not answer for a while is no reason to give up. */
async function land(
  handle: Bulwark,
  sending: Sending,
  signal: AbortSignal | undefined,
): Promise<Landed> {
  let silent = 0;
  for (let poll = 0; ; poll += 1) {
    signal?.throwIfAborted();
    if (poll % POLLS_PER_SEND === 0) await submit(handle, sending.wire, poll === 0);
    try {
      const landed = await look(handle, sending);
      if (landed !== undefined) return landed;
      silent = 0;
    } catch (error) {
      silent += 1;
      if (error instanceof TransactionExpiredError) throw error;
      if (silent > MOST_SILENT_POLLS) {
        throw new TransactionUnknownError(sending.signature, { cause: error });
      }
    }
    await pause(POLL_MS, signal);
  }
}

/**
 * The simulation has checked it already; only what the endpoint says against it the first time counts. A connection that was
 * lost says nothing: the transaction may have gone through.
 */
async function submit(
  handle: Bulwark,
  wire: Base64EncodedWireTransaction,
  first: boolean,
): Promise<void> {
  const config = { encoding: 'base64', skipPreflight: true, maxRetries: 0n } as const;
  try {
    await handle.rpc.sendTransaction(wire, config).send();
  } catch (error) {
    if (first && isRefusal(error)) throw error;
  }
}

/** Codes of JSON-RPC errors. */
const REFUSALS = { least: -32_768, most: -32_000 } as const;

function isRefusal(error: unknown): boolean {
  if (!isSolanaError(error)) return false;
  const { __code: code } = error.context;
  return code >= REFUSALS.least && code <= REFUSALS.most;
}

async function look(handle: Bulwark, sending: Sending): Promise<Landed | undefined> {
  const { commitment, rpc } = handle;
  // The height is asked for first: a transaction that is not there at a height beyond its last never comes.
  const height = await rpc.getBlockHeight({ commitment }).send();
  const { value } = await rpc.getSignatureStatuses([sending.signature]).send();
  const status = value[0] ?? null;
  if (status !== null) {
    const reached = status.confirmationStatus ?? 'processed';
    const needed = commitment === 'finalized' ? commitment : 'confirmed';
    const done = commitmentComparator(reached, needed) >= 0;
    return done ? { slot: status.slot, err: status.err } : undefined;
  }
  if (height > sending.lastValidBlockHeight) throw new TransactionExpiredError(sending.signature);
  return undefined;
}

interface Found {
  readonly logs: readonly string[];
  readonly computeUnits: bigint | undefined;
}

const MOST_LOOKS = 10;

/** What the chain keeps of a transaction that is confirmed: an endpoint may need a moment to find it. */
async function transactionOf(
  handle: Bulwark,
  signature: Signature,
  signal: AbortSignal | undefined,
): Promise<Found | undefined> {
  const commitment = handle.commitment === 'finalized' ? 'finalized' : 'confirmed';
  const config = { commitment, encoding: 'base64', maxSupportedTransactionVersion: 0 } as const;
  for (let looks = 0; looks < MOST_LOOKS; looks += 1) {
    if (looks > 0) await pause(POLL_MS, signal);
    const found = await handle.rpc.getTransaction(signature, config).send();
    const logs = found?.meta?.logMessages;
    if (logs !== null && logs !== undefined) {
      return { logs, computeUnits: found?.meta?.computeUnitsConsumed };
    }
  }
  return undefined;
}
