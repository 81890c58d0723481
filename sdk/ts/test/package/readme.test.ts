import { readFileSync } from 'node:fs';

import { expect, test } from 'vitest';

import * as sdk from '../../src';

const read = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8');

test('the README shows the quick start as it is', () => {
  expect(read('README.md')).toContain('```js\n' + read('examples/quickstart.mjs') + '```\n');
});

test('the README names only functions that there are', () => {
  const rows = read('README.md')
    .split('\n')
    .filter((line) => line.startsWith('| ') && line.includes('`'));
  const named = rows.flatMap((row) =>
    Array.from(row.matchAll(/`(\w+)`/g), ([, name]) => name ?? ''),
  );
  expect(named.length).toBeGreaterThan(60);
  for (const name of named) expect(sdk, name).toHaveProperty(name);
});
