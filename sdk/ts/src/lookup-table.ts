import {
  AccountRole,
  getAddressEncoder,
  getProgramDerivedAddress,
  getAddressDecoder,
  getU64Encoder,
  type Address,
  type AddressesByLookupTableAddress,
} from '@solana/kit';

import { SYSTEM_PROGRAM_ADDRESS, TOKEN_PROGRAM_ADDRESS, oracleAddresses } from './addresses';
import { fetchBytes, type RawAccount } from './accounts';
import type { Bulwark } from './connection';
import type { Context } from './context';
import {
  BACKSTOP_MINT_ADDRESS,
  BULWARK_PROGRAM_ADDRESS,
  EXCHANGE_ADDRESS,
  INSURANCE_FUND_ADDRESS,
  JUNIOR_MINT_ADDRESS,
  POOL_ADDRESS,
  SENIOR_MINT_ADDRESS,
} from './generated';
import { addressOf, signerOf, type AnyInstruction, type Authority } from './instructions/common';

/** The address lookup table program. */
export const LOOKUP_TABLE_PROGRAM_ADDRESS =
  'AddressLookupTab1e1111111111111111111111111' as Address<'AddressLookupTab1e1111111111111111111111111'>;

const CREATE = 0;
const EXTEND = 2;
/** Addresses that one instruction can add and still fit a transaction. */
const MOST_AT_ONCE = 25;

/** Little-endian number of four bytes. */
function u32(value: number): Uint8Array {
  return Uint8Array.of(value, 0, 0, 0);
}

function bytes(...parts: readonly ArrayLike<number>[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => Array.from(part)));
}

/** Input of {@link createLookupTable}. */
export interface CreateLookupTableInput {
  /** Who may add to it and close it. Signs. */
  readonly authority: Authority;
  /** Pays the rent; the authority by default. Signs. */
  readonly payer?: Authority;
  /** A recent slot: part of the table's address. */
  readonly recentSlot: bigint;
}

/** An address lookup table that is to be created, and the instruction that does it. */
export async function createLookupTable(
  input: CreateLookupTableInput,
): Promise<{ readonly table: Address; readonly instructions: AnyInstruction[] }> {
  const { authority, payer = authority, recentSlot } = input;
  const slot = getU64Encoder().encode(recentSlot);
  const [table, bump] = await getProgramDerivedAddress({
    programAddress: LOOKUP_TABLE_PROGRAM_ADDRESS,
    seeds: [getAddressEncoder().encode(addressOf(authority)), slot],
  });
  const data = bytes(u32(CREATE), slot, [bump]);
  const accounts = [...tableAccounts(table, authority, payer)];
  return { table, instructions: [instructionOf(accounts, data)] };
}

/** Input of {@link extendLookupTable}. */
export interface ExtendLookupTableInput {
  /** The table. */
  readonly table: Address;
  /** Who may add to it. Signs. */
  readonly authority: Authority;
  /** Pays the rent; the authority by default. Signs. */
  readonly payer?: Authority;
  /** What to add. */
  readonly addresses: readonly Address[];
}

/**
 * Adds addresses to a lookup table: instructions that each fill a transaction of their own. What was added can be used from
 * the next slot on.
 */
export async function extendLookupTable(input: ExtendLookupTableInput): Promise<AnyInstruction[]> {
  const { table, authority, payer = authority, addresses } = input;
  const accounts = [...tableAccounts(table, authority, payer)];
  const starts = Array.from({ length: Math.ceil(addresses.length / MOST_AT_ONCE) }, (_, i) => i);
  return starts.map((start) => {
    const part = addresses.slice(start * MOST_AT_ONCE, (start + 1) * MOST_AT_ONCE);
    const keys = part.map((key) => getAddressEncoder().encode(key));
    const length = getU64Encoder().encode(BigInt(part.length));
    return instructionOf(accounts, bytes(u32(EXTEND), length, ...keys));
  });
}

