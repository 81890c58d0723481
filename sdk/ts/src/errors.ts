import type { Address, Signature } from '@solana/kit';

import { ANCHOR_ERRORS } from './anchor-errors';
import { BULWARK_ERRORS, BULWARK_PROGRAM_ADDRESS, type BulwarkErrorName } from './generated';

/** Where and how a transaction failed. */
export interface Failure {
  /** Which of the caller's instructions failed, from 0, if it is one of them: refreshes that {@link send} finds in front don't count. */
  readonly instruction: number | undefined;
  /** Program that failed: the innermost one. */
  readonly program: string | undefined;
  /** Its error code, if it gave one. */
  readonly code: number | undefined;
  /** The transaction's log. */
  readonly logs: readonly string[];
  /** Signature, if the transaction was sent. */
  readonly signature: Signature | undefined;
}

/** A transaction that failed, when simulated or on chain. */
export class TransactionFailedError extends Error implements Failure {
  readonly instruction: number | undefined;
  readonly program: string | undefined;
  readonly code: number | undefined;
  readonly logs: readonly string[];
  readonly signature: Signature | undefined;

  /** Of a message for people and where it failed. */
  constructor(message: string, failure: Failure, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TransactionFailedError';
    this.instruction = failure.instruction;
    this.program = failure.program;
    this.code = failure.code;
    this.logs = failure.logs;
    this.signature = failure.signature;
  }
}

/** The program refused: {@link BulwarkError.message} is its own message, which says what to do. */
export class BulwarkError extends TransactionFailedError {
  /** Name of the error: one of the program's, or of the framework that it is written with. */
  readonly errorName: BulwarkErrorName | (string & {});
  /** What the program wrote about it: the numbers behind the message. */
  readonly details: readonly string[];

  /** Of the error's name and message and where it happened. */
  constructor(
    [errorName, message]: readonly [name: string, message: string],
    failure: Failure,
    options?: ErrorOptions,
  ) {
    const details = detailsOf(failure.logs);
    super(details.length === 0 ? message : `${message} (${details.join('; ')})`, failure, options);
    this.name = 'BulwarkError';
    this.errorName = errorName;
    this.details = details;
  }
}

/** A transaction that did not land before its blockhash expired. It can't land any more: build it again. */
export class TransactionExpiredError extends Error {
  /** Its signature. */
  readonly signature: Signature;

  /** Of the signature. */
  constructor(signature: Signature) {
    super(
      `transaction ${signature} did not land before its blockhash expired: it can't any more, build it again, with a ` +
        'higher priority fee if the cluster is busy',
    );
    this.name = 'TransactionExpiredError';
    this.signature = signature;
  }
}

/**
 * Nobody can say what became of a transaction that was sent: it may have landed, or still land. The endpoint went silent, or the
 * chain stood still for too long. The `cause` says which.
 */
export class TransactionUnknownError extends Error {
  /** Its signature: look it up before the transaction is built again. */
  readonly signature: Signature;

  /** Of the signature. */
  constructor(signature: Signature, options?: ErrorOptions) {
    super(
      `it is not known what became of transaction ${signature}, which was sent: it may have landed, or still land. Look it up ` +
        'before you build it again',
      options,
    );
    this.name = 'TransactionUnknownError';
    this.signature = signature;
  }
}

/** A transaction that is too large to send. */
export class TransactionTooLargeError extends Error {
  /** What there is too much of: bytes, or accounts that it names. */
  readonly unit: 'bytes' | 'accounts';
  /** How many it takes. */
  readonly size: number;
  /** How many there may be. */
  readonly limit: number;

  /** Of what, how many, and how many there may be. */
  constructor(unit: 'bytes' | 'accounts', size: number, limit: number) {
    const table = unit === 'bytes' ? 'pass a lookup table (see createLookupTable), or ' : '';
    super(
      `the transaction takes ${size} ${unit} of ${limit}: ${table}send fewer instructions at once`,
    );
    this.name = 'TransactionTooLargeError';
    this.unit = unit;
    this.size = size;
    this.limit = limit;
  }
}

