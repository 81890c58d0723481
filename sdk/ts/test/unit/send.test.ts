import { generateKeyPairSigner } from '@solana/kit';
import { expect, onTestFinished, test, vi } from 'vitest';

import * as sdk from '../../src';
import { BULWARK_PROGRAM_ADDRESS as OURS } from '../../src/generated';
import { CONTEXT, LAST_HEIGHT, node, Refused, type Answers } from '../support/node';
import { world } from '../support/world';

const payer = await generateKeyPairSigner();
const instructions = await sdk.sweepMarket({ market: 1 });

const status = (confirmationStatus: string, err: unknown = null) => ({
  ...CONTEXT,
  value: [{ confirmationStatus, confirmations: 1n, err, slot: 9n, status: { Ok: null } }],
});
const nothing = { ...CONTEXT, value: [null] };
/** The last final block: its height, and its slot. */
const rooted = (blockHeight: bigint, absoluteSlot = 7n) => ({ blockHeight, absoluteSlot });
const searched = (params: readonly unknown[]) =>
  (params[1] as { searchTransactionHistory?: boolean } | undefined)?.searchTransactionHistory ===
  true;
const logs = [`Program ${OURS} invoke [1]`, `Program ${OURS} success`];

const landed: Answers = {
  sendTransaction: () => 'signature',
  getEpochInfo: () => rooted(100n),
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

const gone = (): never => {
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
  const flaky = {
    ...landed,
    getSignatureStatuses: inTurn(gone, gone, () => status('confirmed')),
  };
  const { handle } = node(flaky);
  expect(await sdk.send(handle, payer, instructions)).toMatchObject({ slot: 9n });
});

test('a blockhash that has expired for final blocks ends the waiting', async () => {
  const { handle, asked } = node({
    ...landed,
    getEpochInfo: () => rooted(LAST_HEIGHT + 1n),
    getSignatureStatuses: () => nothing,
  });
  await expect(sdk.send(handle, payer, instructions)).rejects.toThrow(sdk.TransactionExpiredError);
  expect(asked.slice(-3).map(({ method, params }) => [method, searched(params)])).toEqual([
    ['getSignatureStatuses', false],
    ['getEpochInfo', false],
    ['getSignatureStatuses', true],
  ]);
  // kit leaves the commitment out if it is what nodes take by themselves: finalized.
  expect(asked.at(-2)?.params).toEqual([]);
});

test('while the last block that could include it is not final, nothing has expired', async () => {
  const { handle, asked } = node({
    ...landed,
    getEpochInfo: inTurn(
      () => rooted(LAST_HEIGHT),
      () => rooted(LAST_HEIGHT),
    ),
    getSignatureStatuses: inTurn(
      () => nothing,
      () => nothing,
      () => status('confirmed'),
    ),
  });
  expect(await sdk.send(handle, payer, instructions)).toMatchObject({ slot: 9n });
  expect(asked.some(({ params }) => searched(params))).toBe(false);
});

test('what only the history knows has landed', async () => {
  const { handle } = node({
    ...landed,
    getEpochInfo: () => rooted(LAST_HEIGHT + 1n),
    getSignatureStatuses: (params) => (searched(params) ? status('finalized') : nothing),
  });
  expect(await sdk.send(handle, payer, instructions)).toMatchObject({ slot: 9n });
});

test('a node that is behind does not decide that it never landed', async () => {
  const behind = { context: { slot: 6n }, value: [null] };
  const { handle, asked } = node({
    ...landed,
    getEpochInfo: () => rooted(LAST_HEIGHT + 1n, 7n),
    getSignatureStatuses: inTurn(
      () => nothing,
      () => behind,
      () => status('confirmed'),
    ),
  });
  expect(await sdk.send(handle, payer, instructions)).toMatchObject({ slot: 9n });
  expect(asked.filter(({ method }) => method === 'getSignatureStatuses')).toHaveLength(3);
});

test('a transaction that is there is not called expired', async () => {
  const late = {
    ...landed,
    getEpochInfo: () => rooted(LAST_HEIGHT + 1n),
    getSignatureStatuses: inTurn(
      () => status('processed'),
      () => status('confirmed'),
    ),
  };
  const { handle } = node(late);
  expect(await sdk.send(handle, payer, instructions)).toMatchObject({ slot: 9n });
});

test('a chain that stands still leaves the signature to look up after the deadline', async () => {
  const { handle } = node({ ...landed, getSignatureStatuses: () => nothing });
  const failed = sdk.send(handle, payer, instructions, { deadlineMs: 50 });
  await expect(failed).rejects.toThrow(sdk.TransactionUnknownError);
  await expect(failed).rejects.toMatchObject({
    signature: expect.any(String),
    cause: { message: 'not done within 50 ms' },
  });
});

test('the deadline holds for an endpoint that hangs, too', async () => {
  const { handle } = node({ ...landed, sendTransaction: () => new Promise(() => {}) });
  const failed = sdk.send(handle, payer, instructions, { deadlineMs: 50 });
  await expect(failed).rejects.toThrow(sdk.TransactionUnknownError);
});

test('five minutes are the deadline unless told', async () => {
  useFakeTimers();
  const { handle, asked } = node({ ...landed, getSignatureStatuses: () => nothing });
  let ended: unknown;
  const failed = sdk.send(handle, payer, instructions).catch((error: unknown) => (ended = error));
  while (!asked.some(({ method }) => method === 'getEpochInfo')) await new Promise(setImmediate);
  await vi.advanceTimersByTimeAsync(280_000);
  expect(ended).toBeUndefined();
  await vi.advanceTimersByTimeAsync(21_000);
  expect(await failed).toBeInstanceOf(sdk.TransactionUnknownError);
});

