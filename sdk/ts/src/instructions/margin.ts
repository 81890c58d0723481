import type { Address } from '@solana/kit';

import { associatedTokenAddress, marginAccountAddress, SYSTEM_PROGRAM_ADDRESS } from '../addresses';
import type { MarginContext } from '../context';
import {
  getCloseMarginAccountInstruction,
  getDepositInstruction,
  getOpenMarginAccountInstruction,
  getSetDelegateInstruction,
  getWithdrawInstruction,
} from '../generated';
import { hasPositions, legs, QUOTE, vaultOf, type Listings } from '../listings';
import {
  addressOf,
  signerOf,
  withReadonly,
  type AnyInstruction,
  type Authority,
  type Margin,
} from './common';
import { inFront, oldLegs, type Refreshing } from './refresh';
import { createTokenAccount } from './tokens';

/** Input of {@link openMarginAccount}. */
export interface OpenMarginAccountInput {
  /** Owner of the new account. Signs. */
  readonly owner: Authority;
  /** Pays the rent; the owner by default. Signs. */
  readonly payer?: Authority;
  /** Which of the owner's accounts, 0 to 65 535; 0 by default. */
  readonly subId?: number;
}

/** Opens a margin account, at {@link marginAccountAddress}. */
export async function openMarginAccount(input: OpenMarginAccountInput): Promise<AnyInstruction[]> {
  const { owner, payer = owner, subId = 0 } = input;
  const marginAccount = await marginAccountAddress(addressOf(owner), subId);
  const signers = { owner: signerOf(owner), payer: signerOf(payer) };
  return [getOpenMarginAccountInstruction({ ...signers, marginAccount, subId })];
}

/** Closes an empty margin account. Signed by the owner, who gets the rent. */
export async function closeMarginAccount(input: {
  readonly owner: Authority;
  readonly marginAccount: Address;
}): Promise<AnyInstruction[]> {
  const { owner, marginAccount } = input;
  return [getCloseMarginAccountInstruction({ owner: signerOf(owner), marginAccount })];
}

/** Sets who may trade besides the owner; nobody without `delegate`. Signed by the owner. */
export async function setDelegate(
  margin: Margin,
  input: { readonly owner: Authority; readonly delegate?: Address },
): Promise<AnyInstruction[]> {
  const { owner, delegate = SYSTEM_PROGRAM_ADDRESS } = input;
  const { incarnation } = margin.data;
  const marginAccount = margin.address;
  return [
    getSetDelegateInstruction({ owner: signerOf(owner), marginAccount, incarnation, delegate }),
  ];
}

/** Input of {@link deposit}. */
export interface DepositInput {
  /** Owner of the tokens; anybody may deposit for anybody. Signs. */
  readonly depositor: Authority;
  /** Margin account to credit. */
  readonly marginAccount: Address;
  /** Token units. */
  readonly amount: bigint;
  /** Index of the vault; the quote token by default. */
  readonly vault?: number;
  /** Token account to take them from; the depositor's associated one by default. */
  readonly source?: Address;
}

/**
 * Deposits tokens to a margin account.
 *
 * @throws {@link UnlistedError}
 */
export async function deposit(listings: Listings, input: DepositInput): Promise<AnyInstruction[]> {
  const { depositor, marginAccount, amount } = input;
  const vault = vaultOf(listings, input.vault ?? QUOTE);
  const { mint, tokenAccount, tokenProgram } = vault;
  const own = await associatedTokenAddress(addressOf(depositor), mint, tokenProgram);
  return [
    getDepositInstruction({
      depositor: signerOf(depositor),
      marginAccount,
      vault: vault.address,
      tokenAccount,
      source: input.source ?? own,
      mint,
      tokenProgram,
      amount,
    }),
  ];
}

/** Input of {@link withdraw}. */
export interface WithdrawInput extends Refreshing {
  /** Owner of the margin account. Signs. */
  readonly owner: Authority;
  /** Token units. */
  readonly amount: bigint;
  /** Index of the vault; the quote token by default. */
  readonly vault?: number;
  /** Token account of the owner; by default his associated one, which is created if it does not exist. */
  readonly destination?: Address;
}

/**
 * Withdraws tokens to a token account of the owner.
 *
 * @throws {@link UnlistedError}
 */
export async function withdraw(
  context: MarginContext,
  input: WithdrawInput,
): Promise<AnyInstruction[]> {
  const { listings, margin } = context;
  const { owner, amount, vault: index = QUOTE } = input;
  const vault = vaultOf(listings, index);
  const { mint, tokenAccount, tokenProgram } = vault;
  const to = { payer: owner, owner: addressOf(owner), mint, tokenProgram };
  const created = input.destination === undefined ? [await createTokenAccount(to)] : [];
  const instruction = getWithdrawInstruction({
    owner: signerOf(owner),
    marginAccount: margin.address,
    vault: vault.address,
    tokenAccount,
    destination: input.destination ?? (await associatedTokenAddress(to.owner, mint, tokenProgram)),
    mint,
    tokenProgram,
    incarnation: margin.data.incarnation,
    amount,
  });
  // Nothing open and nothing owed: no margin is asked for.
  const asked = hasPositions(margin.data) || margin.data.quote < 0n;
  const fronted = await inFront(context, input, () => (asked ? oldLegs(context, margin) : []));
  const skip = index === QUOTE ? {} : { vault: index };
  return [...fronted, ...created, withReadonly(instruction, legs(listings, margin.data, skip))];
}
