import type { FixedSizeDecoder } from '@solana/kit';
import { afterEach, expect, test, vi } from 'vitest';

import * as sdk from '../../src';
import { ask } from '../../src/engine';
import { getChangeDecoder, getChangePayloadEncoder, type Change } from '../../src/generated';
import { bytesOf, key, margin, vault, world } from '../support/world';

afterEach(() => vi.unstubAllGlobals());

const PRICE = 2n ** 32n; // One quote unit a lot.

/** A world without markets, whose account has quote units. */
function funded(quote = 1_000n): sdk.MarginContext {
  return world({ markets: 0, vaults: 1, held: { quote } });
}

test('an account without positions is worth its quote balance', () => {
  const context = funded();
  const view = sdk.marginAccountView(context);
  expect(view).toMatchObject({
    address: context.margin.address,
    owner: key(1),
    quote: 1_000n,
    positions: [],
    collaterals: [],
    triggers: [],
    maintenance: { equity: 1_000n, requirement: 0n },
  });
});

test('accounts that were not read with the context are encoded for the engine', () => {
  const context = funded();
  const others = [margin(key(51), { quote: 5n }), margin(key(52), { quote: -7n })];
  const views = sdk.marginAccountViews(context, others);
  expect(views.map((view) => [view.address, view.quote])).toEqual([
    [key(51), 5n],
    [key(52), -7n],
  ]);
});

test('an account is worth what its data says, whatever was read at its address', () => {
  const context = funded(1_000n);
  const { address, data } = context.margin;
  const other = { address, data: { ...data, quote: 7n } };
  expect(sdk.marginAccountViews(context, [other])[0]?.quote).toBe(7n);
  expect(sdk.marginAccountView({ ...context, margin: other }).quote).toBe(7n);
  expect(sdk.marginAccountView(context).quote).toBe(1_000n);
});

test('answers are frozen', () => {
  const view = sdk.marginAccountView(funded());
  expect(Object.isFrozen(view)).toBe(true);
  expect(Object.isFrozen(view.maintenance)).toBe(true);
});

test('what lacks is named', () => {
  const context = world({ markets: 1, vaults: 1, held: { positions: [[3, 5n]] } });
  expect(() => sdk.marginAccountView(context)).toThrow('market 3 is not in the snapshot');
  expect(() => ask({ ask: 'views' })).toThrow('the exchange is missing');
  expect(() => ask({ ask: 'nonsense' })).toThrow(sdk.EngineError);
});

test('the engine remembers nothing and takes no more memory with time', async () => {
  const memories: WebAssembly.Memory[] = [];
  class Observed extends WebAssembly.Instance {
    constructor(module: WebAssembly.Module) {
      super(module);
      memories.push(this.exports['memory'] as WebAssembly.Memory);
    }
  }
  vi.stubGlobal('WebAssembly', { ...WebAssembly, Module: WebAssembly.Module, Instance: Observed });
  vi.resetModules();
  const fresh = await import('../../src');
  const context = funded();
  const size = () => memories[0]?.buffer.byteLength;
  for (let i = 0; i < 10; i += 1) fresh.marginAccountView(context);
  const before = size();
  for (let i = 0; i < 2_000; i += 1) fresh.marginAccountView(context);
  expect(before).toBeGreaterThan(0);
  expect(size()).toBe(before);
  expect(memories).toHaveLength(1);
});

test('a question that can not be held fails, and the next one is answered', async () => {
  const { ask: fresh } = await import('../../src/engine');
  const instance = WebAssembly.Instance;
  let broken = true;
  vi.stubGlobal('WebAssembly', {
    Module: WebAssembly.Module,
    Instance: class extends instance {
      override readonly exports = broken
        ? { ...super.exports, bulwark_alloc: () => 0 }
        : super.exports;
    },
  });
  vi.resetModules();
  const { ask: other } = await import('../../src/engine');
  const question = { ask: 'parseAmount', text: '1', decimals: 0 };
  expect(() => other(question)).toThrow('the engine failed');
  broken = false;
  expect(other(question)).toBe(1n);
  expect(fresh(question)).toBe(1n);
});

test('a change of the guardian is explained from whom to whom', () => {
  const context = funded();
  const payload = { __kind: 'Guardian', guardian: key(5) } as const;
  const explained = sdk.explainPayload(context, payload);
  expect(explained).toMatchObject({
    title: 'the guardian',
    moves: [{ name: 'guardian', from: '11111111111111111111111111111111', to: key(5) }],
    loosens: true,
  });
  expect(explained.text).toContain('LOOSENS');
});

test('a parameter that leaves its bounds is refused by name', () => {
  const context = funded();
  const params = { ...vault(0).core.params, haircutInitPpm: 1_000_001 };
  const { refusals } = sdk.explainPayload(context, { __kind: 'VaultParams', vault: 0, params });
  expect(refusals.join()).toContain('haircut_init_ppm');
});

const zeros = getChangeDecoder() as FixedSizeDecoder<Change>;

test('a change that is not at the address of its number is not explained', async () => {
  const context = funded();
  const payload = getChangePayloadEncoder().encode({ __kind: 'Guardian', guardian: key(5) });
  const bytes = new Uint8Array(512);
  bytes.set(payload);
  const empty = zeros.decode(new Uint8Array(zeros.fixedSize));
  const data = { ...empty, nonce: 3n, payload: bytes, payloadLen: payload.length };
  const right = { address: await sdk.changeAddress(3n), data };
  expect((await sdk.explainChange(context, right)).title).toBe('the guardian');
  const wrong = { address: key(70), data };
  await expect(sdk.explainChange(context, wrong)).rejects.toThrow(
    `change 3 is at ${right.address}, not at ${key(70)}`,
  );
  const both = await sdk.explainChanges(context, [wrong, right]);
  expect(both).toMatchObject([{ error: expect.any(String) }, { title: 'the guardian' }]);
});

test('lots are worth what they cost at the live price, down to the step', () => {
  const context = world({ markets: 1, vaults: 1 });
  const [listed] = context.markets.values();
  if (listed === undefined) throw new Error('the world has a market');
  const { core } = listed.data;
  const priced = {
    ...listed.data,
    core: {
      ...core,
      oracle: { ...core.oracle, price: PRICE },
      params: { ...core.params, step: 10n },
    },
  };
  const markets = new Map([[0, { ...listed, data: priced }]]);
  const changed = { ...context, markets };
  expect(sdk.lotsWorth({ ...changed, bytes: bytesOf(changed) }, 0, 1_239n)).toBe(1_230n);
});
