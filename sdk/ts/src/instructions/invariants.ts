import { getAddressEncoder, type Address } from '@solana/kit';

import { marketAddress } from '../addresses';
import { getCheckInvariantsInstruction } from '../generated';
import type { VaultListing } from '../listings';
import { withReadonly, type AnyInstruction } from './common';

/** What {@link checkInvariants} looks at. */
export interface CheckInvariantsInput {
  /** A vault: its tokens against its ledger. */
  readonly vault?: VaultListing;
  /** Index of a market. */
  readonly market?: number;
  /** Margin accounts: all that have a position in the market, for its sums to be checked. */
  readonly members?: Iterable<Address>;
}

/** Recomputes what the passed accounts decide. No signer; a mismatch stops withdrawals and increases. */
export async function checkInvariants(input: CheckInvariantsInput): Promise<AnyInstruction[]> {
  const { vault, market, members = [] } = input;
  const instruction = getCheckInvariantsInstruction({
    ...(market === undefined ? {} : { market: marketAddress(market) }),
    ...(vault === undefined ? {} : { vault: vault.address, tokenAccount: vault.tokenAccount }),
  });
  return [withReadonly(instruction, inByteOrder(members))];
}

/** Members are passed in the order of their keys' bytes, so that nobody can pass one twice. */
function inByteOrder(members: Iterable<Address>): Address[] {
  const encoder = getAddressEncoder();
  const keyed = Array.from(members, (key) => ({ key, bytes: encoder.encode(key) }));
  keyed.sort((left, right) => {
    const at = left.bytes.findIndex((byte, i) => byte !== right.bytes[i]);
    return at < 0 ? 0 : (left.bytes[at] ?? 0) - (right.bytes[at] ?? 0);
  });
  return keyed.map(({ key }) => key);
}
