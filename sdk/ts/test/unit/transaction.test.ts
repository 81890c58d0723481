import {
  AccountRole,
  generateKeyPairSigner,
  getTransactionMessageComputeUnitLimit,
  getTransactionMessageComputeUnitPrice,
  getTransactionMessageSize,
  type Instruction,
} from '@solana/kit';
import { expect, test } from 'vitest';

import * as sdk from '../../src';
import { BULWARK_PROGRAM_ADDRESS } from '../../src/generated';
import { CONTEXT, node } from '../support/node';
import { key, world } from '../support/world';

const payer = await generateKeyPairSigner();
const [instruction] = await sdk.sweepMarket({ market: 1 });
if (instruction === undefined) throw new Error('sweeping is an instruction');

/** An account at its largest: 16 positions, 8 collaterals, all prices old, one source each. */
const largest = world({
  markets: 32,
  vaults: 9,
  age: 40n,
  held: {
    positions: Array.from({ length: 16 }, (_, i) => [i, 1n] as const),
    collaterals: [1, 2, 3, 4, 5, 6, 7, 8],
  },
});

test('the compute limit is what the simulation took and a tenth more', async () => {
  const value = { err: null, logs: [], unitsConsumed: 200_001n };
  const { handle, asked } = node({ simulateTransaction: () => ({ ...CONTEXT, value }) });
  const message = await sdk.buildTransaction(handle, payer, [instruction]);
  expect(getTransactionMessageComputeUnitLimit(message)).toBe(220_002);
  expect(getTransactionMessageComputeUnitPrice(message)).toBeUndefined();
  expect(asked.map((request) => request.method)).toEqual([
    'getLatestBlockhash',
    'simulateTransaction',
  ]);
});

test('a limit that is named is not simulated', async () => {
  const { handle, asked } = node();
  const options = { computeUnitLimit: 5_000, priorityFee: { microLamports: 9n } } as const;
  const message = await sdk.buildTransaction(handle, payer, [instruction], options);
  expect(getTransactionMessageComputeUnitLimit(message)).toBe(5_000);
  expect(getTransactionMessageComputeUnitPrice(message)).toBe(9n);
  expect(asked.map((request) => request.method)).toEqual(['getLatestBlockhash']);
});

test('the priority fee is a percentile of what was paid for the accounts that are written', async () => {
  const paid = [50n, 10n, 40n, 20n, 30n];
  const { handle, asked } = node({
    getRecentPrioritizationFees: () =>
      paid.map((prioritizationFee) => ({ prioritizationFee, slot: 1n })),
  });
  const fee = (percentile: number) =>
    sdk.priorityFee(handle, { percentile, cap: 1n }, [instruction]);
  expect(await fee(0)).toBe(10n);
  expect(await fee(20)).toBe(10n);
  expect(await fee(50)).toBe(30n);
  expect(await fee(100)).toBe(50n);
  await expect(fee(101)).rejects.toThrow(RangeError);
  const metas = instruction.accounts.filter((meta) => meta.role === AccountRole.WRITABLE);
  expect(asked[0]?.params[0]).toEqual(metas.map((meta) => meta.address));
});

test('where nothing is known of recent blocks nothing is paid', async () => {
  const { handle } = node({ getRecentPrioritizationFees: () => [] });
  expect(await sdk.priorityFee(handle, { percentile: 75, cap: 9n }, [])).toBe(0n);
});

test('a cap is what the whole transaction pays at most', async () => {
  const { handle } = node({
    getRecentPrioritizationFees: () => [{ prioritizationFee: 5_000_000n, slot: 1n }],
  });
  const fee = async (cap: bigint) => {
    const options = { computeUnitLimit: 10_000, priorityFee: { percentile: 50, cap } };
    const message = await sdk.buildTransaction(handle, payer, [instruction], options);
    return getTransactionMessageComputeUnitPrice(message);
  };
  expect(await fee(100_000n)).toBe(5_000_000n);
  // 10 000 units at 2 lamports.
  expect(await fee(20_000n)).toBe(2_000_000n);
  expect(await fee(1n)).toBe(100n);
});

