// Written by scripts/generate.mjs from idl/bulwark.json: run "npm run generate" to write it again.

import type { Decoder } from '@solana/kit';

import {
  getAdminChangedDecoder,
  getAdminNominatedDecoder,
  getAuctionCalledDecoder,
  getBackstopStakedDecoder,
  getBankruptcyResolvedDecoder,
  getChangeCancelledDecoder,
  getChangeExecutedDecoder,
  getChangeProposedDecoder,
  getClaimForfeitedDecoder,
  getCollateralSoldDecoder,
  getDelegateSetDecoder,
  getDepositedDecoder,
  getExchangeInitializedDecoder,
  getInsuranceFundedDecoder,
  getInvariantsCheckedDecoder,
  getLiquidatedDecoder,
  getLiquidityAddedDecoder,
  getLiquidityAllocatedDecoder,
  getMarginAccountClosedDecoder,
  getMarginAccountOpenedDecoder,
  getMarketClosedDecoder,
  getMarketCreatedDecoder,
  getMarketRebalancedDecoder,
  getMarketRefreshedDecoder,
  getMarketSettlingDecoder,
  getMarketStatusChangedDecoder,
  getMarketSweptDecoder,
  getPauseSetDecoder,
  getPositionSettledDecoder,
  getProtocolFeesCollectedDecoder,
  getRedeemCancelledDecoder,
  getRedeemRequestedDecoder,
  getRedeemedDecoder,
  getTightenedDecoder,
  getTradedDecoder,
  getTriggerCancelledDecoder,
  getTriggerExecutedDecoder,
  getTriggerPlacedDecoder,
  getUnstakeCancelledDecoder,
  getUnstakeRequestedDecoder,
  getUnstakedDecoder,
  getVaultCreatedDecoder,
  getVaultRefreshedDecoder,
  getWithdrawnDecoder,
  type AdminChanged,
  type AdminNominated,
  type AuctionCalled,
  type BackstopStaked,
  type BankruptcyResolved,
  type ChangeCancelled,
  type ChangeExecuted,
  type ChangeProposed,
  type ClaimForfeited,
  type CollateralSold,
  type DelegateSet,
  type Deposited,
  type ExchangeInitialized,
  type InsuranceFunded,
  type InvariantsChecked,
  type Liquidated,
  type LiquidityAdded,
  type LiquidityAllocated,
  type MarginAccountClosed,
  type MarginAccountOpened,
  type MarketClosed,
  type MarketCreated,
  type MarketRebalanced,
  type MarketRefreshed,
  type MarketSettling,
  type MarketStatusChanged,
  type MarketSwept,
  type PauseSet,
  type PositionSettled,
  type ProtocolFeesCollected,
  type RedeemCancelled,
  type RedeemRequested,
  type Redeemed,
  type Tightened,
  type Traded,
  type TriggerCancelled,
  type TriggerExecuted,
  type TriggerPlaced,
  type UnstakeCancelled,
  type UnstakeRequested,
  type Unstaked,
  type VaultCreated,
  type VaultRefreshed,
  type Withdrawn,
} from './types';

/** The program's events: name to fields. */
export interface BulwarkEvents {
  /** The exchange has another admin. */
  adminChanged: AdminChanged;
  /** An admin was nominated. */
  adminNominated: AdminNominated;
  /** A liquidation auction began, or was kept running: the account is still in trouble. */
  auctionCalled: AuctionCalled;
  /** Quote tokens were staked behind the markets. */
  backstopStaked: BackstopStaked;
  /** The waterfall paid a market's part of a bankrupt account's debt. The tiers and `unpaid` sum to the debt. */
  bankruptcyResolved: BankruptcyResolved;
  /** A change was cancelled. */
  changeCancelled: ChangeCancelled;
  /** A change was executed. A listing then waits for `create_vault` or `create_market`. */
  changeExecuted: ChangeExecuted;
  /** A change was proposed. */
  changeProposed: ChangeProposed;
  /** A claim of a bankrupt account was cancelled. */
  claimForfeited: ClaimForfeited;
  /** Collateral changed hands for quote. */
  collateralSold: CollateralSold;
  /** The delegate of an account changed. */
  delegateSet: DelegateSet;
  /** Tokens came in. */
  deposited: Deposited;
  /** The exchange exists. */
  exchangeInitialized: ExchangeInitialized;
  /** Somebody gave to the insurance fund's reserve. */
  insuranceFunded: InsuranceFunded;
  /** The invariants that the passed accounts decide were checked. */
  invariantsChecked: InvariantsChecked;
  /** Lots were taken off a position. */
  liquidated: Liquidated;
  /** A provider added liquidity. */
  liquidityAdded: LiquidityAdded;
  /** Pool money moved to (> 0) or from (< 0) a market. */
  liquidityAllocated: LiquidityAllocated;
  /** An empty margin account was closed. */
  marginAccountClosed: MarginAccountClosed;
  /** A margin account was opened. */
  marginAccountOpened: MarginAccountOpened;
  /** A market was closed: what was left in it went where it belongs. */
  marketClosed: MarketClosed;
  /** A market was listed. */
  marketCreated: MarketCreated;
  /** Winners of a market were unwound because its pool money is used up. */
  marketRebalanced: MarketRebalanced;
  /** A market's price was refreshed. */
  marketRefreshed: MarketRefreshed;
  /** A market settles from now on. */
  marketSettling: MarketSettling;
  /** A market moved on in its life. */
  marketStatusChanged: MarketStatusChanged;
  /** A market's fees were distributed. */
  marketSwept: MarketSwept;
  /** Pause bits were set. */
  pauseSet: PauseSet;
  /** A position was settled. */
  positionSettled: PositionSettled;
  /** Protocol fees were collected. */
  protocolFeesCollected: ProtocolFeesCollected;
  /** Pool shares were taken back out of a ticket. */
  redeemCancelled: RedeemCancelled;
  /** Pool shares were put into a ticket. */
  redeemRequested: RedeemRequested;
  /** A ticket was paid, whole or in part. */
  redeemed: Redeemed;
  /** Parameters were tightened at once. */
  tightened: Tightened;
  /** A position was increased or decreased. */
  traded: Traded;
  /** A trigger was cancelled. */
  triggerCancelled: TriggerCancelled;
  /** A trigger was executed; the trade is an event of its own before this one. */
  triggerExecuted: TriggerExecuted;
  /** A trigger was placed. Prices are Q32.32 quote units per lot. */
  triggerPlaced: TriggerPlaced;
  /** A ticket's stake is active again. */
  unstakeCancelled: UnstakeCancelled;
  /** Stake was put into a ticket. */
  unstakeRequested: UnstakeRequested;
  /** A ticket's stake was paid, whole or in part. */
  unstaked: Unstaked;
  /** A collateral was listed. */
  vaultCreated: VaultCreated;
  /** A vault's price was refreshed. */
  vaultRefreshed: VaultRefreshed;
  /** Tokens went out. */
  withdrawn: Withdrawn;
}

