// A small exchange out of nothing: accounts are zeros but for what is named.
import {
  address,
  type Address,
  type Decoder,
  type Encoder,
  type FixedSizeDecoder,
} from '@solana/kit';

import { marketAddress, type Context, type Loaded, type MarginContext } from '../../src';
import * as generated from '../../src/generated';
import { marketsOf } from '../../src/listings';

/** An address that is its number. */
export function key(number: number): Address {
  const bytes = new Uint8Array(32);
  bytes.set([number & 255, number >> 8, 7]);
  return generatedAddress(bytes);
}

function generatedAddress(bytes: Uint8Array): Address {
  return address(base58(bytes));
}

const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';

function base58(bytes: Uint8Array): string {
  let number = bytes.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
  let text = '';
  for (; number > 0n; number /= 58n) text = (ALPHABET[Number(number % 58n)] ?? '') + text;
  const zeros = bytes.findIndex((byte) => byte !== 0);
  return '1'.repeat(zeros < 0 ? bytes.length : zeros) + text;
}

function zero<T>(decoder: Decoder<T>): T {
  return decoder.decode(new Uint8Array((decoder as FixedSizeDecoder<T>).fixedSize));
}

export const NOW = 1_800_000_000n;
export const TOKEN_PROGRAM = address('TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA');

const PYTH_PULL = 1;

function sources(number: number): generated.OracleSource[] {
  const none = zero(generated.getOracleSourceDecoder());
  return [{ ...none, kind: PYTH_PULL, feed: new Uint8Array(32).fill(number) }, none];
}

export function market(index: number, age = 0n): generated.Market {
  const zeros = zero(generated.getMarketDecoder());
  const { core } = zeros;
  const oracle = { ...core.oracle, publishTime: NOW - age };
  const params = { ...core.params, oracle: { ...core.params.oracle, maxMarginAge: 60 } };
  return {
    ...zeros,
    index,
    status: 1,
    sources: sources(index + 1),
    core: { ...core, oracle, params },
  };
}

export function vault(index: number, age = 0n): generated.Vault {
  const zeros = zero(generated.getVaultDecoder());
  const { core } = zeros;
  const oracle = { ...core.oracle, publishTime: NOW - age };
  const params = { ...core.params, oracle: { ...core.params.oracle, maxMarginAge: 60 } };
  const listed = { mint: key(200 + index), tokenAccount: key(300 + index), decimals: 6 };
  return {
    ...zeros,
    ...listed,
    index,
    sources: sources(100 + index),
    core: { ...core, oracle, params },
  };
}

export interface Held {
  /** Markets in slot order, with signed lots; 0 lots is a claim. */
  readonly positions?: readonly (readonly [market: number, lots: bigint])[];
  /** Vaults in slot order. */
  readonly collaterals?: readonly number[];
  readonly quote?: bigint;
}

export function margin(at: Address, held: Held = {}): Loaded<generated.MarginAccount> {
  const zeros = zero(generated.getMarginAccountDecoder());
  const { positions: open = [], collaterals: kept = [], quote = 0n } = held;
  const positions = zeros.positions.map((slot, i) => {
    const [index, lots] = open[i] ?? [];
    return index === undefined || lots === undefined
      ? slot
      : { ...slot, market: index, lots, inUse: 1, side: lots < 0n ? 1 : 0 };
  });
  const collaterals = zeros.collaterals.map((slot, i) =>
    kept[i] === undefined ? slot : { ...slot, vault: kept[i], amount: 5n },
  );
  const data = { ...zeros, owner: key(1), incarnation: 42n, quote, positions, collaterals };
  return { address: at, data };
}

export interface WorldOptions {
  readonly markets?: number;
  readonly vaults?: number;
  readonly held?: Held;
  /** Age of every price, seconds. */
  readonly age?: bigint;
}

export function world(options: WorldOptions = {}): MarginContext {
  const { markets: marketCount = 4, vaults: vaultCount = 3, held = {}, age = 0n } = options;
  const exchange = { ...zero(generated.getExchangeDecoder()), marketCount, vaultCount };
  const vaults = Array.from({ length: vaultCount }, (_, i) => vault(i, age));
  const listed = vaults.map((v, i) => ({
    index: i,
    address: key(100 + i),
    mint: v.mint,
    decimals: 6,
    tokenAccount: v.tokenAccount,
    tokenProgram: TOKEN_PROGRAM,
  }));
  const context: Omit<MarginContext, 'bytes'> = {
    listings: { vaults: new Map(listed.map((v) => [v.index, v])), markets: marketsOf(exchange) },
    slot: 1_000n,
    now: NOW,
    exchange: { address: generated.EXCHANGE_ADDRESS, data: exchange },
    pool: { address: generated.POOL_ADDRESS, data: zero(generated.getPoolDecoder()) },
    insuranceFund: {
      address: generated.INSURANCE_FUND_ADDRESS,
      data: zero(generated.getInsuranceFundDecoder()),
    },
    markets: new Map(
      Array.from({ length: marketCount }, (_, i) => [
        i,
        { address: marketAddress(i), data: market(i, age) },
      ]),
    ),
    vaults: new Map(vaults.map((data, i) => [i, { address: key(100 + i), data }])),
    margin: margin(key(50), held),
  };
  return { ...context, bytes: bytesOf(context) };
}

/** The bytes that a context's accounts would have. */
export function bytesOf(context: Omit<MarginContext, 'bytes'>): Context['bytes'] {
  const bytes = new Map<Address, Uint8Array>();
  const put = <T>({ address: at, data }: Loaded<T>, encoder: Encoder<T>) =>
    bytes.set(at, Uint8Array.from(encoder.encode(data)));
  put(context.exchange, generated.getExchangeEncoder());
  put(context.pool, generated.getPoolEncoder());
  put(context.insuranceFund, generated.getInsuranceFundEncoder());
  put(context.margin, generated.getMarginAccountEncoder());
  for (const found of context.markets.values()) put(found, generated.getMarketEncoder());
  for (const found of context.vaults.values()) put(found, generated.getVaultEncoder());
  return bytes;
}
