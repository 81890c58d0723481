import {
  address,
  getAddressDecoder,
  getAddressEncoder,
  getProgramDerivedAddress,
  getU16Encoder,
  type Address,
} from '@solana/kit';

import {
  findChangePda,
  findMarginAccountPda,
  findRedeemTicketPda,
  findUnstakeTicketPda,
  findVaultPda,
  findVaultTokensPda,
  JUNIOR_MINT_ADDRESS,
  MARKET_ADDRESSES,
  SENIOR_MINT_ADDRESS,
  type OracleSourceArgs,
} from './generated';

/** SPL Token. */
export const TOKEN_PROGRAM_ADDRESS =
  'TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA' as Address<'TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA'>;
/** SPL Token-2022. */
export const TOKEN_2022_PROGRAM_ADDRESS =
  'TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb' as Address<'TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb'>;
/** Associated token accounts. */
export const ASSOCIATED_TOKEN_PROGRAM_ADDRESS =
  'ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL' as Address<'ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL'>;
/** System program; as the delegate or nominee of something: nobody. */
export const SYSTEM_PROGRAM_ADDRESS =
  '11111111111111111111111111111111' as Address<'11111111111111111111111111111111'>;
/** Clock sysvar. */
export const CLOCK_ADDRESS =
  'SysvarC1ock11111111111111111111111111111111' as Address<'SysvarC1ock11111111111111111111111111111111'>;
/** Pyth's push oracle: the program whose addresses hold the sponsored updates of Pyth pull feeds. */
export const PYTH_PUSH_ORACLE_ADDRESS =
  'pythWSnswVUd12oZpeFP8e9CVaEqJg25g1Vtc2biRsT' as Address<'pythWSnswVUd12oZpeFP8e9CVaEqJg25g1Vtc2biRsT'>;

/** Share of the pool that somebody holds: `junior` takes the losses, `senior` the coupon. */
export type TrancheName = 'junior' | 'senior';

/** Primary and optional secondary oracle account. */
export interface OracleAccounts {
  /** Primary. */
  readonly primary: Address;
  /** Secondary, if one is configured. */
  readonly secondary?: Address;
}

/** Margin account of an owner: `subId` says which of them, 0 to 65 535. */
export async function marginAccountAddress(owner: Address, subId = 0): Promise<Address> {
  return (await findMarginAccountPda({ owner, subId }))[0];
}

/** Vault of a mint. */
export async function vaultAddress(mint: Address): Promise<Address> {
  return (await findVaultPda({ mint }))[0];
}

/** Token account of a mint's vault. */
export async function vaultTokensAddress(mint: Address): Promise<Address> {
  return (await findVaultTokensPda({ mint }))[0];
}

/** Governance change with this number. */
export async function changeAddress(nonce: bigint): Promise<Address> {
  return (await findChangePda({ nonce }))[0];
}

/** Redeem ticket of a provider. */
export async function redeemTicketAddress(owner: Address, nonce: bigint): Promise<Address> {
  return (await findRedeemTicketPda({ owner, nonce }))[0];
}

/** Unstake ticket of a staker. */
export async function unstakeTicketAddress(owner: Address, nonce: bigint): Promise<Address> {
  return (await findUnstakeTicketPda({ owner, nonce }))[0];
}

/**
 * Market with this index.
 *
 * @throws RangeError beyond the most markets that an exchange can have.
 */
export function marketAddress(index: number): Address {
  const found = MARKET_ADDRESSES[index];
  if (found === undefined) {
    throw new RangeError(
      `there is no market ${index}: indices go to ${MARKET_ADDRESSES.length - 1}`,
    );
  }
  return found;
}

/** Mint of a tranche's pool shares. */
export function shareMintAddress(tranche: TrancheName): Address {
  return tranche === 'junior' ? JUNIOR_MINT_ADDRESS : SENIOR_MINT_ADDRESS;
}

/** Associated token account of an owner, of SPL Token unless told. */
export async function associatedTokenAddress(
  owner: Address,
  mint: Address,
  tokenProgram: Address = TOKEN_PROGRAM_ADDRESS,
): Promise<Address> {
  const encoder = getAddressEncoder();
  const [found] = await getProgramDerivedAddress({
    programAddress: ASSOCIATED_TOKEN_PROGRAM_ADDRESS,
    seeds: [owner, tokenProgram, mint].map((key) => encoder.encode(key)),
  });
  return found;
}

/** Account that holds the sponsored updates of a Pyth pull feed: one is kept for each of a feed's shards. */
export async function pythFeedAddress(shard: number, feed: ArrayLike<number>): Promise<Address> {
  const [found] = await getProgramDerivedAddress({
    programAddress: address(PYTH_PUSH_ORACLE_ADDRESS),
    seeds: [getU16Encoder().encode(shard), Uint8Array.from(feed)],
  });
  return found;
}

const PYTH_PULL = 1;
const ADDRESSED = /* @__PURE__ */ new Set([2, 3]);

/**
 * Account to read a source from: the one that it names, or shard 0 of its Pyth pull feed. Nothing if no source is
 * configured. A Pyth pull feed can be read from any other account of the receiver with a full update of it, too.
 */
export async function oracleAddress(source: OracleSourceArgs): Promise<Address | undefined> {
  if (source.kind === PYTH_PULL) return pythFeedAddress(0, source.feed);
  return ADDRESSED.has(source.kind) ? getAddressDecoder().decode(source.feed) : undefined;
}

/**
 * Accounts to read a market's or vault's sources from, see {@link oracleAddress}. Nothing without a primary source: there
 * is nothing to refresh then.
 */
export async function oracleAddresses(
  sources: readonly OracleSourceArgs[],
): Promise<OracleAccounts | undefined> {
  const [primary, secondary] = await Promise.all(sources.map(oracleAddress));
  if (primary === undefined) return undefined;
  return secondary === undefined ? { primary } : { primary, secondary };
}