/** Discriminator in hexadecimal, name and decoder of every event. */
export const EVENT_DECODERS: readonly (readonly [
  string,
  keyof BulwarkEvents,
  () => Decoder<BulwarkEvents[keyof BulwarkEvents]>,
])[] = [
  ['e8221fe23e121372', 'adminChanged', getAdminChangedDecoder],
  ['16f735213b3b4470', 'adminNominated', getAdminNominatedDecoder],
  ['fc3003153b8bf880', 'auctionCalled', getAuctionCalledDecoder],
  ['9884eed317c93646', 'backstopStaked', getBackstopStakedDecoder],
  ['5e56c4c36a48e3a9', 'bankruptcyResolved', getBankruptcyResolvedDecoder],
  ['8bb36151d615775d', 'changeCancelled', getChangeCancelledDecoder],
  ['3273080c8b08bf1a', 'changeExecuted', getChangeExecutedDecoder],
  ['aa0a0a08f4c49297', 'changeProposed', getChangeProposedDecoder],
  ['4ad4467cf088a652', 'claimForfeited', getClaimForfeitedDecoder],
  ['4d7f5bda75e192ba', 'collateralSold', getCollateralSoldDecoder],
  ['677eef83c91fd4fd', 'delegateSet', getDelegateSetDecoder],
  ['6f8d1a2da1236439', 'deposited', getDepositedDecoder],
  ['c89abba01df3e668', 'exchangeInitialized', getExchangeInitializedDecoder],
  ['9e4817508a3821ce', 'insuranceFunded', getInsuranceFundedDecoder],
  ['58c9499604c03896', 'invariantsChecked', getInvariantsCheckedDecoder],
  ['e739374b00aaf644', 'liquidated', getLiquidatedDecoder],
  ['9a1add6cee40d9a1', 'liquidityAdded', getLiquidityAddedDecoder],
  ['42029ee3de5ee709', 'liquidityAllocated', getLiquidityAllocatedDecoder],
  ['ea684794721e6b26', 'marginAccountClosed', getMarginAccountClosedDecoder],
  ['bdfa0da0fdcddbfb', 'marginAccountOpened', getMarginAccountOpenedDecoder],
  ['565b772b5e00d971', 'marketClosed', getMarketClosedDecoder],
  ['58b882e7e254063a', 'marketCreated', getMarketCreatedDecoder],
  ['42cac2a44c3e3460', 'marketRebalanced', getMarketRebalancedDecoder],
  ['8905e48d485626c5', 'marketRefreshed', getMarketRefreshedDecoder],
  ['a94b457c6a65da09', 'marketSettling', getMarketSettlingDecoder],
  ['3548a0d10fde2e9d', 'marketStatusChanged', getMarketStatusChangedDecoder],
  ['05f687cb4ef003fb', 'marketSwept', getMarketSweptDecoder],
  ['af39c688c042cc49', 'pauseSet', getPauseSetDecoder],
  ['4b645cbdf574fcdd', 'positionSettled', getPositionSettledDecoder],
  ['a5227d9b0f5663bf', 'protocolFeesCollected', getProtocolFeesCollectedDecoder],
  ['d1a607df3119c852', 'redeemCancelled', getRedeemCancelledDecoder],
  ['058243f9f3a80b58', 'redeemRequested', getRedeemRequestedDecoder],
  ['0e1db7471fa56b26', 'redeemed', getRedeemedDecoder],
  ['d5f79bc397f69692', 'tightened', getTightenedDecoder],
  ['e1ca49af932ba096', 'traded', getTradedDecoder],
  ['9e7dcdc4d9adbdfa', 'triggerCancelled', getTriggerCancelledDecoder],
  ['0be60b9eeb32ba70', 'triggerExecuted', getTriggerExecutedDecoder],
  ['a8adca4c98a9acb5', 'triggerPlaced', getTriggerPlacedDecoder],
  ['66dfbd65c9dfb426', 'unstakeCancelled', getUnstakeCancelledDecoder],
  ['15fdb15581ce2a98', 'unstakeRequested', getUnstakeRequestedDecoder],
  ['1bb39cd72f47c307', 'unstaked', getUnstakedDecoder],
  ['751978fe4bec4e73', 'vaultCreated', getVaultCreatedDecoder],
  ['f93f3beb5be98a47', 'vaultRefreshed', getVaultRefreshedDecoder],
  ['1459dfc6c27cdb0d', 'withdrawn', getWithdrawnDecoder],
];
