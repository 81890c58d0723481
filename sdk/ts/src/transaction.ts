import {
  appendTransactionMessageInstructions,
  compileTransaction,
  compressTransactionMessageUsingAddressLookupTables,
  createTransactionMessage,
  getBase64EncodedWireTransaction,
  getTransactionMessageSize,
  getTransactionMessageSizeLimit,
  pipe,
  setTransactionMessageComputeUnitLimit,
  setTransactionMessageComputeUnitPrice,
  setTransactionMessageFeePayerSigner,
  setTransactionMessageLifetimeUsingBlockhash,
  type Address,
  type AddressesByLookupTableAddress,
  type Blockhash,
  type Instruction,
  type TransactionSigner,
} from '@solana/kit';

import type { Bulwark } from './connection';
import { failureOf, TransactionTooLargeError } from './errors';
import { cappedFee, priorityFee, type PriorityFee } from './fees';
import {
  BULWARK_PROGRAM_ADDRESS,
  REFRESH_MARKET_DISCRIMINATOR,
  REFRESH_VAULT_DISCRIMINATOR,
} from './generated';
import { loadLookupTables } from './lookup-table';

/** How a transaction is built. */
export interface BuildOptions {
  /**
   * Lookup tables for accounts that are not signers: their addresses, or what is in them, from
   * {@link loadLookupTables}, which saves a request.
   */
  readonly lookupTables?: readonly Address[] | AddressesByLookupTableAddress;
  /** Compute units, at most 1 400 000. By default what a simulation takes and a tenth more, 10 000 more at least. */
  readonly computeUnitLimit?: number;
  /** What is paid to land sooner; nothing by default. */
  readonly priorityFee?: PriorityFee;
  /**
   * How many of the instructions stand in front of the caller's own, none by default: the `instruction` of a failure is counted
   * from the first one after them.
   */
  readonly inFront?: number;
}

/** What simulating a transaction shows. */
export interface Simulation {
  /** Compute units that it took; the most that there can be, 1 400 000, if the endpoint does not say. */
  readonly computeUnits: number;
  /** Its log. */
  readonly logs: readonly string[];
}

const MOST_COMPUTE_UNITS = 1_400_000;
/**
 * Least compute units above what a simulation took. It looks at an earlier slot: an auction that has started since takes a longer
 * path, and a print that came since makes a refresh dearer by about 2 000. What is left over costs no more than its priority fee.
 */
const LEAST_MARGIN = 10_000;

/** What a simulation took and a tenth more, {@link LEAST_MARGIN} at least. */
function limitOf(simulated: number): number {
  const margin = Math.max(Math.ceil(simulated / 10), LEAST_MARGIN);
  return Math.min(simulated + margin, MOST_COMPUTE_UNITS);
}

/** Contents of the lookup tables that options name. */
export async function tablesOf(
  handle: Bulwark,
  tables: BuildOptions['lookupTables'],
): Promise<AddressesByLookupTableAddress> {
  if (tables === undefined) return {};
  if (!Array.isArray(tables)) return tables as AddressesByLookupTableAddress;
  return tables.length === 0 ? {} : loadLookupTables(handle, tables as Address[]);
}

/**
 * Builds a version 0 transaction message: lookup tables, a priority fee, and a compute limit that a simulation found to be
 * enough. It is not signed yet: sign it with kit, or {@link send} it at once.
 *
 * @throws {@link TransactionTooLargeError}; {@link BulwarkError} or {@link TransactionFailedError} if the simulation fails.
 */
export async function buildTransaction(
  handle: Bulwark,
  payer: TransactionSigner,
  instructions: readonly Instruction[],
  options: BuildOptions = {},
): Promise<BuiltTransaction> {
  const { priorityFee: policy = 'none', computeUnitLimit, inFront } = options;
  const [tables, price, latest] = await Promise.all([
    tablesOf(handle, options.lookupTables),
    priorityFee(handle, policy, instructions),
    handle.rpc.getLatestBlockhash({ commitment: handle.commitment }).send(),
  ]);
  const message = messageOf({ payer, instructions, tables, lifetime: latest.value, price });
  requireSize(message);
  const limit =
    computeUnitLimit ?? limitOf((await simulate(handle, message, inFront)).computeUnits);
  const paid = cappedFee(policy, price, limit);
  return pipe(
    message,
    (m) => setTransactionMessageComputeUnitLimit(limit, m),
    (m) => (price === 0n ? m : setTransactionMessageComputeUnitPrice(paid, m)),
  );
}

interface MessageParts {
  readonly payer: TransactionSigner;
  readonly instructions: readonly Instruction[];
  readonly tables: AddressesByLookupTableAddress;
  readonly lifetime: { readonly blockhash: Blockhash; readonly lastValidBlockHeight: bigint };
  readonly price: bigint;
}

