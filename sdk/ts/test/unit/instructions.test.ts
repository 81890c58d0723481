import { AccountRole, isSignerRole, isWritableRole, type Address } from '@solana/kit';
import { expect, test } from 'vitest';

import * as sdk from '../../src';
import * as generated from '../../src/generated';
import idl from '../../../../idl/bulwark.json';
import { key, margin, market, TOKEN_PROGRAM, world } from '../support/world';

const me = key(1);
const held = {
  positions: [
    [2, 10n],
    [0, -5n],
    [3, 0n],
  ],
  collaterals: [2, 1],
  quote: -1n,
} as const;
const context = world({ held });
const { listings } = context;
const keeper = key(60);
const taker = margin(key(51), { positions: [[1, 4n]], collaterals: [1] });
const liquidator = { authority: me, margin: taker };

const markets = (...indices: number[]) => indices.map((index) => sdk.marketAddress(index));
const vaults = (...indices: number[]) => indices.map((index) => key(100 + index));

function change(payload: generated.ChangePayloadArgs): sdk.Loaded<generated.Change> {
  const encoded = generated.getChangePayloadEncoder().encode(payload);
  const zeros = generated.getChangeDecoder().decode(new Uint8Array(CHANGE_BYTES));
  const bytes = new Uint8Array(512);
  bytes.set(encoded);
  const data = { ...zeros, payer: key(9), nonce: 3n, payload: bytes, payloadLen: encoded.length };
  return { address: key(70), data };
}

const CHANGE_BYTES = (generated.getChangeDecoder() as { fixedSize: number }).fixedSize;
const { sources } = market(1);
const params = market(1).core.params;
const collateral = context.vaults.get(1)?.data.core.params;
if (collateral === undefined) throw new Error('the world has a vault 1');

const ticket = {
  owner: me,
  payer: key(9),
  nonce: 4n,
  core: { shares: 1n, value: 1n, requestedAt: 0n },
};
const redeemTicket = {
  address: key(71),
  data: { ...ticket, tranche: 1 } as generated.RedeemTicket,
};
const unstakeTicket = { address: key(72), data: ticket as generated.UnstakeTicket };
const marginAccount = context.margin.address;
const order = { authority: me, market: 0, limitPrice: 7n };

