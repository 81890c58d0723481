import type { ReadonlyUint8Array } from '@solana/kit';

import { engineBytes } from './engine/bytes';

// The engine is asked one question at a time and keeps nothing: a question is JSON with the bytes of its accounts behind
// it, an answer is JSON. Integers are text with an `n` behind it.

/** Why the engine has no answer; the message says what to do. */
export class EngineError extends Error {
  /** Of the engine's message. */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EngineError';
  }
}

/** What a question is about. */
export interface Accounts {
  /** Time of the clock, unix seconds. */
  readonly now: bigint;
  /** Bytes of accounts of the program, of any type and in any order; margin accounts and changes are answered in theirs. */
  readonly accounts: readonly ReadonlyUint8Array[];
}

interface Exports {
  readonly memory: WebAssembly.Memory;
  bulwark_alloc(length: number): number;
  bulwark_ask(pointer: number, length: number): bigint;
  bulwark_free(pointer: number, length: number): void;
}

let loaded: Exports | undefined;

function bytes(): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(engineBytes), (character) => character.charCodeAt(0));
}

function engine(): Exports {
  loaded ??= exportsOf(new WebAssembly.Instance(new WebAssembly.Module(bytes())));
  return loaded;
}

function exportsOf(instance: WebAssembly.Instance): Exports {
  return instance.exports as unknown as Exports;
}

/**
 * Compiles the engine without blocking, for a page that wants it ready before it is asked. Whatever needs the engine
 * compiles it by itself otherwise, once, in some milliseconds.
 */
export async function loadEngine(): Promise<void> {
  if (loaded !== undefined) return;
  const { instance } = await WebAssembly.instantiate(bytes());
  loaded ??= exportsOf(instance);
}

const NOTHING: Accounts = { now: 0n, accounts: [] };

/**
 * Asks the engine.
 *
 * @throws {@link EngineError}
 */
export function ask<T>(question: Readonly<Record<string, unknown>>, about: Accounts = NOTHING): T {
  const answer = parse(call(write(question, about)));
  if (answer.error !== undefined) throw new EngineError(answer.error);
  return answer.ok as T;
}

function write(question: Readonly<Record<string, unknown>>, about: Accounts): Uint8Array {
  const head = { now: about.now, accounts: about.accounts.map((a) => a.length), question };
  const json = new TextEncoder().encode(JSON.stringify(head, marked));
  const parts = [json, ...about.accounts];
  const request = new Uint8Array(4 + parts.reduce((sum, part) => sum + part.length, 0));
  new DataView(request.buffer).setUint32(0, json.length, true);
  let at = 4;
  for (const part of parts) {
    request.set(part as Uint8Array, at);
    at += part.length;
  }
  return request;
}

function marked(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}n` : value;
}

const LENGTH_BITS = 32n;
const LENGTH_MASK = 0xffff_ffffn;

function call(request: Uint8Array): string {
  const { memory, bulwark_alloc, bulwark_ask, bulwark_free } = engine();
  try {
    const pointer = bulwark_alloc(request.length) >>> 0;
    if (pointer === 0) throw new RangeError('no memory for the question');
    new Uint8Array(memory.buffer, pointer, request.length).set(request);
    const answer = BigInt.asUintN(64, bulwark_ask(pointer, request.length));
    const [at, length] = [Number(answer >> LENGTH_BITS), Number(answer & LENGTH_MASK)];
    const text = new TextDecoder().decode(new Uint8Array(memory.buffer, at, length));
    bulwark_free(at, length);
    return text;
  } catch (cause) {
    // Whatever state it is in now, the next question gets a new one.
    loaded = undefined;
    throw new EngineError('the engine failed', { cause });
  }
}

interface Answer {
  readonly ok?: unknown;
  readonly error?: string;
}

function parse(text: string): Answer {
  return JSON.parse(text, read) as Answer;
}

const INTEGER = /^-?\d+n$/;

/** Integers to bigints; everything else is frozen as it comes. */
function read(_key: string, value: unknown): unknown {
  if (typeof value === 'string' && INTEGER.test(value)) return BigInt(value.slice(0, -1));
  return typeof value === 'object' && value !== null ? Object.freeze(value) : value;
}
