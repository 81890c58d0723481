import { AccountRole, type Address } from '@solana/kit';

import type { Loaded } from '../accounts';
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
  /**
   * Accounts to read a market's or vault's sources from, instead of those that a refresh reads by itself: an update of a Pyth
   * pull feed that one has posted oneself, for a trade may need a younger price than the sponsored account has, which is
   * written once a minute while the price stands still. Nothing, or a secondary that is left out, stands for the usual ones.
   */
  readonly oracles?: (leg: Leg) => OracleAccounts | undefined;
}

function marketIn(context: Context, index: number): Loaded<Market> {
  const market = context.markets.get(index);
  if (market === undefined) throw new UnlistedError(`market ${index}`);
  return market;
}

function vaultIn(context: Context, index: number): Loaded<Vault> {
  const vault = context.vaults.get(index);
  if (vault === undefined) throw new UnlistedError(`vault ${index}`);
  return vault;
}

/**
 * What has to be refreshed before an account trades in the market `traded`, or does something else that asks for its
 * margin: the traded market in any case, of the rest what is older than half of the age that margin allows. Markets come
 * first.
 *
 * @throws {@link EngineError} if the context lacks something that the account holds.
 */
export function oldLegs(context: Context, margin: Margin, traded?: number): readonly Leg[] {
  const about = accountsOf(context, [marginBytes(margin)]);
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
 * is read from its sponsored account unless `oracles` names another, see {@link Refreshing}; one without a source is left out.
 *
 * @throws {@link UnlistedError}
 */
export async function refresh(
  context: Context,
  legs: readonly Leg[],
  oracles?: Refreshing['oracles'],
): Promise<AnyInstruction[]> {
  const once = new Map(
    legs.map((leg) => ['market' in leg ? `m${leg.market}` : `v${leg.vault}`, leg]),
  );
  const built = Array.from(once.values(), async (leg) => {
    const { sources, instruction } = refreshOf(context, leg);
    const named = oracles?.(leg);
    const usual = await oracleAddresses(sources);
    return usual === undefined ? [] : [instruction({ ...usual, ...named })];
  });
  return (await Promise.all(built)).flat();
}

/** The sources of a market or vault, and what refreshes it. */
function refreshOf(context: Context, leg: Leg) {
  if ('market' in leg) {
    const { sources } = marketIn(context, leg.market).data;
    return { sources, instruction: (from: OracleAccounts) => refreshMarket(leg.market, from) };
  }
  const { address, data } = vaultIn(context, leg.vault);
  const vault = { index: leg.vault, address };
  return {
    sources: data.sources,
    instruction: (from: OracleAccounts) => refreshVault(vault, from),
  };
}

/** Refreshes that an instruction needs, none if they are turned off. */
export async function inFront(
  context: Context,
  options: Refreshing,
  legs: () => readonly Leg[],
): Promise<AnyInstruction[]> {
  return options.refresh === false ? [] : refresh(context, legs(), options.oracles);
}