/** One call for each instruction of the program. */
const BUILT: Record<string, () => Promise<sdk.AnyInstruction[]>> = {
  accept_admin: () => sdk.acceptAdmin({ nominee: me }),
  add_liquidity: () =>
    sdk.addLiquidity(context, { provider: me, tranche: 'junior', amount: 1n, minShares: 1n }),
  allocate_liquidity: () => sdk.allocateLiquidity(context, { market: 1 }),
  auto_deleverage: () => sdk.autoDeleverage(context, { market: 0, keeper }),
  cancel_change: () =>
    sdk.cancelChange({ authority: me, change: change({ __kind: 'Guardian', guardian: me }) }),
  cancel_redeem: () => sdk.cancelRedeem({ authority: me, ticket: redeemTicket }),
  cancel_trigger: () => sdk.cancelTrigger(context.margin, { authority: me, id: 1n }),
  cancel_unstake: () => sdk.cancelUnstake({ authority: me, ticket: unstakeTicket }),
  check_invariants: () => sdk.checkInvariants({ market: 1, members: [key(6), key(5)] }),
  close_margin_account: () => sdk.closeMarginAccount({ owner: me, marginAccount }),
  close_market: () =>
    sdk.closeMarket({ market: { address: sdk.marketAddress(1), data: market(1) } }),
  close_position: () => sdk.closePosition(context, order),
  collect_protocol_fees: () =>
    sdk.collectProtocolFees(listings, { admin: me, exchange: context.exchange, amount: 1n }),
  create_market: () =>
    sdk.createMarket(context.exchange, {
      admin: me,
      change: change({ __kind: 'CreateMarket', sources, params }),
    }),
  create_vault: () =>
    sdk.createVault({
      admin: me,
      change: change({ __kind: 'CreateVault', mint: key(8), sources, params: collateral }),
    }),
  deposit: () => sdk.deposit(listings, { depositor: me, marginAccount, amount: 1n }),
  execute_change: () =>
    sdk.executeChange(listings, {
      change: change({ __kind: 'MarketSources', market: 1, sources }),
    }),
  execute_trigger: () => {
    const [first, ...rest] = context.margin.data.triggers;
    if (first === undefined) throw new Error('an account has slots for triggers');
    const triggers = [{ ...first, id: 9n, market: 0 }, ...rest];
    const own = { ...context.margin, data: { ...context.margin.data, triggers } };
    return sdk.executeTrigger({ ...context, margin: own }, { id: 9n, keeper });
  },
  fund_insurance: () => sdk.fundInsurance(listings, { donor: me, amount: 1n }),
  initialize_exchange: () =>
    sdk.initializeExchange({
      deployer: me,
      mint: key(8),
      args: {
        admin: me,
        guardian: me,
        feeRecipient: me,
        quoteSources: sources,
        quoteParams: collateral,
        poolParams: context.pool.data.core.params,
        exchangeParams: context.exchange.data.params,
        insuranceParams: { stakeIncomePpm: 0 },
      },
    }),
  liquidate: () => sdk.liquidate(context, { liquidator, market: 0, limitPrice: 1n }),
  liquidate_collateral: () =>
    sdk.liquidateCollateral(context, {
      liquidator,
      vault: 2,
      amount: 1n,
      limitPrice: 1n,
      creditor: 1,
    }),
  liquidate_to_pool: () => sdk.liquidateToPool(context, { market: 0, keeper }),
  nominate_admin: () => sdk.nominateAdmin({ authority: me, nominee: key(2) }),
  open_margin_account: () => sdk.openMarginAccount({ owner: me, subId: 3 }),
  open_position: () => sdk.openPosition(context, { ...order, side: 'long', lots: 1n }),
  place_trigger: () =>
    sdk.placeTrigger(listings, context.margin, {
      ...order,
      kind: 'stopLoss',
      side: 'short',
      triggerPrice: 5n,
      expiry: 9n,
    }),
  propose_change: () =>
    sdk.proposeChange(listings, {
      admin: me,
      nonce: 3n,
      payload: { __kind: 'MarketSources', market: 1, sources },
    }),
  rebalance_market: () => sdk.rebalanceMarket(context, { market: 1 }),
  redeem: () => sdk.redeem(context, { provider: me, ticket: redeemTicket, minAmount: 1n }),
  refresh_market: () => sdk.refresh(context, [{ market: 1 }]),
  refresh_vault: () => sdk.refresh(context, [{ vault: 1 }]),
  request_redeem: () =>
    sdk.requestRedeem(context, { provider: me, tranche: 'senior', nonce: 4n, amount: 1n }),
  request_unstake: () => sdk.requestUnstake({ staker: me, nonce: 4n, amount: 1n }),
  resolve_bankruptcy: () => sdk.resolveBankruptcy(context, { market: 0 }),
  resume_market: () => sdk.resumeMarket({ market: 1 }),
  set_delegate: () => sdk.setDelegate(context.margin, { owner: me, delegate: key(2) }),
  set_pause: () => sdk.setPause({ authority: me, bits: sdk.PAUSE.increase, market: 1 }),
  settle_position: () => sdk.settlePosition({ marginAccount, market: 1 }),
  stake_backstop: () => sdk.stakeBackstop(listings, { staker: me, amount: 1n, minShares: 1n }),
  suspend_market: () => sdk.suspendMarket({ market: 1 }),
  sweep_market: () => sdk.sweepMarket({ market: 1 }),
  tighten: () =>
    sdk.tighten(listings, {
      authority: me,
      payload: { __kind: 'MarketParams', market: 1, params },
    }),
  unstake: () => sdk.unstake(listings, { staker: me, ticket: unstakeTicket, minAmount: 1n }),
  withdraw: () => sdk.withdraw(context, { owner: me, amount: 1n }),
};

/** The last instruction that a builder returns: what it is for. */
async function build(name: string): Promise<sdk.AnyInstruction> {
  const built = await BUILT[name]?.();
  const last = built?.at(-1);
  if (last === undefined) throw new Error(`nothing was built for ${name}`);
  return last;
}

/** Accounts that follow the instruction's own. */
async function remaining(name: string): Promise<Address[]> {
  const own = idl.instructions.find((instruction) => instruction.name === name)?.accounts.length;
  const { accounts } = await build(name);
  return accounts.slice(own).map((meta) => meta.address);
}

test('every instruction of the program can be built', () => {
  expect(Object.keys(BUILT).toSorted()).toEqual(
    idl.instructions.map(({ name }) => name).toSorted(),
  );
  expect(idl.instructions).toHaveLength(45);
});

test.each(idl.instructions)(
  '$name has the accounts and roles of its description',
  async (described) => {
    const built = await build(described.name);
    expect(built.programAddress).toBe(idl.address);
    expect(Array.from(built.data.slice(0, 8))).toEqual(described.discriminator);
    const own = built.accounts.slice(0, described.accounts.length);
    expect(own).toHaveLength(described.accounts.length);
    for (const [i, account] of described.accounts.entries()) {
      const meta = own[i];
      const left = 'optional' in account && meta?.address === idl.address;
      if (meta === undefined || left) continue;
      expect(isWritableRole(meta.role), account.name).toBe('writable' in account);
      expect(isSignerRole(meta.role), account.name).toBe('signer' in account);
      if ('address' in account) expect(meta.address).toBe(account.address);
    }
  },
);

