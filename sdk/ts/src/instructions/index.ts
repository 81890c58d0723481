export * from './backstop';
export {
  ALL_LOTS,
  anyPrice,
  type AnyInstruction,
  type Authority,
  type Margin,
  type Side,
} from './common';
export * from './governance';
export * from './invariants';
export * from './lifecycle';
export * from './liquidation';
export * from './liquidity';
export * from './margin';
export {
  oldLegs,
  oldMarkets,
  refresh,
  refreshMarket,
  refreshVault,
  type Leg,
  type Refreshing,
} from './refresh';
export * from './tokens';
export { closePosition, openPosition, settlePosition } from './trade';
export type { ClosePositionInput, OpenPositionInput } from './trade';
export * from './triggers';