/** Name and message of an error code of the program, its framework's included; nothing for any other. */
export function describeError(code: number): readonly [name: string, message: string] | undefined {
  return BULWARK_ERRORS[code] ?? ANCHOR_ERRORS[code];
}

// What a program logs of itself, `Program log: …`, is neither a call nor a failure.
const FAILED = /^Program ([^\s:]+) failed: (.*)$/;
const LOGGED = 'Program log: ';
const FRAMEWORK = /^(Instruction: |AnchorError |Left|Right)/;
const CALLED = /^Program ([^\s:]+) invoke \[\d+\]$/;

/** The innermost program that failed, which is the first one that says so, and what it says. */
function failedProgram(logs: readonly string[]): { program?: string; said?: string } {
  for (const line of logs) {
    const [, program, said] = FAILED.exec(line) ?? [];
    if (program !== undefined && said !== undefined) return { program, said };
  }
  return {};
}

/** What the program that failed logged since it was called, without what its framework says of every call. */
function detailsOf(logs: readonly string[]): string[] {
  const end = logs.findIndex((line) => FAILED.test(line));
  if (end < 0) return [];
  const [, id] = FAILED.exec(logs[end] ?? '') ?? [];
  const before = logs.slice(0, end);
  const start = before.findLastIndex((line) => CALLED.exec(line)?.[1] === id);
  const logged = before.slice(start + 1).filter((line) => line.startsWith(LOGGED));
  return logged.map((line) => line.slice(LOGGED.length)).filter((line) => !FRAMEWORK.test(line));
}

/** What is known of a transaction that failed. */
export interface FailedTransaction {
  /** The error as JSON-RPC gives it. */
  readonly error: unknown;
  /** Its log; `null` if the endpoint has none. */
  readonly logs: readonly string[] | null;
  /** Programs of its instructions. */
  readonly programs: readonly Address[];
  /** How many of its instructions stand in front of the caller's own; none by default. */
  readonly inFront?: number;
  /** Signature, if it was sent. */
  readonly signature?: Signature;
}

/** The error to throw for a transaction that failed. */
export function failureOf(failed: FailedTransaction): TransactionFailedError {
  const { error, programs, inFront = 0, signature } = failed;
  const logs = failed.logs ?? [];
  const { index, code, reason } = readError(error);
  const outer = index === undefined ? undefined : programs[index];
  const instruction = index === undefined || index < inFront ? undefined : index - inFront;
  const { program = outer, said } = failedProgram(logs);
  const failure = { instruction, program, code, logs, signature };
  const known = code === undefined ? undefined : describeError(code);
  const options = { cause: error };
  if (program === BULWARK_PROGRAM_ADDRESS && known !== undefined) {
    return new BulwarkError(known, failure, options);
  }
  const which =
    instruction === undefined ? 'an instruction in front' : `instruction ${instruction}`;
  const where = index === undefined ? '' : `${which} of ${program}: `;
  const told = detailsOf(logs);
  const details = told.length === 0 ? '' : ` (${told.join('; ')})`;
  return new TransactionFailedError(`${where}${said ?? reason}${details}`, failure, options);
}

interface ReadError {
  readonly index: number | undefined;
  readonly code: number | undefined;
  readonly reason: string;
}

/** `"AccountNotFound"`, `{ InstructionError: [2, { Custom: 6001 }] }` and the like. */
function readError(error: unknown): ReadError {
  const at = isRecord(error) ? error['InstructionError'] : undefined;
  if (!Array.isArray(at)) return { index: undefined, code: undefined, reason: text(error) };
  const [index, what] = at as unknown[];
  const custom = isRecord(what) ? what['Custom'] : undefined;
  if (custom === undefined) {
    return { index: Number(index), code: undefined, reason: text(what) };
  }
  return {
    index: Number(index),
    code: Number(custom),
    reason: `custom error ${Number(custom)}`,
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function text(value: unknown): string {
  if (typeof value === 'string') return value;
  return JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? part.toString() : part));
}