test('what health needs follows in slot order, markets first, without what is named already', async () => {
  const legs = [...markets(2, 3), ...vaults(2, 1)];
  for (const name of [
    'open_position',
    'close_position',
    'execute_trigger',
    'liquidate_to_pool',
    'auto_deleverage',
  ]) {
    expect(await remaining(name), name).toEqual(legs);
  }
  expect(await remaining('withdraw')).toEqual([...markets(2, 0, 3), ...vaults(2, 1)]);
  const withdrawal = await sdk.withdraw(context, { owner: me, amount: 1n, vault: 1 });
  expect(
    withdrawal
      .at(-1)
      ?.accounts.slice(8)
      .map((meta) => meta.address),
  ).toEqual([...markets(2, 0, 3), ...vaults(2)]);
});

test("a liquidation names the account's legs and then the liquidator's", async () => {
  expect(await remaining('liquidate')).toEqual([
    ...markets(2, 3),
    ...vaults(2, 1),
    ...markets(1),
    ...vaults(1),
  ]);
  // The buyer will hold some of vault 2, in its first free slot.
  expect(await remaining('liquidate_collateral')).toEqual([
    ...markets(2, 0, 3),
    ...vaults(1),
    ...markets(1),
    ...vaults(1, 2),
  ]);
});

test('who has no positions needs no legs to buy a collateral', () => {
  const idle = margin(key(52), { positions: [[1, 0n]], collaterals: [1] }).data;
  expect(sdk.legsAfterBuying(listings, idle, 2)).toEqual([]);
});

test('a bankruptcy may write the claims of the account in other markets', async () => {
  expect(await remaining('resolve_bankruptcy')).toEqual(markets(2, 3));
  const { accounts } = await build('resolve_bankruptcy');
  expect(accounts.slice(3).map((meta) => meta.role)).toEqual([
    AccountRole.WRITABLE,
    AccountRole.WRITABLE,
  ]);
});

test('the pool is valued from every market in order', async () => {
  for (const name of ['add_liquidity', 'request_redeem', 'redeem']) {
    expect(await remaining(name), name).toEqual(markets(0, 1, 2, 3));
  }
  expect(await remaining('allocate_liquidity')).toEqual(markets(0, 2, 3));
});

test("members are passed in the order of their addresses' bytes", async () => {
  expect(await remaining('check_invariants')).toEqual([key(5), key(6)]);
});

test('a market that was closed leaves its index to the next one', () => {
  const exchange = { ...context.exchange.data, marketCount: 4, closedMarkets: 0b0010 };
  expect(sdk.marketIndices(exchange)).toEqual([0, 2, 3]);
  expect(sdk.nextMarketIndex(exchange)).toBe(1);
  expect(sdk.nextMarketIndex({ ...exchange, closedMarkets: 0 })).toBe(4);
  const all = { ...exchange, marketCount: 32, closedMarkets: 0x8000_0000 };
  expect(sdk.nextMarketIndex(all)).toBe(31);
});

test('a change targets what its payload is about', async () => {
  const proposed = await build('propose_change');
  expect(proposed.accounts.slice(5, 8).map((meta) => meta.address)).toEqual([
    sdk.marketAddress(1),
    idl.address,
    idl.address,
  ]);
  const executed = await build('execute_change');
  const oracles = await sdk.oracleAddresses(sources);
  expect(executed.accounts[7]?.address).toBe(oracles?.primary);
});

test('a proposal is read back from its instruction', async () => {
  const payload = { __kind: 'MarketSources', market: 1, sources } as const;
  expect(sdk.proposal(await build('propose_change'))).toEqual({ nonce: 3n, payload });
  expect(sdk.proposal(await build('execute_change'))).toBeUndefined();
  const proposed = await build('propose_change');
  const longer = { ...proposed, data: Uint8Array.from([...proposed.data, 0]) };
  expect(sdk.proposal(longer)).toBeUndefined();
});

test('signed arguments name the incarnation that was read', async () => {
  const { data } = await build('open_position');
  expect(generated.getOpenPositionInstructionDataDecoder().decode(data)).toMatchObject({
    incarnation: 42n,
    side: 0,
    lots: 1n,
    limitPrice: 7n,
  });
});

test('token accounts that may not exist are created first', async () => {
  const built = await sdk.withdraw(context, { owner: me, amount: 1n, refresh: false });
  expect(built.map((instruction) => instruction.programAddress)).toEqual([
    sdk.ASSOCIATED_TOKEN_PROGRAM_ADDRESS,
    idl.address,
  ]);
  const own = await sdk.associatedTokenAddress(me, key(200), TOKEN_PROGRAM);
  expect(built[0]?.accounts[1]?.address).toBe(own);
  expect(built[1]?.accounts[5]?.address).toBe(own);
  const named = { owner: me, amount: 1n, destination: key(3), refresh: false };
  expect(await sdk.withdraw(context, named)).toHaveLength(1);
});

test('what is not listed is refused', async () => {
  await expect(
    sdk.openPosition(context, { ...order, market: 9, side: 'long', lots: 1n }),
  ).rejects.toThrow('market 9 is not in the listings: load them again');
  await expect(
    sdk.deposit(listings, { depositor: me, marginAccount, amount: 1n, vault: 9 }),
  ).rejects.toThrow(sdk.UnlistedError);
});
