// Written by scripts/generate.mjs from idl/bulwark.json: run "npm run generate" to write it again.

/** Names of the program's errors. */
export type BulwarkErrorName =
  | 'Overflow'
  | 'ZeroAmount'
  | 'PriceOutOfRange'
  | 'PublishTimeWentBack'
  | 'PublishTimeInFuture'
  | 'NoValidSource'
  | 'PrimaryStillValid'
  | 'SecondaryStillValid'
  | 'PriceStale'
  | 'PriceWide'
  | 'PriceDivergent'
  | 'NotAMultipleOfStep'
  | 'CloseExceedsPosition'
  | 'OppositeSide'
  | 'NoPosition'
  | 'LimitPrice'
  | 'ImpactTooLarge'
  | 'BelowMinNotional'
  | 'OpenInterestCap'
  | 'SkewCap'
  | 'ProfitCap'
  | 'ShareCap'
  | 'DepositCap'
  | 'OutflowLimit'
  | 'InvalidTrigger'
  | 'TriggerNotMet'
  | 'NoTrigger'
  | 'NoFreeTriggerSlot'
  | 'SharePriceTooLow'
  | 'SeniorImpaired'
  | 'SeniorRatio'
  | 'RedeemTooEarly'
  | 'RedeemTooLate'
  | 'UnstakeTooEarly'
  | 'UnstakeTooLate'
  | 'Healthy'
  | 'SkewWouldGrow'
  | 'NotTheWorst'
  | 'NotExposed'
  | 'LighterSide'
  | 'BelowCutoff'
  | 'NotExhausted'
  | 'NoWinners'
  | 'NotBankrupt'
  | 'NoDebtHere'
  | 'Settling'
  | 'ClaimsWait'
  | 'WorthNothing'
  | 'PoolIdle'
  | 'PoolUtilisation'
  | 'BelowMinimumAmount'
  | 'InsufficientMargin'
  | 'ParameterOutOfBounds'
  | 'InsufficientBalance'
  | 'TooSmallForOneShare'
  | 'Corrupt'
  | 'OracleWrongOwner'
  | 'OracleWrongAccount'
  | 'OracleWrongFeed'
  | 'OracleNotFullyVerified'
  | 'OracleMalformed'
  | 'OracleNotTrading'
  | 'OracleNonPositivePrice'
  | 'OracleAccountMissing'
  | 'OracleNotConfigured'
  | 'Unauthorized'
  | 'NotUpgradeAuthority'
  | 'Paused'
  | 'ReduceOnly'
  | 'NoFreePositionSlot'
  | 'NoFreeCollateralSlot'
  | 'NewCollateralByStranger'
  | 'AccountNotEmpty'
  | 'WrongIncarnation'
  | 'AccountMissing'
  | 'WrongAccount'
  | 'DuplicateAccount'
  | 'UnsupportedMint'
  | 'BadTokenAccount'
  | 'TransferMismatch'
  | 'BelowMinimumShares'
  | 'NothingToAllocate'
  | 'TooManyListings'
  | 'Loosens'
  | 'StepTooLarge'
  | 'StepTooSoon'
  | 'NothingChanges'
  | 'ChangeTooEarly'
  | 'ChangeExpired'
  | 'ChangeVoid'
  | 'ChangeNotExecuted'
  | 'ChangeIsExecuted'
  | 'BadNonce'
  | 'NotTightenable'
  | 'BadTransition'
  | 'InvalidPayload'
  | 'DurableNonce'
  | 'ExitPauseTooSoon'
  | 'NoNomination'
  | 'MarketNotEmpty'
  | 'OracleAlive'
  | 'NoOutage'
  | 'NotSuspended';

/** Name and message of each of the program's errors, by code. */
export const BULWARK_ERRORS: Readonly<
  Record<number, readonly [name: BulwarkErrorName, message: string]>
