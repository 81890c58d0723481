// Snippets of the book: whole functions between anchors. book.test.ts runs them against a localnet.
import type { Address, Instruction, KeyPairSigner } from '@solana/kit';

import * as sdk from '../../src';

// ANCHOR: connect
/** Decimals of the quote token. */
export const USDC = 6;

export interface Trader {
  readonly handle: sdk.Bulwark;
  readonly key: KeyPairSigner;
  readonly margin: Address;
}

export async function connect(options: sdk.ConnectOptions, key: KeyPairSigner): Promise<Trader> {
  // Opens no connection: the first call does.
  const handle = sdk.connect(options);
  return { handle, key, margin: await sdk.marginAccountAddress(key.address, 0) };
}

/** The margin account, the exchange, every market and vault, as of one slot. */
export const load = ({ handle, margin }: Trader) => sdk.loadContext(handle, margin);

/** Simulates, sizes the compute limit, signs, sends and confirms. */
export const send = ({ handle, key }: Trader, instructions: readonly Instruction[]) =>
  sdk.send(handle, key, instructions);
// ANCHOR_END: connect

// ANCHOR: open_account
export async function openAccount(trader: Trader): Promise<sdk.Sent> {
  return send(trader, await sdk.openMarginAccount({ owner: trader.key }));
}
// ANCHOR_END: open_account

// ANCHOR: deposit
export async function deposit(trader: Trader, dollars: string): Promise<sdk.Sent> {
  const listings = await sdk.loadListings(trader.handle);
  const amount = sdk.parseAmount(dollars, USDC);
  const input = { depositor: trader.key, marginAccount: trader.margin, amount };
  return send(trader, await sdk.deposit(listings, input));
}
// ANCHOR_END: deposit

// ANCHOR: quote
export async function quote(
  trader: Trader,
  market: number,
  dollars: string,
): Promise<sdk.TradeQuote> {
  // A quote is of the state that was read: bring prices up to date first.
  await send(trader, await sdk.refresh(await load(trader), [{ market }]));

  const notional = sdk.parseAmount(dollars, USDC);
  // Says cost, spread and fee, and the account as it would be afterwards.
  return sdk.quote(await load(trader), { market, side: 'long', notional });
}
// ANCHOR_END: quote

// ANCHOR: buy
export async function buy(trader: Trader, market: number, lots: bigint): Promise<sdk.Sent> {
  const context = await load(trader);
  const mark = context.markets.get(market)?.data.core.oracle.price ?? 0n;
  const limitPrice = sdk.worsePrice(mark, 'buy', 10_000); // 1 % worse than the live price at most
  const order = { authority: trader.key, market, side: 'long', lots, limitPrice } as const;
  // In the same transaction, in front: the market's price, and other legs' that are old.
  return send(trader, await sdk.openPosition(context, order));
}
// ANCHOR_END: buy

// ANCHOR: close
export async function close(trader: Trader, market: number): Promise<sdk.Sent> {
  const context = await load(trader);
  const mark = context.markets.get(market)?.data.core.oracle.price ?? 0n;
  const limitPrice = sdk.worsePrice(mark, 'sell', 10_000);
  const all = { authority: trader.key, market, limitPrice };
  return send(trader, await sdk.closePosition(context, all));
}
// ANCHOR_END: close

// ANCHOR: stop_loss
export async function stopLoss(trader: Trader, market: number): Promise<sdk.Sent> {
  const context = await load(trader);
  const mark = context.markets.get(market)?.data.core.oracle.price ?? 0n;
  const trigger = {
    authority: trader.key,
    kind: 'stopLoss',
    market,
    side: 'long',
    triggerPrice: mark - mark / 10n,
    limitPrice: sdk.anyPrice('sell'), // all of it, at any price
    expiry: context.now + 86_400n,
  } as const;
  return send(trader, await sdk.placeTrigger(context.listings, context.margin, trigger));
}

export async function cancelTrigger(trader: Trader, id: bigint): Promise<sdk.Sent> {
  const { margin } = await load(trader);
  return send(trader, await sdk.cancelTrigger(margin, { authority: trader.key, id }));
}
// ANCHOR_END: stop_loss

