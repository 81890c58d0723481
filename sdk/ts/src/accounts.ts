import {
  getBase58Decoder,
  type Address,
  type Base58EncodedBytes,
  type Decoder,
  type GetProgramAccountsMemcmpFilter,
  type ReadonlyUint8Array,
} from '@solana/kit';

import { SYSTEM_PROGRAM_ADDRESS } from './addresses';
import type { Bulwark } from './connection';
import {
  BULWARK_PROGRAM_ADDRESS,
  CHANGE_DISCRIMINATOR,
  EXCHANGE_DISCRIMINATOR,
  getChangeDecoder,
  getExchangeDecoder,
  getInsuranceFundDecoder,
  getMarginAccountDecoder,
  getMarketDecoder,
  getPoolDecoder,
  getRedeemTicketDecoder,
  getUnstakeTicketDecoder,
  getVaultDecoder,
  INSURANCE_FUND_DISCRIMINATOR,
  MARGIN_ACCOUNT_DISCRIMINATOR,
  MARKET_DISCRIMINATOR,
  POOL_DISCRIMINATOR,
  REDEEM_TICKET_DISCRIMINATOR,
  UNSTAKE_TICKET_DISCRIMINATOR,
  VAULT_DISCRIMINATOR,
  type Change,
  type MarginAccount,
  type RedeemTicket,
  type UnstakeTicket,
} from './generated';
import { rawAccount } from './raw';

/** An account as it was read. */
export interface Loaded<T> {
  /** Its address. */
  readonly address: Address;
  /** Its content. */
  readonly data: T;
}

/** How to tell and to read a type of account. */
export interface AccountType<T> {
  /** Its name. */
  readonly name: string;
  /** What its bytes begin with. */
  readonly discriminator: ReadonlyUint8Array;
  /** Reads the whole bytes. */
  readonly decoder: () => Decoder<T>;
}

const type = <T>(
  name: string,
  discriminator: ReadonlyUint8Array,
  decoder: () => Decoder<T>,
): AccountType<T> => ({ name, discriminator, decoder });

/** The exchange. */
export const exchangeType = /* @__PURE__ */ type(
  'exchange',
  EXCHANGE_DISCRIMINATOR,
  getExchangeDecoder,
);
/** The pool. */
export const poolType = /* @__PURE__ */ type('pool', POOL_DISCRIMINATOR, getPoolDecoder);
/** The insurance fund. */
export const insuranceFundType = /* @__PURE__ */ type(
  'insurance fund',
  INSURANCE_FUND_DISCRIMINATOR,
  getInsuranceFundDecoder,
);
/** A market. */
export const marketType = /* @__PURE__ */ type('market', MARKET_DISCRIMINATOR, getMarketDecoder);
/** A vault. */
export const vaultType = /* @__PURE__ */ type('vault', VAULT_DISCRIMINATOR, getVaultDecoder);
/** A margin account. */
export const marginAccountType = /* @__PURE__ */ type(
  'margin account',
  MARGIN_ACCOUNT_DISCRIMINATOR,
  getMarginAccountDecoder,
);
/** A governance change. */
export const changeType = /* @__PURE__ */ type('change', CHANGE_DISCRIMINATOR, getChangeDecoder);
/** A redeem ticket. */
export const redeemTicketType = /* @__PURE__ */ type(
  'redeem ticket',
  REDEEM_TICKET_DISCRIMINATOR,
  getRedeemTicketDecoder,
);
/** An unstake ticket. */
export const unstakeTicketType = /* @__PURE__ */ type(
  'unstake ticket',
  UNSTAKE_TICKET_DISCRIMINATOR,
  getUnstakeTicketDecoder,
);

/**
 * Reads the bytes of an account. Whose they are it can't tell: anybody can write the same into an account of another program.
 * {@link readAccount} looks at the owner, too.
 *
 * @throws Error if they are of another type, or too short.
 */
export function decodeAccount<T>(kind: AccountType<T>, bytes: ReadonlyUint8Array): T {
  if (!kind.discriminator.every((byte, i) => bytes[i] === byte)) {
    throw new Error(`the account is no ${kind.name}`);
  }
  return kind.decoder().decode(bytes);
}

/** An account as a node gives it. */
export interface RawAccount {
  /** What is in it. */
  readonly bytes: Uint8Array;
  /** The program that it belongs to, which alone writes it. */
  readonly owner: Address;
}

/**
 * Reads an account that a node gave.
 *
 * @throws Error if it does not exist, belongs to another program, or is of another type.
 */
