import { address, isSignerRole, isWritableRole } from '@solana/kit';
import { expect, test } from 'vitest';

import * as sdk from '../../src';
import { oldLegs, refresh } from '../../src/instructions/refresh';
import {
  at,
  bytesOf,
  contextOf,
  read,
  withMargin,
  type Built,
  type Recorded,
  type Scene,
} from './data';

type Made = readonly sdk.AnyInstruction[];
type Args = Recorded['args'];

const AMOUNTS = new Set([
  'lots',
  'amount',
  'limitPrice',
  'triggerPrice',
  'expiry',
  'id',
  'minShares',
]);

/** Arguments as the SDK takes them: amounts are bigints, what is null is left out. */
function input(args: Args): never {
  const given = Object.entries(args).filter(([, value]) => value !== null);
  const typed = given.map(([name, value]) => [
    name,
    AMOUNTS.has(name) ? BigInt(String(value)) : value,
  ]);
  return { ...Object.fromEntries(typed), refresh: false } as never;
}

function plain(instruction: sdk.AnyInstruction): Built {
  const accounts = instruction.accounts.map(({ address: key, role }) => {
    const flags = [isSignerRole(role), isWritableRole(role)].map(Number) as [0 | 1, 0 | 1];
    return [key, ...flags] as const;
  });
  const data = Buffer.from(Uint8Array.from(instruction.data)).toString('base64');
  return { program: instruction.programAddress, accounts, data };
}

const BUILDERS: Readonly<
  Record<string, (context: sdk.MarginContext, args: never) => Promise<Made>>
> = {
  withdraw: sdk.withdraw,
  openPosition: sdk.openPosition,
  closePosition: sdk.closePosition,
  placeTrigger: (context, args) => sdk.placeTrigger(context.listings, context.margin, args),
  executeTrigger: sdk.executeTrigger,
  liquidate: sdk.liquidate,
  liquidateToPool: sdk.liquidateToPool,
  autoDeleverage: sdk.autoDeleverage,
  liquidateCollateral: sdk.liquidateCollateral,
  resolveBankruptcy: sdk.resolveBankruptcy,
};

async function build(
  context: sdk.MarginContext,
  scene: Scene,
  { name, args }: Recorded,
): Promise<Made> {
  const { owner } = context.margin.data;
  if (name === 'refresh') {
    return refresh(context, oldLegs(context, context.margin, Number(args['market'])));
  }
  const builder = BUILDERS[name];
  if (builder === undefined) throw new Error(`no builder for ${name}`);
  const by = args['liquidator'];
  const taker =
    typeof by === 'number' ? withMargin(context, at(scene.portfolios, by)).margin : undefined;
  const liquidator = taker && { authority: taker.data.owner, margin: taker };
  const all = {
    ...(input(args) as object),
    owner,
    authority: owner,
    ...(liquidator ? { liquidator } : {}),
  };
  return builder(context, all as never);
}

test('instructions of a margin account: every account in its place, every byte of the data', async () => {
  const seen = new Map<string, number>();
  for (const scene of read<Scene[]>('scenes.json')) {
    const context = await contextOf(scene);
    for (const portfolio of scene.portfolios) {
      const margin = withMargin(context, portfolio);
      for (const recorded of portfolio.instructions) {
        const made = (await build(margin, scene, recorded)).map(plain);
        expect(made, recorded.name).toEqual([recorded.built].flat());
        seen.set(recorded.name, (seen.get(recorded.name) ?? 0) + 1);
      }
    }
  }
  expect([...seen.keys()].toSorted()).toEqual([...Object.keys(BUILDERS), 'refresh'].toSorted());
  for (const [name, count] of seen) expect(count, name).toBeGreaterThan(20);
});

interface Others {
  readonly scene: { readonly vaults: readonly string[]; readonly exchange: string };
  readonly records: readonly Recorded[];
}

test('instructions without one', async () => {
  const { scene, records } = read<Others>('instructions.json');
  const exchange = {
    address: sdk.EXCHANGE_ADDRESS,
    data: sdk.decodeAccount(sdk.exchangeType, bytesOf(scene.exchange)),
  };
  const vaults = scene.vaults.map(async (text, index) => {
    const mint = address(text);
    const [at_, tokenAccount] = await Promise.all([
      sdk.vaultAddress(mint),
      sdk.vaultTokensAddress(mint),
    ]);
    const tokenProgram = sdk.TOKEN_PROGRAM_ADDRESS;
    return [index, { index, address: at_, mint, decimals: 6, tokenAccount, tokenProgram }] as const;
  });
  const listings: sdk.Listings = {
    vaults: new Map(await Promise.all(vaults)),
    markets: sdk.marketsOf(exchange.data),
  };
  const some = await contextOf(at(read<Scene[]>('scenes.json'), 0));
  const context = { ...some, exchange, listings };
  const builders: Readonly<Record<string, (args: never) => Promise<Made>>> = {
    deposit: (args) => sdk.deposit(listings, args),
    openMarginAccount: sdk.openMarginAccount,
    closeMarginAccount: sdk.closeMarginAccount,
    addLiquidity: (args) => sdk.addLiquidity(context, args),
    stakeBackstop: (args) => sdk.stakeBackstop(listings, args),
    fundInsurance: (args) => sdk.fundInsurance(listings, args),
    allocateLiquidity: (args) => sdk.allocateLiquidity(context, args),
    sweepMarket: sdk.sweepMarket,
    rebalanceMarket: (args) => sdk.rebalanceMarket(context, args),
    suspendMarket: sdk.suspendMarket,
    resumeMarket: sdk.resumeMarket,
  };
  const names = new Set<string>();
  for (const recorded of records) {
    const builder = builders[recorded.name];
    if (builder === undefined) throw new Error(`no builder for ${recorded.name}`);
    const made = (await builder(input(recorded.args))).map(plain);
    expect(made, recorded.name).toEqual([recorded.built]);
    names.add(recorded.name);
  }
  expect([...names].toSorted()).toEqual(Object.keys(builders).toSorted());
});
