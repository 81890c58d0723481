import type { Address } from '@solana/kit';

import { fetchBytes, loadAccount, loadAccounts, exchangeType, vaultType } from './accounts';
import { marketAddress } from './addresses';
import type { Bulwark } from './connection';
import { EXCHANGE_ADDRESS, type Exchange, type MarginAccount } from './generated';

/** A vault as instructions name it. */
export interface VaultListing {
  /** Index; 0 is the quote token. */
  readonly index: number;
  /** Address of the vault. */
  readonly address: Address;
  /** Mint. */
  readonly mint: Address;
  /** Decimals of the mint. */
  readonly decimals: number;
  /** The vault's token account. */
  readonly tokenAccount: Address;
  /** Token program of the mint. */
  readonly tokenProgram: Address;
}

/** Vaults and markets by index. Load it once; it changes only when something is listed or closed. */
export interface Listings {
  /** Vaults by index; 0 is the quote token. */
  readonly vaults: ReadonlyMap<number, VaultListing>;
  /** Addresses of the markets by index; one that was closed is gone. */
  readonly markets: ReadonlyMap<number, Address>;
}

/** Index of the quote vault. */
export const QUOTE = 0;

/** Something that is not in the listings: load them again. */
export class UnlistedError extends Error {
  /** Says what is missing. */
  constructor(what: string) {
    super(`${what} is not in the listings: load them again`);
    this.name = 'UnlistedError';
  }
}

/** Indices of the markets that the exchange has, in order. */
export function marketIndices(exchange: Exchange): number[] {
  const all = Array.from({ length: exchange.marketCount }, (_, index) => index);
  return all.filter((index) => !isClosed(exchange, index));
}

function isClosed(exchange: Exchange, index: number): boolean {
  return ((exchange.closedMarkets >>> index) & 1) === 1;
}

/** Index that the next market takes: the lowest free one. */
export function nextMarketIndex(exchange: Exchange): number {
  const all = Array.from({ length: exchange.marketCount }, (_, index) => index);
  return all.find((index) => isClosed(exchange, index)) ?? exchange.marketCount;
}

/** Markets that the exchange has. */
export function marketsOf(exchange: Exchange): Map<number, Address> {
  return new Map(marketIndices(exchange).map((index) => [index, marketAddress(index)]));
}

/** Reads which vaults and markets there are: three requests, one of them `getProgramAccounts`. */
export async function loadListings(handle: Bulwark): Promise<Listings> {
  const [exchange, vaults] = await Promise.all([
    loadAccount(handle, exchangeType, EXCHANGE_ADDRESS),
    loadAccounts(handle, vaultType),
  ]);
  vaults.sort((left, right) => left.data.index - right.data.index);
  const mints = await fetchBytes(
    handle,
    vaults.map((vault) => vault.data.mint),
  );
  const listed = vaults.map(({ address, data }, i): VaultListing => {
    const tokenProgram = mints.accounts[i]?.owner;
    if (tokenProgram === undefined) throw new Error(`the mint ${data.mint} does not exist`);
    const { index, mint, decimals, tokenAccount } = data;
    return { index, address, mint, decimals, tokenAccount, tokenProgram };
  });
  return {
    vaults: new Map(listed.map((vault) => [vault.index, vault])),
    markets: marketsOf(exchange.data),
  };
}

/**
 * The vault with this index.
 *
 * @throws {@link UnlistedError}
 */
export function vaultOf(listings: Listings, index: number): VaultListing {
  const vault = listings.vaults.get(index);
  if (vault === undefined) throw new UnlistedError(`vault ${index}`);
  return vault;
}

/**
 * The address of the market with this index.
 *
 * @throws {@link UnlistedError}
 */
export function marketOf(listings: Listings, index: number): Address {
  const market = listings.markets.get(index);
  if (market === undefined) throw new UnlistedError(`market ${index}`);
  return market;
}

/** What an instruction names itself, so that it is not passed again. */
export interface Skip {
  /** Index of a market. */
  readonly market?: number;
  /** Index of a vault. */
  readonly vault?: number;
}

/** Indices of the markets and vaults that an account holds something in, in slot order. */
export function heldBy(
  account: MarginAccount,
  skip: Skip = {},
): { markets: number[]; vaults: number[] } {
  const positions = account.positions.filter((p) => p.inUse !== 0 && p.market !== skip.market);
  const collaterals = account.collaterals.filter((c) => c.amount !== 0n && c.vault !== skip.vault);
  return { markets: positions.map((p) => p.market), vaults: collaterals.map((c) => c.vault) };
}

/**
 * Addresses that health needs: the account's markets, then its vaults, in slot order, without those that the instruction
 * names itself.
 *
 * @throws {@link UnlistedError}
 */
export function legs(listings: Listings, account: MarginAccount, skip: Skip = {}): Address[] {
  const held = heldBy(account, skip);
  return [
    ...held.markets.map((index) => marketOf(listings, index)),
    ...held.vaults.map((index) => vaultOf(listings, index).address),
  ];
}

/** Whether the account has a position with lots: a claim needs no margin. */
export function hasPositions(account: MarginAccount): boolean {
  return account.positions.some((p) => p.inUse !== 0 && p.lots !== 0n);
}

/**
 * Addresses that the health of an account needs after it has bought some of a collateral. None for an account without
 * positions, which needs no margin.
 *
 * @throws {@link UnlistedError}
 */
export function legsAfterBuying(
  listings: Listings,
  account: MarginAccount,
  vault: number,
): Address[] {
  if (!hasPositions(account)) return [];
  const held = account.collaterals.findIndex((c) => c.amount !== 0n && c.vault === vault);
  const slot = held >= 0 ? held : account.collaterals.findIndex((c) => c.amount === 0n);
  const collaterals = account.collaterals.map((c, i) =>
    i === slot && c.amount === 0n ? { ...c, vault, amount: 1n } : c,
  );
  return legs(listings, { ...account, collaterals });
}
