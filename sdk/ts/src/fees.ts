import { isWritableRole, type Address, type Instruction } from '@solana/kit';

import type { Bulwark } from './connection';

/** What is paid to land sooner, micro-lamports a compute unit. */
export type PriorityFee =
  /** Nothing. */
  | 'none'
  /** So much. */
  | {
      /** Micro-lamports a compute unit. */
      readonly microLamports: bigint;
    }
  /** What others paid lately for the accounts that the transaction writes. */
  | {
      /** How many per cent of the recent blocks had a lower least fee, 0 to 100. */
      readonly percentile: number;
      /** Most to pay, micro-lamports a compute unit. */
      readonly cap: bigint;
      /** Least to pay; 0 by default. */
      readonly floor?: bigint;
    };

const MOST_ADDRESSES = 128;

/**
 * Micro-lamports a compute unit that a policy asks for. Where nothing is known of recent blocks it is the floor.
 *
 * @throws RangeError for a percentile beyond 0 to 100.
 */
export async function priorityFee(
  handle: Bulwark,
  policy: PriorityFee,
  instructions: readonly Instruction[],
): Promise<bigint> {
  if (policy === 'none') return 0n;
  if ('microLamports' in policy) return policy.microLamports;
  const { percentile, cap, floor = 0n } = policy;
  if (!(percentile >= 0 && percentile <= 100)) {
    throw new RangeError('a percentile is between 0 and 100');
  }
  const recent = await handle.rpc.getRecentPrioritizationFees(writable(instructions)).send();
  const paid = recent.map((block) => block.prioritizationFee).toSorted(compare);
  const at = Math.min(Math.floor((paid.length * percentile) / 100), paid.length - 1);
  const fee = paid[at] ?? floor;
  const raised = fee < floor ? floor : fee;
  return raised < cap ? raised : cap;
}

function compare(left: bigint, right: bigint): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

function writable(instructions: readonly Instruction[]): Address[] {
  const metas = instructions.flatMap((instruction) => instruction.accounts ?? []);
  const keys = metas.filter((meta) => isWritableRole(meta.role)).map((meta) => meta.address);
  return [...new Set(keys)].slice(0, MOST_ADDRESSES);
}
