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
      /** Percentile of the recent blocks, 0 to 100: 50 is the median. */
      readonly percentile: number;
      /** Most to pay for the transaction, lamports above the base fee. */
      readonly cap: bigint;
    };

const MOST_ADDRESSES = 128;

/**
 * Micro-lamports a compute unit that a policy asks for, before its cap. Where nothing is known of recent blocks it is 0.
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
  const { percentile } = policy;
  if (!(percentile >= 0 && percentile <= 100)) {
    throw new RangeError('a percentile is between 0 and 100');
  }
  const recent = await handle.rpc.getRecentPrioritizationFees(writable(instructions)).send();
  const paid = recent.map((block) => block.prioritizationFee).toSorted(compare);
  // Nearest rank.
  const rank = Math.ceil((paid.length * percentile) / 100);
  return paid[Math.max(rank - 1, 0)] ?? 0n;
}

const MICRO = 1_000_000n;

/**
 * A price, lowered so that a transaction of a compute limit pays no more than the policy's cap. The runtime rounds a fee up to
 * whole lamports, which the cap covers.
 */
export function cappedFee(policy: PriorityFee, price: bigint, computeUnitLimit: number): bigint {
  if (policy === 'none' || !('cap' in policy)) return price;
  const most = (policy.cap * MICRO) / BigInt(computeUnitLimit);
  return price < most ? price : most;
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
