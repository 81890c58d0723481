import { AccountRole, type Address } from '@solana/kit';

import {
  ASSOCIATED_TOKEN_PROGRAM_ADDRESS,
  associatedTokenAddress,
  SYSTEM_PROGRAM_ADDRESS,
  TOKEN_PROGRAM_ADDRESS,
} from '../addresses';
import { signerOf, type AnyInstruction, type Authority } from './common';

/** Whose token account of what. */
export interface TokenAccountInput {
  /** Pays the rent, if the account has to be created. */
  readonly payer: Authority;
  /** Owner of the tokens. */
  readonly owner: Address;
  /** Mint. */
  readonly mint: Address;
  /** Token program of the mint; SPL Token by default. */
  readonly tokenProgram?: Address;
}

const CREATE_IDEMPOTENT = 1;

const readonly = (address: Address) => ({ address, role: AccountRole.READONLY });

/** Creates the associated token account of an owner unless there is one. Signed by the payer. */
export async function createTokenAccount(input: TokenAccountInput): Promise<AnyInstruction> {
  const tokenProgram = input.tokenProgram ?? TOKEN_PROGRAM_ADDRESS;
  const signer = signerOf(input.payer);
  const created = await associatedTokenAddress(input.owner, input.mint, tokenProgram);
  return {
    programAddress: ASSOCIATED_TOKEN_PROGRAM_ADDRESS,
    accounts: [
      { address: signer.address, role: AccountRole.WRITABLE_SIGNER, signer },
      { address: created, role: AccountRole.WRITABLE },
      readonly(input.owner),
      readonly(input.mint),
      readonly(SYSTEM_PROGRAM_ADDRESS),
      readonly(tokenProgram),
    ] as AnyInstruction['accounts'],
    data: Uint8Array.of(CREATE_IDEMPOTENT),
  };
}