> = {
  6000: ['Overflow', 'an amount does not fit: use a smaller one'],
  6001: ['ZeroAmount', 'amount is zero: pass at least one unit; a claim is paid by settle_position, not closed'],
  6002: ['PriceOutOfRange', 'price out of range: a lot or token unit must be worth between 2^-12 and 2^14 quote units'],
  6003: ['PublishTimeWentBack', 'this oracle print is older than the stored one: pass the newest price account'],
  6004: ['PublishTimeInFuture', 'this oracle print is ahead of the clock: wait, or pass another price account'],
  6005: ['NoValidSource', 'no oracle source has a young enough print: post a new one, then refresh'],
  6006: ['PrimaryStillValid', 'the secondary oracle counts only while the primary is dead: pass a current primary account'],
  6007: ['SecondaryStillValid', 'the secondary oracle is known to be alive: pass a current secondary account'],
  6008: ['PriceStale', 'the stored price is too old for this: send refresh_market or refresh_vault first'],
  6009: ['PriceWide', 'the price\'s confidence interval is too wide for this: wait for a narrower print'],
  6010: ['PriceDivergent', 'the two oracle sources disagree: wait until they agree, then refresh'],
  6011: ['NotAMultipleOfStep', 'lots must be a multiple of the market\'s step'],
  6012: ['CloseExceedsPosition', 'more lots than the position has: use u64::MAX to close all'],
  6013: ['OppositeSide', 'the slot holds a position or claim of the other side: close it, or settle_position once cash has arrived'],
  6014: ['NoPosition', 'no position in this market'],
  6015: ['LimitPrice', 'the fill would be worse than the limit price: widen the limit or trade less'],
  6016: ['ImpactTooLarge', 'the trade would move the price beyond max_impact: trade less'],
  6017: ['BelowMinNotional', 'the position would be worth less than min_notional: trade more, or close it whole'],
  6018: ['OpenInterestCap', 'open interest would exceed its cap: trade less'],
  6019: ['SkewCap', 'skew would exceed its share of the market\'s equity: trade less, or the other side'],
  6020: ['ProfitCap', 'traders\' profit is at its share of the market\'s cash: no increase until allocate_liquidity or a price move'],
  6021: ['ShareCap', 'the account would hold too large a share of its side: trade less'],
  6022: ['DepositCap', 'the vault\'s deposit cap is reached: deposit less'],
  6023: ['OutflowLimit', 'more than may leave the vault now: see the log for what may; withdraw less, or later'],
  6024: ['InvalidTrigger', 'not a valid trigger: see the log for the field and its range'],
  6025: ['TriggerNotMet', 'the mark price has not reached the trigger: refresh the market, or wait'],
  6026: ['NoTrigger', 'no trigger with this id: it was executed or cancelled'],
  6027: ['NoFreeTriggerSlot', 'all 8 trigger slots are in use: cancel one first'],
  6028: ['SharePriceTooLow', 'junior shares are worth under a thousandth of a quote unit: no deposits until they recover'],
  6029: ['SeniorImpaired', 'the pool owes its senior shares more than it is worth: no deposits until it recovers'],
  6030: ['SeniorRatio', 'the senior claim would exceed its ratio to the junior tranche: more junior or less senior first'],
  6031: ['RedeemTooEarly', 'too early to redeem or cancel this ticket: see the log for the seconds left'],
  6032: ['RedeemTooLate', 'the redeem window is over: send cancel_redeem, then request_redeem again'],
  6033: ['UnstakeTooEarly', 'the unstake cooldown is not over: see the log for the seconds left'],
  6034: ['UnstakeTooLate', 'the window to take the stake out is over: request again'],
  6035: ['Healthy', 'the account holds its maintenance requirement: there is nothing to liquidate'],
  6036: ['SkewWouldGrow', 'the pool takes at once only what brings the skew nearer to zero: wait until the auction is over'],
  6037: ['NotTheWorst', 'another position of the account requires more: liquidate that one first'],
  6038: ['NotExposed', 'neither the traders\' profit nor the skew is above its limit: nothing to deleverage'],
  6039: ['LighterSide', 'only positions of the side that the skew is on are reduced: pass another account'],
  6040: ['BelowCutoff', 'the account\'s leverage is below the cut-off: pass another account, or wait until it has fallen'],
  6041: ['NotExhausted', 'the pool\'s money in this market is not used up: nothing to rebalance'],
  6042: ['NoWinners', 'no position is known to be in profit by more than rounding: send settle_position for the winners first'],
  6043: ['NotBankrupt', 'the account is not bankrupt: see the log for what it still has'],
  6044: ['NoDebtHere', 'the account owes nothing for this market: pass one where it lost'],
  6045: ['Settling', 'the market settles: send settle_position, nothing else changes a position'],
  6046: ['ClaimsWait', 'claims on a settling market are paid after the last position is settled and the last debt resolved'],
  6047: ['WorthNothing', 'the shares are worth nothing after the fee: keep them'],
  6048: ['PoolIdle', 'the pool\'s cash is in the markets: send allocate_liquidity for a market above its target first'],
  6049: ['PoolUtilisation', 'what is left of the pool would be too little for its exposure: wait until skew or deposits change'],
  6050: ['BelowMinimumAmount', 'what would be paid is less than the minimum asked for'],
  6051: ['InsufficientMargin', 'equity would be below the margin requirement: deposit more or reduce'],
  6052: ['ParameterOutOfBounds', 'a parameter is outside its hard bound: see the log for its name and range'],
  6053: ['InsufficientBalance', 'the balance is smaller than the amount'],
  6054: ['TooSmallForOneShare', 'the amount buys less than one share: deposit more'],
  6055: ['Corrupt', 'stored state is corrupt: send check_invariants and report it'],
  6056: ['OracleWrongOwner', 'the oracle account is not owned by the configured program'],
  6057: ['OracleWrongAccount', 'the oracle account is not the configured one'],
  6058: ['OracleWrongFeed', 'the oracle account carries another feed: pass the configured feed'],
  6059: ['OracleNotFullyVerified', 'the price update is not fully verified: post it with full verification'],
  6060: ['OracleMalformed', 'the oracle account cannot be read'],
  6061: ['OracleNotTrading', 'the oracle does not trade at present: wait, or use the secondary source'],
  6062: ['OracleNonPositivePrice', 'the oracle\'s price is zero or negative'],
  6063: ['OracleAccountMissing', 'both configured oracle accounts must be passed'],
  6064: ['OracleNotConfigured', 'this source is not configured: leave the account out'],
  6065: ['Unauthorized', 'signer is not allowed to do this'],
  6066: ['NotUpgradeAuthority', 'signer is not the program\'s upgrade authority'],
  6067: ['Paused', 'this action is paused: see the pause bits of exchange and market'],
  6068: ['ReduceOnly', 'the market is reduce-only: positions can only be closed'],
  6069: ['NoFreePositionSlot', 'all 16 position slots are in use: close one first'],
  6070: ['NoFreeCollateralSlot', 'all 8 collateral slots are in use: withdraw one first'],
  6071: ['NewCollateralByStranger', 'only owner and delegate may deposit a collateral that the account does not hold yet'],
  6072: ['AccountNotEmpty', 'the margin account still holds something, or a market still holds something back for it: close, withdraw, settle_position'],
  6073: ['WrongIncarnation', 'signed for an earlier incarnation of this account: sign again'],
  6074: ['AccountMissing', 'an account is missing: see the instruction for what must follow, markets before vaults, in slot order'],
  6075: ['WrongAccount', 'this is not the expected market or vault: pass them in slot order'],
  6076: ['DuplicateAccount', 'an account was passed twice'],
  6077: ['UnsupportedMint', 'the mint has an extension that can change amounts or authority'],
  6078: ['BadTokenAccount', 'the token account must be initialized, of the right mint and owner, without delegate or close authority'],
  6079: ['TransferMismatch', 'the vault\'s balance changed by another amount than the transfer named'],
  6080: ['BelowMinimumShares', 'the shares received would be fewer than the minimum asked for'],
  6081: ['NothingToAllocate', 'nothing to move: the market is at its target, has lost what it was lent, or the pool has no idle cash'],
  6082: ['TooManyListings', 'limit of markets or vaults reached'],
  6083: ['Loosens', 'a parameter would be less strict than it is: see the log for which; propose_change'],
  6084: ['StepTooLarge', 'a parameter would move further than one change may: see the log for which, and how far it may'],
  6085: ['StepTooSoon', 'a parameter that hurts users has one step a week: see the log for which, and the seconds left'],
  6086: ['NothingChanges', 'these parameters are in force already: nothing to do'],
  6087: ['ChangeTooEarly', 'the delay of the change is not over: see the log for the seconds left'],
  6088: ['ChangeExpired', 'the change has lapsed: cancel_change returns its rent, then propose_change again'],
  6089: ['ChangeVoid', 'the target or the admin has changed since this was proposed: cancel_change, then propose_change again'],
  6090: ['ChangeNotExecuted', 'the listing was not executed yet: send execute_change first'],
  6091: ['ChangeIsExecuted', 'the listing was executed already: send create_vault or create_market'],
  6092: ['BadNonce', 'the change\'s number was used, or is more than 1,000 ahead: take the exchange\'s next_change'],
  6093: ['NotTightenable', 'tighten takes parameters and ReduceOnly: everything else waits, propose_change'],
  6094: ['BadTransition', 'the market can\'t go from its present status to this one: ReduceOnly comes before Settling and Active'],
  6095: ['InvalidPayload', 'the change makes no sense: see the instruction\'s documentation for the fields that must be set'],
  6096: ['DurableNonce', 'the admin signs for now, not for later: send without a durable nonce'],
  6097: ['ExitPauseTooSoon', 'ways out were paused a short time ago: see the log for when they can be again'],
  6098: ['NoNomination', 'nobody is nominated, or somebody else: nominate_admin first'],
  6099: ['MarketNotEmpty', 'the market is not settled to the last position, claim and debt: settle_position, resolve_bankruptcy'],
  6100: ['OracleAlive', 'the oracle printed within a day: the price of settlement is the oracle\'s, pass 0'],
  6101: ['NoOutage', 'the market had a price within max_outage: refresh_market, there is nothing to suspend'],
  6102: ['NotSuspended', 'the market was not suspended for an outage, or not for long enough: see max_outage'],
};
