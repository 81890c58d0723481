import { getBase64Encoder, type Address } from '@solana/kit';

import type { RawAccount } from './accounts';

/** An account as JSON-RPC gives it. */
export interface JsonAccount {
  /** Base64, and that it is that. */
  readonly data: readonly [string, string];
  /** Its program. */
  readonly owner: Address;
}

/** Bytes and owner of an account as JSON-RPC gives it. */
export function rawAccount({ data, owner }: JsonAccount): RawAccount {
  return { bytes: Uint8Array.from(getBase64Encoder().encode(data[0])), owner };
}
