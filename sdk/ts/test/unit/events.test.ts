import { expect, test } from 'vitest';

import { decodeEvent, eventsNamed, parseEvents, SYSTEM_PROGRAM_ADDRESS } from '../../src';
import {
  BULWARK_PROGRAM_ADDRESS as OURS,
  EVENT_DECODERS,
  getInvariantsCheckedEncoder,
} from '../../src/generated';
import idl from '../../../../idl/bulwark.json';

const CHECKED = idl.events.find((event) => event.name === 'InvariantsChecked');

function checked(): Uint8Array {
  const fields = getInvariantsCheckedEncoder().encode({ ok: true });
  return Uint8Array.from([...(CHECKED?.discriminator ?? []), ...fields]);
}

function line(bytes = checked()): string {
  return `Program data: ${Buffer.from(bytes).toString('base64')}`;
}

const EVENT = { name: 'invariantsChecked', data: { ok: true } };

test('only what the program itself wrote is an event', () => {
  const log = [
    line(),
    `Program ${OURS} invoke [1]`,
    line(),
    `Program ${SYSTEM_PROGRAM_ADDRESS} invoke [2]`,
    line(),
    `Program ${SYSTEM_PROGRAM_ADDRESS} success`,
    line(),
    `Program ${OURS} success`,
    line(),
  ];
  expect(parseEvents(log)).toEqual({ events: [EVENT, EVENT], truncated: false });
});

test('a program that only claims to have ended does not end another one', () => {
  const other = SYSTEM_PROGRAM_ADDRESS;
  const log = [
    `Program ${other} invoke [1]`,
    `Program ${OURS} success`,
    `Program log: Program ${OURS} invoke [2]`,
    line(),
    `Program ${OURS} invoke [2]`,
    `Program ${OURS} failed: custom program error: 0x1770`,
    line(),
  ];
  expect(parseEvents(log).events).toEqual([]);
});

test('what a program logs is no call', () => {
  const log = [
    `Program ${OURS} invoke [1]`,
    `Program ${SYSTEM_PROGRAM_ADDRESS} invoke [2]`,
    'Program log: invoke [3]',
    `Program ${SYSTEM_PROGRAM_ADDRESS} success`,
    line(),
  ];
  expect(parseEvents(log).events).toEqual([EVENT]);
});

test('only the lines of the runtime enter and leave a program', () => {
  const other = SYSTEM_PROGRAM_ADDRESS;
  const entered = (text: string) => parseEvents([text, line()]).events.length;
  expect(entered(`Program ${OURS} invoke [1]`)).toBe(1);
  for (const text of [
    `Program ${OURS} invoke [1] now`,
    `Program ${OURS} invoke []`,
    `Program ${OURS}0 invoke [1]`,
    `Program log: ${OURS} invoke [1]`,
    ` Program ${OURS} invoke [1]`,
    `Program log: x\nProgram ${OURS} invoke [1]`,
  ]) {
    expect(entered(text), text).toBe(0);
  }
  const inner = [`Program ${OURS} invoke [1]`, `Program ${other} invoke [2]`];
  for (const text of [
    `Program ${other} success!`,
    `Program ${other} failed`,
    'Program x success',
  ]) {
    expect(parseEvents([...inner, text, line()]).events, text).toEqual([]);
  }
});

test('a cut log says so', () => {
  const log = [`Program ${OURS} invoke [1]`, line(), 'Log truncated'];
  expect(parseEvents(log)).toEqual({ events: [EVENT], truncated: true });
});

test('garbage is no event', () => {
  const inside = (text: string) => parseEvents([`Program ${OURS} invoke [1]`, text]).events;
  expect(inside('Program data: !!!')).toEqual([]);
  expect(inside('Program data: ')).toEqual([]);
  expect(inside('Program data: AAAA')).toEqual([]);
  expect(decodeEvent(new Uint8Array())).toBeUndefined();
  expect(decodeEvent(new Uint8Array(8))).toBeUndefined();
  expect(decodeEvent(Uint8Array.from([...checked(), 0]))).toBeUndefined();
  expect(decodeEvent(checked().slice(0, -1))).toBeUndefined();
});

test('every event of the program is known by its discriminator', () => {
  const hex = (bytes: readonly number[]) => Buffer.from(bytes).toString('hex');
  expect(
    new Map(EVENT_DECODERS.map(([discriminator, name]) => [name.toLowerCase(), discriminator])),
  ).toEqual(
    new Map(idl.events.map((event) => [event.name.toLowerCase(), hex(event.discriminator)])),
  );
});

test('events are found by name', () => {
  const { events } = parseEvents([`Program ${OURS} invoke [1]`, line()]);
  expect(eventsNamed(events, 'invariantsChecked')).toEqual([{ ok: true }]);
  expect(eventsNamed(events, 'traded')).toEqual([]);
});
