import type { Address } from '@solana/kit';

import {
  exchangeType,
  fetchBytes,
  insuranceFundType,
  marginAccountType,
  marketType,
  poolType,
  readAccount,
  vaultType,
  type AccountType,
  type Loaded,
  type RawAccount,
} from './accounts';
import { CLOCK_ADDRESS } from './addresses';
import type { Bulwark } from './connection';
import {
  EXCHANGE_ADDRESS,
  INSURANCE_FUND_ADDRESS,
  POOL_ADDRESS,
  type Exchange,
  type InsuranceFund,
  type MarginAccount,
  type Market,
  type Pool,
  type Vault,
} from './generated';
import { loadListings, marketIndices, type Listings } from './listings';

/** Everything that answers about money are computed from, read at one slot. */
export interface Context {
  /** Vaults and markets that there are. */
  readonly listings: Listings;
  /** Slot of the clock. */
  readonly slot: bigint;
  /** Time of the clock, unix seconds. */
  readonly now: bigint;
  /** The exchange. */
  readonly exchange: Loaded<Exchange>;
  /** The pool. */
  readonly pool: Loaded<Pool>;
  /** The insurance fund. */
  readonly insuranceFund: Loaded<InsuranceFund>;
  /** Markets by index. */
  readonly markets: ReadonlyMap<number, Loaded<Market>>;
  /** Vaults by index. */
  readonly vaults: ReadonlyMap<number, Loaded<Vault>>;
  /** The same accounts as bytes, by address: what the engine reads. */
  readonly bytes: ReadonlyMap<Address, Uint8Array>;
}

/** A {@link Context} with a margin account. */
export interface MarginContext extends Context {
  /** The margin account. */
  readonly margin: Loaded<MarginAccount>;
}

/** What {@link loadContext} may be told. */
export interface ContextOptions {
  /** Listings that are known; by default those that were loaded last over the same handle. */
  readonly listings?: Listings;
}

const remembered = /* @__PURE__ */ new WeakMap<Bulwark, Listings>();

/**
 * Reads the clock, the exchange, the pool, the insurance fund, all markets and vaults, and a margin account, in one round
 * trip. The first call over a handle loads the listings as well, and so does one after something was listed or closed.
 * Above 100 accounts in all it takes two requests at once, whose slots may differ.
 *
 * @throws Error if the exchange or the margin account does not exist, or belongs to another program.
 */
export function loadContext(
  handle: Bulwark,
  marginAddress: Address,
  options?: ContextOptions,
): Promise<MarginContext>;
/** Reads the same without a margin account. */
export function loadContext(
  handle: Bulwark,
  marginAddress?: undefined,
  options?: ContextOptions,
): Promise<Context>;
export async function loadContext(
  handle: Bulwark,
  marginAddress?: Address,
  options: ContextOptions = {},
): Promise<Context | MarginContext> {
  const known = options.listings ?? remembered.get(handle);
  if (known !== undefined) {
    const context = await read(handle, known, marginAddress);
    if (context !== undefined) return context;
  }
  const listings = await loadListings(handle);
  remembered.set(handle, listings);
  const context = await read(handle, listings, marginAddress);
  if (context === undefined) throw new Error('the listings changed twice: load again');
  return context;
}

/** Nothing if the listings are out of date. */
async function read(
  handle: Bulwark,
  listings: Listings,
  marginAddress: Address | undefined,
): Promise<Context | MarginContext | undefined> {
  const singles = [CLOCK_ADDRESS, EXCHANGE_ADDRESS, POOL_ADDRESS, INSURANCE_FUND_ADDRESS];
  const markets = [...listings.markets.values()];
  const vaults = Array.from(listings.vaults.values(), (vault) => vault.address);
  const own = marginAddress === undefined ? [] : [marginAddress];
  const keys = [...singles, ...own, ...markets, ...vaults];
  const { accounts } = await fetchBytes(handle, keys);
  const found: Found = new Map(keys.flatMap((key, i) => entry(key, accounts[i])));

  const exchange = find(found, exchangeType, EXCHANGE_ADDRESS);
  if (isOutdated(listings, exchange.data, found)) return undefined;
  const clock = found.get(CLOCK_ADDRESS);
  if (clock === undefined) throw new Error(`there is no clock at ${CLOCK_ADDRESS}`);
  const context: Context = {
    listings,
    ...readClock(clock.bytes),
    exchange,
    pool: find(found, poolType, POOL_ADDRESS),
    insuranceFund: find(found, insuranceFundType, INSURANCE_FUND_ADDRESS),
    markets: new Map(
      Array.from(listings.markets, ([index, at]) => [index, find(found, marketType, at)]),
    ),
    vaults: new Map(
      Array.from(listings.vaults, ([index, { address }]) => [
        index,
        find(found, vaultType, address),
      ]),
    ),
    bytes: new Map(Array.from(found, ([key, { bytes }]) => [key, bytes])),
  };
  if (marginAddress === undefined) return context;
  return { ...context, margin: find(found, marginAccountType, marginAddress) };
}

const CLOCK_BYTES = 40;

/** Slot and unix time of the clock sysvar: its first and its last field. */
function readClock(bytes: Uint8Array): { slot: bigint; now: bigint } {
  if (bytes.length < CLOCK_BYTES) throw new Error('the clock is too short');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { slot: view.getBigUint64(0, true), now: view.getBigInt64(CLOCK_BYTES - 8, true) };
}

/** What was read, by address. */
type Found = ReadonlyMap<Address, RawAccount>;

function entry(key: Address, found: RawAccount | undefined): [Address, RawAccount][] {
  return found === undefined ? [] : [[key, found]];
}

function isOutdated(listings: Listings, exchange: Exchange, found: Found): boolean {
  const indices = marketIndices(exchange);
  const same =
    indices.length === listings.markets.size &&
    indices.every((index) => listings.markets.has(index)) &&
    exchange.vaultCount === listings.vaults.size;
  return !same || ![...listings.markets.values()].every((market) => found.has(market));
}

function find<T>(found: Found, kind: AccountType<T>, at: Address): Loaded<T> {
  return readAccount(kind, at, found.get(at));
}
