import { generateKeyPairSigner } from '@solana/kit';
import { expect, onTestFinished, test, vi } from 'vitest';

import * as sdk from '../../src';
import { BULWARK_PROGRAM_ADDRESS as OURS } from '../../src/generated';
import { CONTEXT, LAST_HEIGHT, node, Refused, type Answers } from '../support/node';

const payer = await generateKeyPairSigner();
const instructions = await sdk.sweepMarket({ market: 1 });

const status = (confirmationStatus: string, err: unknown = null) => ({
  ...CONTEXT,
  value: [{ confirmationStatus, confirmations: 1n, err, slot: 9n, status: { Ok: null } }],
});
const nothing = { ...CONTEXT, value: [null] };
const logs = [`Program ${OURS} invoke [1]`, `Program ${OURS} success`];

const landed: Answers = {
  sendTransaction: () => 'signature',
  getBlockHeight: () => 100n,
  getSignatureStatuses: () => status('confirmed'),
  getTransaction: () => ({ meta: { logMessages: logs, computeUnitsConsumed: 8_000n } }),
};

/** One answer after the other; the last one again and again. */
function inTurn(...answers: readonly (() => unknown)[]): () => unknown {
  let next = 0;
  return () => {
    const answer = answers[Math.min(next, answers.length - 1)];
    next += 1;
    return answer?.();
  };
}

const gone = () => {
  throw new Error('connection refused');
};

test('what landed comes back with its slot, compute units and events', async () => {
  const { handle } = node(landed);
  const sent = await sdk.send(handle, payer, instructions);
  expect(sent).toMatchObject({ slot: 9n, computeUnits: 8_000n, events: [], truncated: false });
});

test('a transaction is waited for until it is confirmed, and sent again', async () => {
  const slow = {
    ...landed,
    getSignatureStatuses: inTurn(
      ...Array.from({ length: 5 }, () => () => nothing),
      () => status('processed'),
      () => status('confirmed'),
    ),
  };
  const { handle, asked } = node(slow);
  await sdk.send(handle, payer, instructions);
  const sends = asked.filter((request) => request.method === 'sendTransaction');
  expect(sends).toHaveLength(2);
  expect(sends[0]?.params[0]).toBe(sends[1]?.params[0]);
});

test('an endpoint that is away for a while is no reason to give up', async () => {
  const flaky = { ...landed, getBlockHeight: inTurn(gone, gone, () => 100n) };
  const { handle } = node(flaky);
  expect(await sdk.send(handle, payer, instructions)).toMatchObject({ slot: 9n });
});

test('a blockhash that has expired ends the waiting', async () => {
  const never = {
    ...landed,
    getBlockHeight: () => LAST_HEIGHT + 1n,
    getSignatureStatuses: () => nothing,
  };
  const { handle } = node(never);
  await expect(sdk.send(handle, payer, instructions)).rejects.toThrow(sdk.TransactionExpiredError);
});

test('a transaction that is there is not called expired', async () => {
  const late = {
    ...landed,
    getBlockHeight: () => LAST_HEIGHT + 1n,
    getSignatureStatuses: inTurn(
      () => status('processed'),
      () => status('confirmed'),
    ),
  };
  const { handle } = node(late);
  expect(await sdk.send(handle, payer, instructions)).toMatchObject({ slot: 9n });
});

test('a failure on chain has the signature and the log', async () => {
  const err = { InstructionError: [0, { Custom: 6001 }] };
  const failedLogs = [`Program ${OURS} failed: custom program error: 0x1771`];
  const { handle } = node({
    ...landed,
    getSignatureStatuses: () => status('confirmed', err),
    getTransaction: () => ({ meta: { logMessages: failedLogs, computeUnitsConsumed: 1n } }),
  });
  const failed = sdk.send(handle, payer, instructions);
  await expect(failed).rejects.toMatchObject({ errorName: 'ZeroAmount', logs: failedLogs });
  await expect(failed).rejects.toHaveProperty('signature', expect.any(String));
});

test('whoever waits can stop waiting', async () => {
  const { handle } = node({ ...landed, getSignatureStatuses: () => nothing });
  const signal = AbortSignal.timeout(50);
  await expect(sdk.send(handle, payer, instructions, { signal })).rejects.toMatchObject({
    name: 'TimeoutError',
  });
});

test('what the endpoint says against the first sending is not hidden', async () => {
  const refused = { code: -32_602, message: 'invalid transaction' };
  const { handle } = node({ ...landed, sendTransaction: () => new Refused(refused) });
  await expect(sdk.send(handle, payer, instructions)).rejects.toThrow('invalid transaction');
});

test('a connection that was lost while sending says nothing: the transaction is waited for', async () => {
  const { handle } = node({ ...landed, sendTransaction: gone });
  expect(await sdk.send(handle, payer, instructions)).toMatchObject({ slot: 9n });
});

test('an endpoint that never comes back leaves the signature to look up', async () => {
  vi.useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout'],
    shouldAdvanceTime: true,
    advanceTimeDelta: 20,
  });
  onTestFinished(() => void vi.useRealTimers());
  const { handle } = node({ ...landed, getBlockHeight: gone });
  const failed = sdk.send(handle, payer, instructions).catch((error: unknown) => error);
  while (vi.getTimerCount() === 0) await new Promise(setImmediate);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await failed).toBeInstanceOf(sdk.TransactionUnknownError);
  expect(await failed).toHaveProperty('signature', expect.any(String));
});