// ANCHOR: look
export async function look(trader: Trader): Promise<sdk.MarginAccountView> {
  const view = sdk.marginAccountView(await load(trader));
  // An error here says which price has to be refreshed first; all else is at the stored prices.
  const { maintenance } = view;
  const told = 'error' in maintenance ? maintenance.error : `needs ${maintenance.requirement}`;
  console.log(`quote ${sdk.formatAmount(view.quote, USDC)}, ${told}`);
  for (const held of view.positions) {
    console.log(`market ${held.market}: ${held.side} ${held.lots} lots`);
    console.log(`  pnl ${held.pnl}, liquidated at ${held.liquidationPrice}`);
  }
  return view;
}
// ANCHOR_END: look

// ANCHOR: leave
export async function leave(trader: Trader): Promise<sdk.Sent> {
  const context = await load(trader);
  const owner = trader.key;
  const amount = context.margin.data.quote;
  // Closing returns the rent; the account must be empty, without positions, claims and collateral.
  return send(trader, [
    ...(await sdk.withdraw(context, { owner, amount })),
    ...(await sdk.closeMarginAccount({ owner, marginAccount: trader.margin })),
  ]);
}
// ANCHOR_END: leave

// ANCHOR: events
export async function nextTrade({ handle }: Trader, signal: AbortSignal) {
  for await (const update of sdk.watchEvents(handle, { signal })) {
    if (update.kind === 'reconnected') {
      console.warn('the connection was lost: read the accounts again');
      continue;
    }
    if (update.truncated) console.warn('events were missed: read the accounts again');
    const [trade] = sdk.eventsNamed(update.events, 'traded');
    if (trade !== undefined) return trade;
  }
  return undefined;
}
// ANCHOR_END: events

// ANCHOR: lookup_table
export async function lookupTable(trader: Trader): Promise<Address> {
  const context = await load(trader);
  const authority = trader.key;
  const recentSlot = context.slot - 1n;
  const { table, instructions } = await sdk.createLookupTable({ authority, recentSlot });
  await send(trader, instructions);
  const addresses = await sdk.commonAddresses(context);
  for (const extend of await sdk.extendLookupTable({ table, authority, addresses })) {
    await send(trader, [extend]);
  }
  // From the next slot on: sdk.send(handle, payer, instructions, { lookupTables: [table] })
  return table;
}
// ANCHOR_END: lookup_table

// ANCHOR: errors
export function whatToDo(error: unknown): string {
  if (error instanceof sdk.BulwarkError) {
    switch (error.errorName) {
      case 'PriceStale':
        return 'refresh, and send it again';
      case 'LimitPrice':
        return 'quote again, and decide';
      case 'InsufficientMargin':
        return 'deposit more, or trade less';
      default:
        return error.message; // the program's own message says what to do
    }
  }
  // It may have happened: look it up before sending again.
  if (error instanceof sdk.TransactionUnknownError) return `look up ${error.signature}`;
  // It did not land and can't any more.
  if (error instanceof sdk.TransactionExpiredError) return 'pay more, and send it again';
  return String(error);
}
// ANCHOR_END: errors

// ANCHOR: add_liquidity
export async function addLiquidity(provider: Trader, dollars: string): Promise<sdk.Sent> {
  const amount = sdk.parseAmount(dollars, USDC);
  const input = { provider: provider.key, tranche: 'junior', amount, minShares: 1n } as const;
  const context = await sdk.loadContext(provider.handle);
  return send(provider, await sdk.addLiquidity(context, input));
}
// ANCHOR_END: add_liquidity

// ANCHOR: redeem
export async function requestRedeem(provider: Trader, amount: bigint): Promise<sdk.Sent> {
  const input = { provider: provider.key, tranche: 'junior', nonce: 7n, amount } as const;
  const context = await sdk.loadContext(provider.handle);
  return send(provider, await sdk.requestRedeem(context, input));
}

/** After the delay, and within the window. */
export async function redeem({ handle, key }: Trader): Promise<sdk.Sent> {
  const [ticket] = await sdk.loadRedeemTickets(handle, key.address);
  if (ticket === undefined) throw new Error('there is no ticket');
  const input = { provider: key, ticket, minAmount: 1n };
  return sdk.send(handle, key, await sdk.redeem(await sdk.loadContext(handle), input));
}
// ANCHOR_END: redeem

// ANCHOR: stake
export async function stake(staker: Trader, dollars: string): Promise<sdk.Sent> {
  const listings = await sdk.loadListings(staker.handle);
  const amount = sdk.parseAmount(dollars, USDC);
  const input = { staker: staker.key, amount, minShares: 1n };
  return send(staker, await sdk.stakeBackstop(listings, input));
}
// ANCHOR_END: stake
