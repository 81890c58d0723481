import { expect, test } from 'vitest';

import {
  EngineError,
  formatAmount,
  formatPrice,
  parseAmount,
  parsePrice,
  worsePrice,
} from '../../src';

// The same cases as in sdk/rust/src/units.rs.
test('amounts go in and out exactly', () => {
  expect(parseAmount('1.5', 6)).toBe(1_500_000n);
  expect(parseAmount('.5', 1)).toBe(5n);
  expect(parseAmount('7', 0)).toBe(7n);
  expect(parseAmount('18446744073709551615', 0)).toBe(2n ** 64n - 1n);
  expect(() => parseAmount('1.23', 1)).toThrow('more than 1 decimals');
  expect(() => parseAmount('99999999999999999999', 0)).toThrow('out of range');
  for (const bad of ['', '.', '-1', '1e3', '1.2.3', '１', '1n']) {
    expect(() => parseAmount(bad, 6), bad).toThrow(EngineError);
  }
  expect(formatAmount(-1_500_000n, 6)).toBe('-1.500000');
  expect(formatAmount(5n, 6)).toBe('0.000005');
  expect(formatAmount(5n, 0)).toBe('5');
  expect(formatAmount(-(2n ** 63n), 6)).toBe('-9223372036854.775808');
});

test('an amount that does not fit is refused, not cut', () => {
  expect(() => formatAmount(2n ** 63n, 0)).toThrow(EngineError);
});

test('prices go in and out to the precision of the program', () => {
  const sol = { quoteDecimals: 6, lotDecimals: 9 };
  const price = parsePrice('150', sol);
  expect(price).toBe((15n << 32n) / 100n);
  expect(formatPrice(price, sol, 2)).toBe('150.00');
  const btc = { quoteDecimals: 6, lotDecimals: 11 };
  expect(formatPrice(parsePrice('60123.45', btc), btc, 2)).toBe('60123.45');
  expect(() => parsePrice('0', sol)).toThrow('out of range');
});

test('a worse price is higher for who buys and lower for who sells', () => {
  expect(worsePrice(1_000_001n, 'buy', 10_000)).toBe(1_010_002n);
  expect(worsePrice(1_000_001n, 'sell', 10_000)).toBe(990_000n);
  expect(worsePrice(7n, 'buy', 0)).toBe(7n);
  expect(worsePrice(2n ** 64n - 1n, 'buy', 1)).toBe(2n ** 64n - 1n);
  for (const bad of [-1, 1_000_001, 0.5, NaN]) {
    expect(() => worsePrice(7n, 'buy', bad), String(bad)).toThrow(RangeError);
  }
});
