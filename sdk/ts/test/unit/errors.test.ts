import { expect, test } from 'vitest';

import { BulwarkError, describeError, failureOf, TOKEN_PROGRAM_ADDRESS } from '../../src';
import { BULWARK_PROGRAM_ADDRESS as OURS } from '../../src/generated';
import idl from '../../../../idl/bulwark.json';

const programs = [TOKEN_PROGRAM_ADDRESS, OURS];
const failed = (code: number | bigint, index: number | bigint = 1) => ({
  InstructionError: [index, { Custom: code }],
});

test("the program's errors carry its own message and the numbers behind it", () => {
  const logs = [
    `Program ${OURS} invoke [1]`,
    'Program log: Instruction: Redeem',
    'Program log: 3600 seconds are left',
    'Program log: AnchorError thrown in programs/bulwark/src/lib.rs:1. Error Code: X. Error Number: 1.',
    `Program ${OURS} consumed 900 of 1000 compute units`,
    `Program ${OURS} failed: custom program error: 0x1771`,
  ];
  const error = failureOf({ error: failed(6001n), logs, programs });
  expect(error).toBeInstanceOf(BulwarkError);
  expect(error).toMatchObject({
    code: 6001,
    errorName: 'ZeroAmount',
    instruction: 1,
    program: OURS,
    details: ['3600 seconds are left'],
    logs,
  });
  const message = idl.errors.find(({ code }) => code === 6001)?.msg;
  expect(error.message).toBe(`${message} (3600 seconds are left)`);
});

test("the framework's errors are named", () => {
  const error = failureOf({ error: failed(3007), logs: null, programs });
  expect(error).toMatchObject({ errorName: 'AccountOwnedByWrongProgram', instruction: 1 });
});

test("another program's error is not taken for one of the program's", () => {
  const logs = [
    `Program ${OURS} invoke [1]`,
    'Program log: Instruction: Deposit',
    `Program ${TOKEN_PROGRAM_ADDRESS} invoke [2]`,
    'Program log: Error: insufficient funds',
    `Program ${TOKEN_PROGRAM_ADDRESS} failed: custom program error: 0x1771`,
    `Program ${OURS} failed: custom program error: 0x1771`,
  ];
  const error = failureOf({ error: failed(6001), logs, programs });
  expect(error).not.toBeInstanceOf(BulwarkError);
  expect(error.program).toBe(TOKEN_PROGRAM_ADDRESS);
  expect(error.message).toContain('insufficient funds');
  expect(failureOf({ error: failed(6001, 0), logs: null, programs })).not.toBeInstanceOf(
    BulwarkError,
  );
});

test('what a program logged before it called another that succeeded is kept', () => {
  const logs = [
    `Program ${OURS} invoke [1]`,
    'Program log: before',
    `Program ${TOKEN_PROGRAM_ADDRESS} invoke [2]`,
    `Program ${TOKEN_PROGRAM_ADDRESS} success`,
    'Program log: after',
    `Program ${OURS} failed: custom program error: 0x1771`,
  ];
  expect(failureOf({ error: failed(6001), logs, programs })).toMatchObject({
    details: ['before', 'after'],
  });
});

test('errors of the whole transaction say what they are', () => {
  expect(failureOf({ error: 'BlockhashNotFound', logs: [], programs }).message).toBe(
    'BlockhashNotFound',
  );
  const rent = { InsufficientFundsForRent: { account_index: 2n } };
  expect(failureOf({ error: rent, logs: [], programs }).message).toContain(
    'InsufficientFundsForRent',
  );
});

test('every error of the program is known', () => {
  for (const { code, name, msg } of idl.errors) expect(describeError(code)).toEqual([name, msg]);
  expect(describeError(6000 + idl.errors.length)).toBeUndefined();
});

test('a program that did not end says why', () => {
  const said = 'exceeded CUs meter at BPF instruction';
  const logs = [`Program ${OURS} invoke [1]`, `Program ${OURS} failed: ${said}`];
  const error = { InstructionError: [1n, 'ProgramFailedToComplete'] };
  expect(failureOf({ error, logs, programs }).message).toBe(`instruction 1 of ${OURS}: ${said}`);
});

test('what a program logs is no failure', () => {
  const logs = [
    `Program ${OURS} invoke [1]`,
    'Program log: failed: custom program error: 0x1',
    `Program ${OURS} failed: custom program error: 0x1771`,
  ];
  expect(failureOf({ error: failed(6001), logs, programs })).toMatchObject({
    program: OURS,
    errorName: 'ZeroAmount',
  });
});
