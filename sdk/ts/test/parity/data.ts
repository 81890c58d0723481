// What the Rust SDK wrote down (tests/parity), and contexts made of it. Numbers are decimal text.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { address, type Address } from '@solana/kit';

import {
  decodeAccount,
  EXCHANGE_ADDRESS,
  exchangeType,
  INSURANCE_FUND_ADDRESS,
  insuranceFundType,
  marginAccountType,
  marketAddress,
  marketsOf,
  marketType,
  POOL_ADDRESS,
  poolType,
  TOKEN_PROGRAM_ADDRESS,
  vaultAddress,
  vaultTokensAddress,
  vaultType,
  type AccountType,
  type Context,
  type Loaded,
  type MarginContext,
} from '../../src';

/** A message in place of a value. */
export interface Failed {
  readonly error: string;
}
/** A health: equity, requirement. */
export type Pair = readonly [string, string];
export type Said<T> = T | Failed;

export interface Stored {
  readonly data: string;
  readonly leaves: readonly string[];
}

export interface Built {
  readonly program: string;
  readonly accounts: readonly (readonly [string, 0 | 1, 0 | 1])[];
  readonly data: string;
}

export interface Recorded {
  readonly name: string;
  readonly args: Readonly<Record<string, string | number | null>>;
  readonly built: Built | readonly Built[];
}

export interface Quoted {
  readonly market: number;
  readonly side: 'long' | 'short' | null;
  readonly asked: string;
  readonly answer: Said<Readonly<Record<string, string>> & { readonly initialAfter: Said<Pair> }>;
}

export interface Portfolio extends Stored {
  readonly address: string;
  readonly health: readonly [Said<Pair>, Said<Pair>, Said<Pair>];
  readonly positions: readonly {
    readonly market: number;
    readonly pnl: Said<string>;
    readonly liquidationPrice: Said<string | null>;
  }[];
  readonly distress: Said<{
    health: Pair;
    elapsed: string;
    offer: Said<readonly string[]> | null;
  }> | null;
  readonly traded: number | null;
  readonly oldLegs: Said<readonly Readonly<Record<string, number>>[]>;
  readonly quotes: readonly (Quoted | null)[];
  readonly instructions: readonly Recorded[];
}

export interface Scene {
  readonly now: string;
  readonly slot: string;
  readonly exchange: Stored;
  readonly pool: Stored;
  readonly insuranceFund: Stored;
  readonly markets: readonly Stored[];
  readonly vaults: readonly Stored[];
  readonly junior: { readonly shares: string; readonly value: Said<string> };
  readonly senior: { readonly shares: string; readonly value: Said<string> };
  readonly nav: Said<readonly string[]>;
  readonly deltas: readonly Said<readonly string[]>[];
  readonly oldMarkets: readonly Said<readonly Readonly<Record<string, number>>[]>[];
  readonly portfolios: readonly Portfolio[];
}

const FOLDER =
  process.env['BULWARK_PARITY'] ?? join(import.meta.dirname, '../../../../target/parity');

/** Reads a file of the parity data. */
export function read<T>(name: string): T {
  try {
    return JSON.parse(readFileSync(join(FOLDER, name), 'utf8')) as T;
  } catch (cause) {
    throw new Error(`no parity data in ${FOLDER}: run \`make parity\` first`, { cause });
  }
}

export function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(Buffer.from(base64, 'base64'));
}

/** The scene as if it had been loaded. */
export async function contextOf(scene: Scene): Promise<Context> {
  const bytes = new Map<Address, Uint8Array>();
  const take = <T>(kind: AccountType<T>, key: Address, stored: Stored): Loaded<T> => {
    const data = bytesOf(stored.data);
    bytes.set(key, data);
    return { address: key, data: decodeAccount(kind, data) };
  };
  const exchange = take(exchangeType, EXCHANGE_ADDRESS, scene.exchange);
  const vaults = await Promise.all(
    scene.vaults.map(async (stored, index) => {
      const { mint } = decodeAccount(vaultType, bytesOf(stored.data));
      return [index, take(vaultType, await vaultAddress(mint), stored)] as const;
    }),
  );
  const listed = vaults.map(async ([index, { address: key, data }]) => {
    const tokenAccount = await vaultTokensAddress(data.mint);
    const { mint, decimals } = data;
    return [
      index,
      { index, address: key, mint, decimals, tokenAccount, tokenProgram: TOKEN_PROGRAM_ADDRESS },
    ] as const;
  });
  const markets = marketsOf(exchange.data);
  return {
    listings: { vaults: new Map(await Promise.all(listed)), markets },
    slot: BigInt(scene.slot),
    now: BigInt(scene.now),
    exchange,
    pool: take(poolType, POOL_ADDRESS, scene.pool),
    insuranceFund: take(insuranceFundType, INSURANCE_FUND_ADDRESS, scene.insuranceFund),
    markets: new Map(
      [...markets.keys()].map((index, i) => [
        index,
        take(marketType, marketAddress(index), at(scene.markets, i)),
      ]),
    ),
    vaults: new Map(vaults),
    bytes,
  };
}

/** The context with a portfolio as its margin account. */
export function withMargin(context: Context, portfolio: Portfolio): MarginContext {
  const [at_, bytes] = [address(portfolio.address), bytesOf(portfolio.data)];
  const margin = { address: at_, data: decodeAccount(marginAccountType, bytes) };
  return { ...context, margin, bytes: new Map([...context.bytes, [at_, bytes]]) };
}

export function at<T>(list: readonly T[], index: number): T {
  const found = list[index];
  if (found === undefined) throw new RangeError(`nothing at ${index}`);
  return found;
}

/** The values of a decoded struct in their order, as text. */
export function leaves(value: unknown): string[] {
  if (value === null || typeof value !== 'object') return [String(value)];
  if ('__option' in value)
    return value.__option === 'None' ? ['None'] : leaves((value as { value?: unknown }).value);
  if (value instanceof Uint8Array || Array.isArray(value)) return [...value].flatMap(leaves);
  // A variant is told by its name; Rust prints it as the name of a struct.
  const { __kind: _, ...fields } = value as Record<string, unknown>;
  return Object.values(fields).flatMap(leaves);
}
