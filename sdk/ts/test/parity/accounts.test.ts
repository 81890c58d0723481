import { expect, test } from 'vitest';

import { BULWARK_PROGRAM_ADDRESS, decodeEvent, parseEvents } from '../../src';
import * as generated from '../../src/generated';
import { at, bytesOf, leaves, read, type Scene, type Stored } from './data';

const scenes = read<Scene[]>('scenes.json');

interface Codec {
  readonly decode: (bytes: Uint8Array) => object;
  readonly encode: (value: never) => ArrayLike<number>;
}

/** Fields in order, without the discriminator, which Rust does not count as one. */
function values(decoded: object): string[] {
  const { discriminator: _, ...rest } = decoded as Record<string, unknown>;
  return leaves(rest);
}

function same(codec: Codec, stored: Stored): void {
  const bytes = bytesOf(stored.data);
  const decoded = codec.decode(bytes);
  expect(values(decoded)).toEqual(stored.leaves);
  expect(Buffer.from(Uint8Array.from(codec.encode(decoded as never))).toString('base64')).toBe(
    stored.data,
  );
}

test.each([
  ['exchange', generated.getExchangeCodec(), (s: Scene) => [s.exchange]],
  ['pool', generated.getPoolCodec(), (s: Scene) => [s.pool]],
  ['insurance fund', generated.getInsuranceFundCodec(), (s: Scene) => [s.insuranceFund]],
  ['market', generated.getMarketCodec(), (s: Scene) => s.markets],
  ['vault', generated.getVaultCodec(), (s: Scene) => s.vaults],
  ['margin account', generated.getMarginAccountCodec(), (s: Scene) => s.portfolios],
] as const)('%s: every field as Rust reads it, every byte as Rust wrote it', (_name, codec, of) => {
  const all = scenes.flatMap(of);
  expect(all.length).toBeGreaterThan(100);
  for (const stored of all) same(codec as unknown as Codec, stored);
});

interface EventRecord extends Stored {
  readonly name: string;
}

/** A variant by name in Rust is a number here, or an object with its name. */
function matches(mine: string, theirs: string): boolean {
  if (mine === theirs) return true;
  const enums = Object.values(generated).filter((e) => typeof e === 'object' && e !== null);
  return enums.some((e) => (e as Record<string, unknown>)[mine] === theirs);
}

test('events: every field as Rust reads it, from the bytes that the program wrote', () => {
  const events = read<EventRecord[]>('events.json');
  expect(events.length).toBeGreaterThan(1_000);
  expect(new Set(events.map((event) => event.name)).size).toBeGreaterThan(25);
  for (const { name, data, leaves: expected } of events) {
    const event = decodeEvent(bytesOf(data));
    const found = event?.name.toLowerCase();
    expect(found).toBe(name.toLowerCase());
    const mine = leaves(event?.data);
    expect(mine.length, `${name}: ${mine} and ${expected}`).toBe(expected.length);
    mine.forEach((leaf, i) => {
      expect(matches(leaf, at(expected, i)), `${name}: ${leaf} for ${expected[i]}`).toBe(true);
    });
    const line = [`Program ${BULWARK_PROGRAM_ADDRESS} invoke [1]`, `Program data: ${data}`];
    expect(parseEvents(line).events).toEqual([event]);
  }
});
