// Of what was built: run `npm run build` first.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runInNewContext } from 'node:vm';

import { rolldown } from 'rolldown';
import { afterAll, expect, test } from 'vitest';

import { engineBytes } from '../../src/engine/bytes';

// Inside the package, so that its own name is found.
const folder = mkdtempSync(fileURLToPath(new URL('../../.package-test-', import.meta.url)));
afterAll(() => rmSync(folder, { recursive: true }));

async function bundled(source: string): Promise<string> {
  const input = join(folder, `entry-${source.length}.mjs`);
  writeFileSync(input, source);
  const bundle = await rolldown({ input, platform: 'browser', logLevel: 'silent' });
  const { output } = await bundle.generate({ format: 'iife', name: 'bundle', minify: true });
  expect(output).toHaveLength(1);
  return output[0].code;
}

/** What every browser has, of what the SDK and kit use: nothing of node's. */
const BROWSER = {
  AbortController,
  AbortSignal,
  Event,
  EventTarget,
  TextDecoder,
  TextEncoder,
  URL,
  WebSocket: EventTarget,
  atob,
  btoa,
  clearInterval,
  clearTimeout,
  crypto: globalThis.crypto,
  fetch,
  setInterval,
  setTimeout,
};

test('a bundle for browsers runs without anything of node', async () => {
  const code = await bundled(`
    import * as sdk from '@bulwark/sdk';
    export const amount = sdk.parseAmount('1.5', 6);
    export const price = sdk.formatPrice(sdk.parsePrice('150', { quoteDecimals: 6, lotDecimals: 9 }), { quoteDecimals: 6, lotDecimals: 9 }, 2);
    export const ready = sdk.loadEngine();
    export const handle = sdk.connect({ rpcUrl: 'https://example.org' });
    export const error = sdk.failureOf({
      error: { InstructionError: [0, { Custom: 6001 }] },
      logs: null,
      programs: [sdk.BULWARK_PROGRAM_ADDRESS],
    }).message;
  `);
  expect(code).not.toMatch(/require\(["']node:|from ["']node:/);
  const result = runInNewContext(`${code}; bundle`, { ...BROWSER }) as Record<string, unknown>;
  await result['ready'];
  expect(result['amount']).toBe(1_500_000n);
  expect(result['price']).toBe('150.00');
  // Production builds have the messages, too.
  expect(result['error']).toContain('amount is zero');
});

test('what is not used is not bundled', async () => {
  const events = await bundled(`export { parseEvents } from '@bulwark/sdk';`);
  const deposits = await bundled(`export { connect, deposit, send } from '@bulwark/sdk';`);
  const trading = await bundled(`export { openPosition } from '@bulwark/sdk';`);
  const amounts = await bundled(`export { parseAmount } from '@bulwark/sdk';`);
  console.log(
    [events, deposits, trading, amounts].map((code) => code.length),
    engineBytes.length,
  );
  expect(events.length).toBeLessThan(120_000);
  expect(deposits.length).toBeLessThan(200_000);
  for (const code of [events, deposits]) expect(code).not.toContain(engineBytes);
  for (const code of [trading, amounts]) expect(code).toContain(engineBytes);
  expect(amounts.length - engineBytes.length).toBeLessThan(10_000);
  expect(trading.length - engineBytes.length).toBeLessThan(120_000);
});

test.each(['module', 'commonjs'])('a %s finds the package by its name', (kind) => {
  const names = `{ parseAmount }`;
  const head =
    kind === 'module'
      ? `import ${names} from '@bulwark/sdk'; import * as generated from '@bulwark/sdk/generated';`
      : `const ${names} = require('@bulwark/sdk'); const generated = require('@bulwark/sdk/generated');`;
  const script = join(folder, kind === 'module' ? 'script.mjs' : 'script.cjs');
  const body = `console.log(String(parseAmount('2', 3)), generated.BULWARK_PROGRAM_ADDRESS);`;
  writeFileSync(script, `${head}\n${body}\n`);
  const said = execFileSync(process.execPath, [script], { encoding: 'utf8' });
  expect(said).toMatch(/^2000 [1-9A-HJ-NP-Za-km-z]{43,44}\n$/);
});
