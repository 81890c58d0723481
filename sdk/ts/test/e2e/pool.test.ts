import { expect, test } from 'vitest';

import * as sdk from '../../src';
import { fetchBytes } from '../../src/accounts';
import { DOLLAR, handle, localnet, travel, wallet } from './chain';
import { address } from '@solana/kit';

async function tokens(owner: Parameters<typeof sdk.associatedTokenAddress>[0]): Promise<bigint> {
  const at = await sdk.associatedTokenAddress(owner, address(localnet.quoteMint));
  const { accounts } = await fetchBytes(handle, [at]);
  const bytes = accounts[0]?.bytes ?? new Uint8Array(72);
  return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(64, true);
}

test('liquidity goes in, and out again after the delay', async () => {
  const provider = await wallet('trader2');
  const input = { provider, tranche: 'junior', amount: 10_000n * DOLLAR, minShares: 1n } as const;
  const before = await tokens(provider.address);
  const added = await sdk.send(
    handle,
    provider,
    await sdk.addLiquidity(await sdk.loadContext(handle), input),
  );
  const [{ shares } = { shares: 0n }] = sdk.eventsNamed(added.events, 'liquidityAdded');
  expect(shares).toBeGreaterThan(0n);
  expect(before - (await tokens(provider.address))).toBe(input.amount);
  const worth = sdk.shareValue(await sdk.loadContext(handle), 'junior', shares);
  expect(worth).toBeGreaterThan((input.amount * 99n) / 100n);

  const request = { provider, tranche: 'junior', nonce: 1n, amount: shares } as const;
  await sdk.send(handle, provider, await sdk.requestRedeem(await sdk.loadContext(handle), request));
  const [ticket] = await sdk.loadRedeemTickets(handle, provider.address);
  if (ticket === undefined) throw new Error('there is a ticket');
  expect(ticket.address).toBe(await sdk.redeemTicketAddress(provider.address, 1n));
  const redeem = async () =>
    sdk.redeem(await sdk.loadContext(handle), { provider, ticket, minAmount: 1n });
  await expect(sdk.send(handle, provider, await redeem())).rejects.toMatchObject({
    errorName: 'RedeemTooEarly',
  });

  const { pool } = await sdk.loadContext(handle);
  await travel(BigInt(pool.data.core.params.redeemDelay) + 1n);
  const less = await tokens(provider.address);
  const redeemed = await sdk.send(handle, provider, await redeem());
  const [paid] = sdk.eventsNamed(redeemed.events, 'redeemed');
  const got = (await tokens(provider.address)) - less;
  expect(got).toBe(paid?.paid);
  expect(got).toBeGreaterThan((input.amount * 98n) / 100n);
  expect(await sdk.loadRedeemTickets(handle, provider.address)).toEqual([]);
});

test('a stake is there after it was cancelled to be taken out', async () => {
  const staker = await wallet('trader2');
  const listings = await sdk.loadListings(handle);
  const stake = { staker, amount: 1_000n * DOLLAR, minShares: 1n };
  const staked = await sdk.send(handle, staker, await sdk.stakeBackstop(listings, stake));
  const [{ shares } = { shares: 0n }] = sdk.eventsNamed(staked.events, 'backstopStaked');
  await sdk.send(handle, staker, await sdk.requestUnstake({ staker, nonce: 1n, amount: shares }));
  const [ticket] = await sdk.loadUnstakeTickets(handle, staker.address);
  if (ticket === undefined) throw new Error('there is a ticket');
  const early = await sdk.unstake(listings, { staker, ticket, minAmount: 1n });
  await expect(sdk.send(handle, staker, early)).rejects.toMatchObject({
    errorName: 'UnstakeTooEarly',
  });
  const cancelled = await sdk.send(
    handle,
    staker,
    await sdk.cancelUnstake({ authority: staker, ticket }),
  );
  expect(sdk.eventsNamed(cancelled.events, 'unstakeCancelled')).toHaveLength(1);
  expect(await sdk.loadUnstakeTickets(handle, staker.address)).toEqual([]);
});