/** The table, who may change it, who pays, and the system program. */
function tableAccounts(
  table: Address,
  authority: Authority,
  payer: Authority,
): AnyInstruction['accounts'] {
  const [signs, pays] = [signerOf(authority), signerOf(payer)];
  return [
    { address: table, role: AccountRole.WRITABLE },
    { address: signs.address, role: AccountRole.READONLY_SIGNER, signer: signs },
    { address: pays.address, role: AccountRole.WRITABLE_SIGNER, signer: pays },
    { address: SYSTEM_PROGRAM_ADDRESS, role: AccountRole.READONLY },
  ] as AnyInstruction['accounts'];
}

function instructionOf(accounts: AnyInstruction['accounts'], data: Uint8Array): AnyInstruction {
  return { programAddress: LOOKUP_TABLE_PROGRAM_ADDRESS, accounts, data };
}

/**
 * Addresses that instructions name again and again: the single accounts, all markets and vaults, their tokens, mints and
 * oracles. With a table of them a transaction for an account at its largest fits.
 */
export async function commonAddresses(context: Context): Promise<Address[]> {
  const { listings } = context;
  const single = [
    BULWARK_PROGRAM_ADDRESS,
    EXCHANGE_ADDRESS,
    POOL_ADDRESS,
    INSURANCE_FUND_ADDRESS,
    JUNIOR_MINT_ADDRESS,
    SENIOR_MINT_ADDRESS,
    BACKSTOP_MINT_ADDRESS,
    SYSTEM_PROGRAM_ADDRESS,
    TOKEN_PROGRAM_ADDRESS,
  ];
  const vaults = [...listings.vaults.values()];
  const tokens = vaults.flatMap((v) => [v.address, v.mint, v.tokenAccount, v.tokenProgram]);
  const listed = [...context.markets.values(), ...context.vaults.values()];
  const oracles = await Promise.all(listed.map(({ data }) => oracleAddresses(data.sources)));
  const sources = oracles.flatMap((found) => [found?.primary ?? [], found?.secondary ?? []].flat());
  return [...new Set([...single, ...listings.markets.values(), ...tokens, ...sources])];
}

/** What a table begins with: a number that it is one. */
const IS_TABLE = 1;
const HEAD_BYTES = 56;
const KEY_BYTES = 32;
/** Slot in which a table was deactivated that was not. */
const ACTIVE = 0xffff_ffff_ffff_ffffn;

/**
 * What can be used of lookup tables now: all but the addresses that were added in the slot that was read.
 *
 * @throws Error if there is no such table, or it is being closed: the transaction would be refused.
 */
export async function loadLookupTables(
  handle: Bulwark,
  tables: readonly Address[],
): Promise<AddressesByLookupTableAddress> {
  const { accounts, slot } = await fetchBytes(handle, tables);
  const entries = tables.map((table, i) => [table, usable(table, accounts[i], slot)] as const);
  return Object.fromEntries(entries);
}

function usable(table: Address, raw: RawAccount | undefined, slot: bigint): Address[] {
  if (raw?.owner !== LOOKUP_TABLE_PROGRAM_ADDRESS || raw.bytes.length < HEAD_BYTES) {
    throw new Error(`there is no lookup table at ${table}`);
  }
  const head = new DataView(raw.bytes.buffer, raw.bytes.byteOffset, HEAD_BYTES);
  if (head.getUint32(0, true) !== IS_TABLE) throw new Error(`there is no lookup table at ${table}`);
  if (head.getBigUint64(4, true) !== ACTIVE) {
    throw new Error(`the lookup table ${table} is being closed: create another one`);
  }
  const [lastExtended, before] = [head.getBigUint64(12, true), head.getUint8(20)];
  const all = Math.floor((raw.bytes.length - HEAD_BYTES) / KEY_BYTES);
  const count = slot > lastExtended ? all : Math.min(before, all);
  const decoder = getAddressDecoder();
  return Array.from({ length: count }, (_, i) =>
    decoder.decode(raw.bytes, HEAD_BYTES + i * KEY_BYTES),
  );
}
