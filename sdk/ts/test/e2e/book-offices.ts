// Snippets of the book for liquidators and signers: whole functions between anchors. book.test.ts runs them.
import type { Address, Instruction } from '@solana/kit';

import * as sdk from '../../src';
import { load, send, type Trader } from './book';

// ANCHOR: in_trouble
/** Accounts that can be liquidated, with the market of the position that has to go first. */
export async function inTrouble({ handle }: Trader) {
  const accounts = await sdk.loadAccounts(handle, sdk.marginAccountType);
  const distress = sdk.distress(await sdk.loadContext(handle), accounts);
  return accounts.flatMap(({ address }, i) => {
    const found = distress[i] ?? null;
    if (found === null) return []; // healthy
    if ('error' in found) {
      console.warn(`${address}: ${found.error}`); // a price has to be refreshed first
      return [];
    }
    // No offer without positions: then collateral is sold.
    return [{ address, market: found.offer === null ? null : sdk.valueOf(found.offer).market }];
  });
}
// ANCHOR_END: in_trouble

// ANCHOR: take_over
export async function takeOver(keeper: Trader, margin: Address, market: number): Promise<sdk.Sent> {
  const context = await sdk.loadContext(keeper.handle, margin);
  const own = (await load(keeper)).margin;
  const liquidator = { authority: keeper.key, margin: own };
  // What the auction offers, at its price: the mark less a concession. A limit protects from a moving mark.
  const mark = context.markets.get(market)?.data.core.oracle.price ?? 0n;
  const limitPrice = sdk.worsePrice(mark, 'buy', 5_000);
  return send(keeper, await sdk.liquidate(context, { liquidator, market, limitPrice }));
}
// ANCHOR_END: take_over

// ANCHOR: hand_to_pool
/**
 * At once for what brings the skew nearer to zero, after 50 slots for all; a call that is too early keeps the auction
 * running. The keeper's pay goes to its margin account.
 */
export async function handToPool(
  keeper: Trader,
  margin: Address,
  market: number,
): Promise<sdk.Sent> {
  const context = await sdk.loadContext(keeper.handle, margin);
  return send(keeper, await sdk.liquidateToPool(context, { market, keeper: keeper.margin }));
}

/** What is left when there is neither position nor collateral: the waterfall, in one instruction. */
export async function resolve(keeper: Trader, margin: Address, market: number): Promise<sdk.Sent> {
  const context = await sdk.loadContext(keeper.handle, margin);
  return send(keeper, await sdk.resolveBankruptcy(context, { market }));
}
// ANCHOR_END: hand_to_pool

// ANCHOR: propose
/** Number and instructions of a proposal. For a multisig: pass its address as admin, and take them to where it signs. */
export async function lowerTheFee(admin: Trader, market: number) {
  const context = await sdk.loadContext(admin.handle);
  const params = context.markets.get(market)?.data.core.params;
  if (params === undefined) throw new Error(`there is no market ${market}`);
  // Whole parameter sets: what is signed is what will be in force.
  const payload = {
    __kind: 'MarketParams',
    market,
    params: { ...params, takerFeePpm: 400 },
  } as const;
  const nonce = context.exchange.data.nextChange;
  const input = { admin: admin.key, nonce, payload };
  return { nonce, instructions: await sdk.proposeChange(context.listings, input) };
}
// ANCHOR_END: propose

// ANCHOR: explain_proposal
/** What an instruction proposes, decoded from its very bytes. */
export async function explainProposal(
  { handle }: Trader,
  instruction: Parameters<typeof sdk.proposal>[0],
): Promise<string> {
  const proposed = sdk.proposal(instruction);
  if (proposed === undefined) throw new Error('this instruction proposes nothing');
  const { text, refusals } = sdk.explainPayload(await sdk.loadContext(handle), proposed.payload);
  if (refusals.length > 0) throw new Error(`the program would refuse it: ${refusals.join('; ')}`);
  return `change ${proposed.nonce}: ${text}`;
}
// ANCHOR_END: explain_proposal

// ANCHOR: explain_stored
/** Everything that waits: what it would do, and when. */
export async function explainStored({ handle }: Trader): Promise<readonly string[]> {
  const changes = await sdk.loadChanges(handle);
  const explained = await sdk.explainChanges(await sdk.loadContext(handle), changes);
  return explained.map((change) => ('error' in change ? change.error : change.text));
}

/** Anyone can, once the delay is over. */
export async function execute(anyone: Trader, nonce: bigint): Promise<sdk.Sent> {
  const changes = await sdk.loadChanges(anyone.handle);
  const change = changes.find((stored) => stored.data.nonce === nonce);
  if (change === undefined) throw new Error(`there is no change ${nonce}`);
  const listings = await sdk.loadListings(anyone.handle);
  const instructions: readonly Instruction[] = await sdk.executeChange(listings, { change });
  return send(anyone, instructions);
}
// ANCHOR_END: explain_stored
