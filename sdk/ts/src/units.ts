import { ask } from './engine';

/** Decimals of a price: those of the quote token, and of a lot, which is 10^−`lotDecimals` of the base. */
export interface PriceDecimals {
  /** Decimals of the quote token. */
  readonly quoteDecimals: number;
  /** A lot is 10^−`lotDecimals` of the base. */
  readonly lotDecimals: number;
}

/**
 * Smallest units of a decimal amount: `parseAmount('1.5', 6)` is `1_500_000n`. Nothing is rounded.
 *
 * @throws {@link EngineError} for what is no plain decimal number, is too precise or does not fit 64 bits.
 */
export function parseAmount(text: string, decimals: number): bigint {
  return ask({ ask: 'parseAmount', text, decimals });
}

/** Decimal form of an amount of smallest units: `formatAmount(-1_500_000n, 6)` is `'-1.500000'`. */
export function formatAmount(amount: bigint, decimals: number): string {
  return ask({ ask: 'formatAmount', amount, decimals });
}

/**
 * Price per lot (Q32.32 quote units) of a decimal price per whole base, rounded down.
 *
 * @throws {@link EngineError} for what is no plain decimal number, has more than nine decimals or is outside the range of
 * prices.
 */
export function parsePrice(text: string, decimals: PriceDecimals): bigint {
  return ask({ ask: 'parsePrice', text, ...decimals });
}

/**
 * Decimal price per whole base of a price per lot (Q32.32 quote units), rounded to `digits` behind the point.
 *
 * @throws {@link EngineError} outside the range of prices.
 */
export function formatPrice(price: bigint, decimals: PriceDecimals, digits: number): string {
  return ask({ ask: 'formatPrice', price, ...decimals, digits });
}

const PPM = 1_000_000n;
const MOST = 0xffff_ffff_ffff_ffffn;

/**
 * A limit price that is `slippagePpm` parts per million worse than a price: higher for who buys, rounded up, lower for who
 * sells, rounded down. Prices are Q32.32 quote units per lot.
 *
 * @throws RangeError for slippage below 0, or above 100 %.
 */
export function worsePrice(price: bigint, direction: 'buy' | 'sell', slippagePpm: number): bigint {
  if (!Number.isInteger(slippagePpm) || slippagePpm < 0 || slippagePpm > Number(PPM)) {
    throw new RangeError('slippage is a whole number of ppm, at most 1 000 000');
  }
  const slippage = BigInt(slippagePpm);
  if (direction === 'sell') return (price * (PPM - slippage)) / PPM;
  const worse = (price * (PPM + slippage) + PPM - 1n) / PPM;
  return worse < MOST ? worse : MOST;
}