test('what landed has landed, even if its log can not be had', async () => {
  useFakeTimers();
  const { handle, asked } = node({ ...landed, getTransaction: gone });
  const sent = sdk.send(handle, payer, instructions);
  while (!asked.some(({ method }) => method === 'getTransaction')) await new Promise(setImmediate);
  await vi.advanceTimersByTimeAsync(15_000);
  expect(await sent).toEqual({
    signature: expect.any(String),
    slot: 9n,
    computeUnits: undefined,
    events: [],
    truncated: true,
  });
  expect(asked.filter(({ method }) => method === 'getTransaction').length).toBeGreaterThan(5);
});

test('a log that comes a little later is waited for', async () => {
  const { handle } = node({
    ...landed,
    getTransaction: inTurn(
      gone,
      () => null,
      () => ({ meta: { logMessages: logs, computeUnitsConsumed: 8_000n } }),
    ),
  });
  const sent = await sdk.send(handle, payer, instructions);
  expect(sent).toMatchObject({ computeUnits: 8_000n, truncated: false });
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

test.each([-32_602, -32_002, -32_003])(
  'that it is no transaction (%i) is not hidden',
  async (code) => {
    const { handle, asked } = node({
      ...landed,
      sendTransaction: () =>
        new Refused({ code, message: 'invalid', data: { err: 'SanitizeFailure' } }),
    });
    const failed = sdk.send(handle, payer, instructions);
    await expect(failed).rejects.toMatchObject({ context: { __code: code } });
    expect(asked.at(-1)?.method).toBe('sendTransaction');
  },
);

test.each([-32_603, -32_005, -32_000, 429])(
  'after any other error (%i) the transaction may have gone out, and is waited for',
  async (code) => {
    const { handle } = node({
      ...landed,
      sendTransaction: () => new Refused({ code, message: 'try again' }),
      getSignatureStatuses: inTurn(
        () => nothing,
        () => status('confirmed'),
      ),
    });
    expect(await sdk.send(handle, payer, instructions)).toMatchObject({ slot: 9n });
  },
);

test('a connection that was lost while sending says nothing: the transaction is waited for', async () => {
  const { handle } = node({ ...landed, sendTransaction: gone });
  expect(await sdk.send(handle, payer, instructions)).toMatchObject({ slot: 9n });
});

function useFakeTimers(): void {
  vi.useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout'],
    shouldAdvanceTime: true,
    advanceTimeDelta: 20,
  });
  onTestFinished(() => void vi.useRealTimers());
}

test('an endpoint that never comes back leaves the signature to look up', async () => {
  useFakeTimers();
  const { handle, asked } = node({ ...landed, getSignatureStatuses: gone });
  const failed = sdk.send(handle, payer, instructions).catch((error: unknown) => error);
  while (!asked.some(({ method }) => method === 'getSignatureStatuses')) {
    await new Promise(setImmediate);
  }
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await failed).toBeInstanceOf(sdk.TransactionUnknownError);
  expect(await failed).toHaveProperty('signature', expect.any(String));
});

/** The trade of an account whose prices are all old: refreshes in front, too many for one transaction. */
const old = world({
  markets: 32,
  age: 40n,
  held: { positions: Array.from({ length: 16 }, (_, i) => [i, 1n] as const) },
});
const trade = await sdk.closePosition(old, { authority: payer, market: 3, limitPrice: 1n });
const parts = sdk.splitRefreshes(payer, trade);

/** A simulation that fails at an instruction. */
const failing = (index: number) => ({
  ...CONTEXT,
  value: {
    err: { InstructionError: [index, { Custom: 6001 }] },
    logs: [`Program ${OURS} failed: custom program error: 0x1771`],
    unitsConsumed: 1n,
  },
});
const passed = { ...CONTEXT, value: { err: null, logs: [], unitsConsumed: 1n } };

test('a failure is counted without the refreshes in front', async () => {
  expect(parts.length).toBeGreaterThan(1);
  const refreshes = (parts.at(-1)?.length ?? 0) - 1;
  expect(refreshes).toBeGreaterThan(0);
  const ahead = parts.slice(1).map(() => () => passed);
  const failed = (index: number) => {
    const simulateTransaction = inTurn(...ahead, () => failing(index));
    return sdk.send(node({ ...landed, simulateTransaction }).handle, payer, trade);
  };
  await expect(failed(refreshes)).rejects.toMatchObject({ instruction: 0, program: OURS });
  await expect(failed(0)).rejects.toMatchObject({ instruction: undefined, program: OURS });
});

test('a refresh that failed ahead is none of the instructions', async () => {
  const { handle } = node({ ...landed, simulateTransaction: () => failing(0) });
  await expect(sdk.send(handle, payer, trade)).rejects.toMatchObject({ instruction: undefined });
});

test('a failure on chain is counted the same', async () => {
  const order = { authority: payer, market: 0, limitPrice: 1n };
  const built = await sdk.closePosition(world({ held: { positions: [[0, 1n]] } }), order);
  expect(built).toHaveLength(2);
  const { handle } = node({
    ...landed,
    getSignatureStatuses: () => status('confirmed', { InstructionError: [1, 'InvalidArgument'] }),
  });
  await expect(sdk.send(handle, payer, built)).rejects.toMatchObject({ instruction: 0 });
});

test('who sends nothing but refreshes is told which one failed', async () => {
  const refreshes = await sdk.refresh(old, [{ market: 0 }, { market: 1 }]);
  const { handle } = node({ ...landed, simulateTransaction: () => failing(1) });
  await expect(sdk.send(handle, payer, refreshes)).rejects.toMatchObject({ instruction: 1 });
});
