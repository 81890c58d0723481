// A node that answers as it is told.
import {
  createSolanaRpcFromTransport,
  createSolanaRpcSubscriptions,
  type RpcTransport,
} from '@solana/kit';

import type { Bulwark } from '../../src';

/** A request as the node gets it. */
export interface Request {
  readonly method: string;
  readonly params: readonly unknown[];
}

/** Answers by method; one that throws is an endpoint that is not there, one that never resolves is one that hangs. */
export type Answers = Readonly<Record<string, (params: readonly unknown[]) => unknown>>;

/** An answer that is a refusal. */
export class Refused {
  constructor(
    readonly error: { readonly code: number; readonly message: string; readonly data?: object },
  ) {}
}

export interface Node {
  readonly handle: Bulwark;
  /** What it was asked so far. */
  readonly asked: Request[];
}

export const CONTEXT = { context: { slot: 7n } };
export const BLOCKHASH = '4uQeVj5tqViQh7yWWGStvkEG1Zmhx6uasJtWCJziofM';
export const LAST_HEIGHT = 150n;

const USUAL: Answers = {
  getLatestBlockhash: () => ({
    ...CONTEXT,
    value: { blockhash: BLOCKHASH, lastValidBlockHeight: LAST_HEIGHT },
  }),
  simulateTransaction: () => ({
    ...CONTEXT,
    value: { err: null, logs: [], unitsConsumed: 10_001n },
  }),
};

export function node(answers: Answers = {}): Node {
  const asked: Request[] = [];
  const all = { ...USUAL, ...answers };
  const transport: RpcTransport = async ({ payload, signal }) => {
    const { method, params } = payload as Request;
    asked.push({ method, params });
    const answer = all[method];
    if (answer === undefined) throw new Error(`nobody expected ${method}`);
    signal?.throwIfAborted();
    const aborted = new Promise<never>((_, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason as Error));
    });
    const result = await Promise.race([answer(params), aborted]);
    const head = { jsonrpc: '2.0', id: '1' };
    return (
      result instanceof Refused ? { ...head, error: result.error } : { ...head, result }
    ) as never;
  };
  const handle: Bulwark = {
    rpc: createSolanaRpcFromTransport(transport),
    rpcSubscriptions: createSolanaRpcSubscriptions('ws://127.0.0.1:1'),
    commitment: 'confirmed',
  };
  return { handle, asked };
}