test.each([
  // At an earlier slot it may have taken a shorter path.
  [2_000n, 12_000],
  [99_999n, 109_999],
  [1_300_000n, 1_400_000],
  // The endpoint does not say.
  [undefined, 1_400_000],
  [null, 1_400_000],
])('a transaction that took %s units may take %s', async (unitsConsumed, limit) => {
  const value = { err: null, logs: [], unitsConsumed };
  const { handle } = node({ simulateTransaction: () => ({ ...CONTEXT, value }) });
  const message = await sdk.buildTransaction(handle, payer, [instruction]);
  expect(getTransactionMessageComputeUnitLimit(message)).toBe(limit);
});

test("a simulation that fails throws the program's error, with the index of the instruction", async () => {
  const logs = [`Program ${BULWARK_PROGRAM_ADDRESS} failed: custom program error: 0x1771`];
  const err = { InstructionError: [0, { Custom: 6001 }] };
  const { handle } = node({
    simulateTransaction: () => ({ ...CONTEXT, value: { err, logs, unitsConsumed: 1n } }),
  });
  await expect(sdk.buildTransaction(handle, payer, [instruction])).rejects.toMatchObject({
    name: 'BulwarkError',
    errorName: 'ZeroAmount',
    instruction: 0,
  });
});

test('what is too large says by how much, and what to do', async () => {
  const many = Array.from({ length: 40 }, (_, i): Instruction => ({
    programAddress: key(500 + i),
    data: new Uint8Array(4),
  }));
  const { handle, asked } = node();
  await expect(sdk.buildTransaction(handle, payer, many)).rejects.toThrow(
    /^the transaction takes \d+ bytes of 1232: pass a lookup table/,
  );
  expect(asked.map((request) => request.method)).toEqual(['getLatestBlockhash']);
});

test('too many accounts are refused even where they fit', async () => {
  const accounts = Array.from(
    { length: 70 },
    (_, i) => ({ address: key(500 + i), role: 0 }) as const,
  );
  const table = { [key(1)]: accounts.map((meta) => meta.address) };
  const wide: Instruction = { programAddress: key(2), accounts, data: new Uint8Array(1) };
  const { handle } = node();
  await expect(
    sdk.buildTransaction(handle, payer, [wide], { lookupTables: table }),
  ).rejects.toThrow('the transaction takes 73 accounts of 64: send fewer instructions at once');
});

test('everything for an account at its largest fits with a lookup table', async () => {
  const table = { [key(1)]: await sdk.commonAddresses(largest) };
  const { handle } = node();
  const order = { authority: payer, market: 0, limitPrice: 1n };
  const all: sdk.AnyInstruction[][] = [
    await sdk.openPosition(largest, { ...order, side: 'long', lots: 1n }),
    await sdk.closePosition(largest, order),
    await sdk.withdraw(largest, { owner: payer, amount: 1n }),
    await sdk.liquidateToPool(largest, { market: 0 }),
    await sdk.addLiquidity(largest, {
      provider: payer,
      tranche: 'junior',
      amount: 1n,
      minShares: 1n,
    }),
    await sdk.allocateLiquidity(largest, { market: 1 }),
  ];
  for (const instructions of all) {
    const parts = sdk.splitRefreshes(payer, instructions, table);
    expect(parts.flat()).toHaveLength(instructions.length);
    for (const part of parts) {
      const message = await sdk.buildTransaction(handle, payer, part, { lookupTables: table });
      expect(getTransactionMessageSize(message)).toBeLessThanOrEqual(1_232);
    }
    expect(parts.at(-1)?.at(-1)).toBe(instructions.at(-1));
  }
});

test("refreshes that do not fit go ahead, and the trade's own market stays", async () => {
  const order = { authority: payer, market: 3, limitPrice: 1n };
  const instructions = await sdk.closePosition(largest, order);
  const table = { [key(1)]: [...largest.listings.markets.values()].slice(0, 16) };
  const parts = sdk.splitRefreshes(payer, instructions, table);
  expect(parts.length).toBeGreaterThan(1);
  const last = parts.at(-1) ?? [];
  expect(last[0]).toBe(instructions[0]);
  expect(last.at(-1)).toBe(instructions.at(-1));
  expect(new Set(parts.flat())).toEqual(new Set(instructions));
});

test('what fits stays together', async () => {
  const context = world({ age: 40n });
  const order = { authority: payer, market: 3, limitPrice: 1n };
  const instructions = await sdk.closePosition(context, order);
  expect(sdk.splitRefreshes(payer, instructions)).toEqual([instructions]);
});
