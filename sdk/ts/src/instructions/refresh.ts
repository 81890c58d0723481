import { AccountRole, type Address } from '@solana/kit';

import { marketAddress, oracleAddresses, type OracleAccounts } from '../addresses';
import type { Context } from '../context';
import { ask } from '../engine';
import {
  EXCHANGE_ADDRESS,
  getRefreshMarketInstruction,
  getRefreshVaultInstruction,
  type Market,
  type Vault,
} from '../generated';
import { QUOTE, UnlistedError } from '../listings';
import { accountsOf, marginBytes } from '../snapshot';
import type { AnyInstruction, Margin } from './common';

/** Something with a price, by index. */
export type Leg = { readonly market: number } | { readonly vault: number };

/** Whether an instruction brings the prices that it needs. */
export interface Refreshing {
  /**
   * Whether instructions that take the oracles' prices into old markets and vaults are put in front; `true` by default. Turn
   * it off to send them in a transaction of their own, or if somebody else keeps the prices young.
   */
  readonly refresh?: boolean;
}

function marketIn(context: Context, index: number): Market {
  const market = context.markets.get(index);
  if (market === undefined) throw new UnlistedError(`market ${index}`);
  return market.data;
}

function vaultIn(context: Context, index: number): Vault {
  const vault = context.vaults.get(index);
  if (vault === undefined) throw new UnlistedError(`vault ${index}`);
  return vault.data;
}

/**
 * What has to be refreshed before an account trades in the market `traded`, or does something else that asks for its
 * margin: the traded market in any case, of the rest what is older than half of the age that margin allows. Markets come
 * first.
 *
 * @throws {@link EngineError} if the context lacks something that the account holds.
 */
export function oldLegs(context: Context, margin: Margin, traded?: number): readonly Leg[] {
  const about = accountsOf(context, [marginBytes(context, margin)]);
  return ask({ ask: 'oldLegs', traded: traded ?? null }, about);
}

/**
 * What has to be refreshed before the pool is valued: markets in which somebody has a position. To add liquidity and to redeem
 * (`strict`), each of them, for prices have to be as young as for a trade; to request a redemption and to allocate, those
 * whose price is older than half of the age that margin allows.
 *
 * @throws {@link EngineError}
 */
export function oldMarkets(context: Context, strict: boolean): readonly Leg[] {
  return ask({ ask: 'oldMarkets', strict }, accountsOf(context));
}

/** Takes the oracles' prices into a market. No signer. */
export function refreshMarket(market: number, oracles: OracleAccounts): AnyInstruction {
  return getRefreshMarketInstruction({ market: marketAddress(market), ...oracles });
}

/** Takes the oracles' prices into a vault, given by its index and address. No signer. */
export function refreshVault(
  vault: { readonly index: number; readonly address: Address },
  oracles: OracleAccounts,
): AnyInstruction {
  const instruction: AnyInstruction = getRefreshVaultInstruction({
    vault: vault.address,
    ...oracles,
  });
  if (vault.index !== QUOTE) return instruction;
  // Only the quote vault's refresh writes the exchange; the others leave it to be read side by side.
  const accounts = instruction.accounts.map((meta) =>
    meta.address === EXCHANGE_ADDRESS ? { ...meta, role: AccountRole.WRITABLE } : meta,
  );
  return { ...instruction, accounts };
}

/**
 * Instructions that take the oracles' prices into these markets and vaults, each once and in this order. A Pyth pull feed
 * is read from its sponsored account; one without a source is left out.
 *
 * @throws {@link UnlistedError}
 */
export async function refresh(context: Context, legs: readonly Leg[]): Promise<AnyInstruction[]> {
  const once = new Map(
    legs.map((leg) => ['market' in leg ? `m${leg.market}` : `v${leg.vault}`, leg]),
  );
  const built = await Promise.all(Array.from(once.values(), (leg) => refreshLeg(context, leg)));
  return built.flat();
}

async function refreshLeg(context: Context, leg: Leg): Promise<AnyInstruction[]> {
  if ('market' in leg) {
    const oracles = await oracleAddresses(marketIn(context, leg.market).sources);
    return oracles === undefined ? [] : [refreshMarket(leg.market, oracles)];
  }
  const vault = vaultIn(context, leg.vault);
  const oracles = await oracleAddresses(vault.sources);
  const address = context.vaults.get(leg.vault)?.address;
  if (oracles === undefined || address === undefined) return [];
  return [refreshVault({ index: leg.vault, address }, oracles)];
}

/** Refreshes that an instruction needs, none if they are turned off. */
export async function inFront(
  context: Context,
  options: Refreshing,
  legs: () => readonly Leg[],
): Promise<AnyInstruction[]> {
  return options.refresh === false ? [] : refresh(context, legs());
}