export function readAccount<T>(
  kind: AccountType<T>,
  at: Address,
  raw: RawAccount | undefined,
): Loaded<T> {
  // Anybody can send lamports to an address before its account is made, and after it is closed.
  const empty = raw?.owner === SYSTEM_PROGRAM_ADDRESS && raw.bytes.length === 0;
  if (raw === undefined || empty) throw new Error(`there is no ${kind.name} at ${at}`);
  if (raw.owner !== BULWARK_PROGRAM_ADDRESS) {
    throw new Error(
      `${at} is no ${kind.name}: it belongs to the program ${raw.owner}, not to Bulwark, ${BULWARK_PROGRAM_ADDRESS}`,
    );
  }
  return { address: at, data: decodeAccount(kind, raw.bytes) };
}

/** Accounts and the slot of one answer, in the order in which they were asked for. */
export interface FetchedBytes {
  /** Slot that the answer is from. */
  readonly slot: bigint;
  /** Bytes and owner of each account that exists. */
  readonly accounts: readonly (RawAccount | undefined)[];
}

const MOST_KEYS = 100;

/** Reads accounts: up to 100 in one request, at one slot. More are read in several requests at once; the slot is the lowest. */
export async function fetchBytes(handle: Bulwark, keys: readonly Address[]): Promise<FetchedBytes> {
  const { commitment, rpc } = handle;
  if (keys.length === 0) return { slot: await rpc.getSlot({ commitment }).send(), accounts: [] };
  const starts = Array.from(
    { length: Math.ceil(keys.length / MOST_KEYS) },
    (_, i) => i * MOST_KEYS,
  );
  const config = { commitment, encoding: 'base64' } as const;
  const answers = await Promise.all(
    starts.map((at) => rpc.getMultipleAccounts(keys.slice(at, at + MOST_KEYS), config).send()),
  );
  const slots = answers.map((answer) => answer.context.slot);
  return {
    slot: slots.reduce((least, slot) => (slot < least ? slot : least)),
    accounts: answers.flatMap((answer) =>
      answer.value.map((found) => (found === null ? undefined : rawAccount(found))),
    ),
  };
}

/**
 * Reads one account.
 *
 * @throws Error if it does not exist, belongs to another program, or is of another type.
 */
export async function loadAccount<T>(
  handle: Bulwark,
  kind: AccountType<T>,
  at: Address,
): Promise<Loaded<T>> {
  const { accounts } = await fetchBytes(handle, [at]);
  return readAccount(kind, at, accounts[0]);
}

const DISCRIMINATOR_BYTES = 8n;

function matches(offset: bigint, bytes: string): GetProgramAccountsMemcmpFilter {
  return { memcmp: { offset, bytes: bytes as Base58EncodedBytes, encoding: 'base58' } };
}

/**
 * Reads all of the program's accounts of a type; with `owner` only those that begin with this key, which in margin
 * accounts and tickets is the owner. Asks for `getProgramAccounts`, which some endpoints refuse.
 *
 * @throws Error if the endpoint gives what was not asked for: an account of another program or type.
 */
export async function loadAccounts<T>(
  handle: Bulwark,
  kind: AccountType<T>,
  owner?: Address,
): Promise<Loaded<T>[]> {
  const filters = [matches(0n, getBase58Decoder().decode(kind.discriminator))];
  if (owner !== undefined) filters.push(matches(DISCRIMINATOR_BYTES, owner));
  const config = { commitment: handle.commitment, encoding: 'base64', filters } as const;
  const found = await handle.rpc.getProgramAccounts(BULWARK_PROGRAM_ADDRESS, config).send();
  return found.map(({ pubkey, account }) => readAccount(kind, pubkey, rawAccount(account)));
}

/** Margin accounts of an owner. */
export function loadMarginAccounts(
  handle: Bulwark,
  owner: Address,
): Promise<Loaded<MarginAccount>[]> {
  return loadAccounts(handle, marginAccountType, owner);
}

/** Redeem tickets of a provider. */
export function loadRedeemTickets(
  handle: Bulwark,
  owner: Address,
): Promise<Loaded<RedeemTicket>[]> {
  return loadAccounts(handle, redeemTicketType, owner);
}

/** Unstake tickets of a staker. */
export function loadUnstakeTickets(
  handle: Bulwark,
  owner: Address,
): Promise<Loaded<UnstakeTicket>[]> {
  return loadAccounts(handle, unstakeTicketType, owner);
}

/** All governance changes that wait, by number. */
export async function loadChanges(handle: Bulwark): Promise<Loaded<Change>[]> {
  const changes = await loadAccounts(handle, changeType);
  return changes.toSorted((left, right) => (left.data.nonce < right.data.nonce ? -1 : 1));
}