function messageOf({ payer, instructions, tables, lifetime, price }: MessageParts) {
  return pipe(
    createTransactionMessage({ version: 0 }),
    (m) => setTransactionMessageFeePayerSigner(payer, m),
    (m) => setTransactionMessageLifetimeUsingBlockhash(lifetime, m),
    (m) => appendTransactionMessageInstructions(instructions, m),
    (m) => setTransactionMessageComputeUnitLimit(MOST_COMPUTE_UNITS, m),
    (m) => (price === 0n ? m : setTransactionMessageComputeUnitPrice(price, m)),
    (m) => compressTransactionMessageUsingAddressLookupTables(m, tables) as typeof m,
  );
}

/** A transaction message of {@link buildTransaction}. */
export type BuiltTransaction = ReturnType<typeof messageOf>;

/** Accounts that a transaction may lock, those from lookup tables included. */
const MOST_LOCKS = 64;

/** Throws if the message does not fit a transaction. */
function requireSize(message: Parameters<typeof getTransactionMessageSize>[0]): void {
  const locked = new Set<Address>([message.feePayer.address]);
  for (const { accounts = [], programAddress } of message.instructions) {
    locked.add(programAddress);
    for (const { address } of accounts) locked.add(address);
  }
  if (locked.size > MOST_LOCKS) {
    throw new TransactionTooLargeError('accounts', locked.size, MOST_LOCKS);
  }
  // After the accounts: a message of too many can't be compiled.
  const [size, limit] = [
    getTransactionMessageSize(message),
    getTransactionMessageSizeLimit(message),
  ];
  if (size > limit) throw new TransactionTooLargeError('bytes', size, limit);
}

const NO_BLOCKHASH = {
  blockhash: '11111111111111111111111111111111' as Blockhash,
  lastValidBlockHeight: 0n,
};

/**
 * Transactions that are to be sent in order: the last one does what the instructions are for, with as many of the refreshes
 * that stand in front of them as fit; the other refreshes go ahead of it, from the last one on. So what stands first, a trade's
 * own market, is refreshed last. One transaction if everything fits.
 *
 * @throws {@link TransactionTooLargeError} if what is no refresh does not fit by itself.
 */
export function splitRefreshes(
  payer: TransactionSigner,
  instructions: readonly Instruction[],
  tables: AddressesByLookupTableAddress = {},
): Instruction[][] {
  const refreshes = instructions.slice(0, refreshesOf(instructions));
  const main = instructions.slice(refreshes.length);
  const problem = (all: readonly Instruction[]) => tooLarge(payer, all, tables);
  let near = refreshes.length;
  while (problem([...refreshes.slice(0, near), ...main]) !== undefined) {
    if (near === 0) throw problem(main);
    near -= 1;
  }
  const ahead: Instruction[][] = [];
  for (const refresh of refreshes.slice(near)) {
    const last = ahead.at(-1);
    if (last !== undefined && problem([...last, refresh]) === undefined) last.push(refresh);
    else ahead.push([refresh]);
  }
  return [...ahead, [...refreshes.slice(0, near), ...main]];
}

/** How many refreshes stand in front of what they are for. None if there is nothing else: then they are what it is about. */
export function refreshesOf(instructions: readonly Instruction[]): number {
  return Math.max(
    instructions.findIndex((instruction) => !isRefresh(instruction)),
    0,
  );
}

/** Why instructions, compute budget included, make no transaction. */
function tooLarge(
  payer: TransactionSigner,
  instructions: readonly Instruction[],
  tables: AddressesByLookupTableAddress,
): TransactionTooLargeError | undefined {
  try {
    requireSize(messageOf({ payer, instructions, tables, lifetime: NO_BLOCKHASH, price: 1n }));
    return undefined;
  } catch (error) {
    if (error instanceof TransactionTooLargeError) return error;
    throw error;
  }
}

function isRefresh({ programAddress, data }: Instruction): boolean {
  if (programAddress !== BULWARK_PROGRAM_ADDRESS || data === undefined) return false;
  const known = [REFRESH_MARKET_DISCRIMINATOR, REFRESH_VAULT_DISCRIMINATOR];
  return known.some((discriminator) => discriminator.every((byte, i) => data[i] === byte));
}

/**
 * Simulates a transaction, at the latest blockhash and without signatures. A failure is counted from the first instruction that
 * is not `inFront`, see {@link BuildOptions}.
 *
 * @throws {@link BulwarkError} or {@link TransactionFailedError} if it fails.
 */
export async function simulate(
  handle: Bulwark,
  message: BuiltTransaction,
  inFront = 0,
): Promise<Simulation> {
  const wire = getBase64EncodedWireTransaction(compileTransaction(message));
  const { value } = await handle.rpc
    .simulateTransaction(wire, {
      commitment: handle.commitment,
      encoding: 'base64',
      replaceRecentBlockhash: true,
    })
    .send();
  if (value.err !== null) {
    const programs = message.instructions.map((instruction) => instruction.programAddress);
    throw failureOf({ error: value.err, logs: value.logs, programs, inFront });
  }
  return {
    computeUnits: Number(value.unitsConsumed ?? MOST_COMPUTE_UNITS),
    logs: value.logs ?? [],
  };
}
