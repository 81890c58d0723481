import type { Context } from './context';
import type { Accounts } from './engine';
import { getMarginAccountEncoder } from './generated';
import type { Margin } from './instructions/common';

/** What the engine reads of a context. */
export function accountsOf(context: Context, more: readonly Uint8Array[] = []): Accounts {
  const { listings, exchange, pool, insuranceFund } = context;
  const singles = [exchange.address, pool.address, insuranceFund.address];
  const keys = [...singles, ...listings.markets.values()];
  for (const vault of listings.vaults.values()) keys.push(vault.address);
  const bytes = keys.flatMap((key) => context.bytes.get(key) ?? []);
  return { now: context.now, accounts: [...bytes, ...more] };
}

/** The bytes of a margin account, of its data: what was read at its address may be older, or what somebody asks about may be made up. */
export function marginBytes(margin: Margin): Uint8Array {
  return Uint8Array.from(getMarginAccountEncoder().encode(margin.data));
}
