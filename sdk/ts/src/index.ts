/**
 * Client of Bulwark, a perpetuals clearinghouse for Solana. Small functions over plain data: what is not used is not bundled.
 *
 * Amounts are bigints in the smallest units of their token, prices are bigints, Q32.32 quote units per lot; decimals go in and
 * out by {@link parseAmount} and its like. What is computed about money is computed by the engine that the program runs.
 *
 * What is generated from the interface description is at `@bulwark/sdk/generated`.
 *
 * @packageDocumentation
 */
export * from './accounts';
export * from './addresses';
export * from './connection';
export * from './context';
export { EngineError, loadEngine } from './engine';
export * from './errors';
export * from './events';
export * from './fees';
export {
  BACKSTOP_MINT_ADDRESS,
  BULWARK_PROGRAM_ADDRESS,
  EXCHANGE_ADDRESS,
  INSURANCE_FUND_ADDRESS,
  JUNIOR_MINT_ADDRESS,
  POOL_ADDRESS,
  PROGRAM_DATA_ADDRESS,
  SENIOR_MINT_ADDRESS,
} from './generated';
export type * from './generated/accounts';
export type * from './generated/types';
export type { BulwarkErrorName, BulwarkEvents } from './generated';
export * from './governance';
export * from './instructions';
export * from './listings';
export * from './lookup-table';
export * from './send';
export {
  buildTransaction,
  simulate,
  splitRefreshes,
  type BuildOptions,
  type BuiltTransaction,
  type Simulation,
} from './transaction';
export * from './units';
export * from './view';
export * from './watch';
