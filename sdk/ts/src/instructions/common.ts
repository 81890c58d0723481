import {
  AccountRole,
  createNoopSigner,
  type AccountMeta,
  type Address,
  type Instruction,
  type InstructionWithAccounts,
  type InstructionWithData,
  type ReadonlyUint8Array,
  type TransactionSigner,
} from '@solana/kit';

import type { Loaded } from '../accounts';
import type { MarginAccount } from '../generated';

/** Who signs: a signer, or the address of somebody who signs later or elsewhere, as a multisig does. */
export type Authority = Address | TransactionSigner;

/** An instruction of any program. */
export type AnyInstruction = Instruction &
  InstructionWithAccounts<readonly AccountMeta[]> &
  InstructionWithData<ReadonlyUint8Array>;

/** Which side of the market a position is on. */
export type Side = 'long' | 'short';

/** A margin account as it was read. Signed arguments name the incarnation that it shows. */
export type Margin = Loaded<MarginAccount>;

/** All lots of a position, or all that an auction offers: 2^64 − 1. */
export const ALL_LOTS: bigint = 0xffff_ffff_ffff_ffffn;

/** The side as the program writes it. */
export function sideByte(side: Side): number {
  return side === 'long' ? 0 : 1;
}

/** The side of a byte of the program. */
export function sideOf(byte: number): Side {
  return byte === 0 ? 'long' : 'short';
}

/**
 * The limit price that takes any price: 2^64 − 1 for who buys (opens a long, closes a short), 0 for who sells.
 */
export function anyPrice(direction: 'buy' | 'sell'): bigint {
  return direction === 'buy' ? ALL_LOTS : 0n;
}

/** The signer of an authority. */
export function signerOf(authority: Authority): TransactionSigner {
  return typeof authority === 'string' ? createNoopSigner(authority) : authority;
}

/** The address of an authority. */
export function addressOf(authority: Authority): Address {
  return typeof authority === 'string' ? authority : authority.address;
}

/** The instruction with accounts after its own, to be read. */
export function withReadonly(instruction: AnyInstruction, keys: Iterable<Address>): AnyInstruction {
  return withRole(instruction, keys, AccountRole.READONLY);
}

/** The instruction with accounts after its own, to be written. */
export function withWritable(instruction: AnyInstruction, keys: Iterable<Address>): AnyInstruction {
  return withRole(instruction, keys, AccountRole.WRITABLE);
}

function withRole(
  instruction: AnyInstruction,
  keys: Iterable<Address>,
  role: AccountRole.READONLY | AccountRole.WRITABLE,
): AnyInstruction {
  const more = Array.from(keys, (address) => ({ address, role }));
  return { ...instruction, accounts: [...instruction.accounts, ...more] };
}
