import { EngineError, ask } from './engine';
import type { Loaded } from './accounts';
import { changeAddress } from './addresses';
import type { Context } from './context';
import {
  getChangeEncoder,
  getChangePayloadEncoder,
  type Change,
  type ChangePayloadArgs,
} from './generated';
import { accountsOf } from './snapshot';
import { isError, type Outcome } from './view';

/** Which way something moves: `shifts` is neither stricter nor looser. */
export type Effect = 'same' | 'tightens' | 'loosens' | 'shifts';

/** What a payload would do. */
export interface Explanation {
  /** What it is about. */
  readonly title: string;
  /** Everything that moves: the name of the field, from what to what. */
  readonly moves: readonly {
    /** Name of the field. */
    readonly name: string;
    /** What it is. */
    readonly from: string;
    /** What it would be. */
    readonly to: string;
    /** Which way that is. */
    readonly effect: Effect;
  }[];
  /** Why the program would refuse it, if it would. */
  readonly refusals: readonly string[];
  /** Whether anything loosens, or is new. */
  readonly loosens: boolean;
  /** All of it, for people. */
  readonly text: string;
}

/** What a stored change would do, and when. */
export interface ChangeExplanation extends Explanation {
  /** Its number. */
  readonly nonce: bigint;
  /** First moment at which it can be executed, unix seconds. */
  readonly eta: bigint;
  /** Last such moment, unix seconds. */
  readonly expiry: bigint;
  /**
   * `waits` and `ripe` say themselves; `executed` is a listing that is to be created; `expired` and `void` never can be
   * executed: its window is over, or its target or the admin has changed.
   */
  readonly status: 'waits' | 'ripe' | 'executed' | 'expired' | 'void';
  /** Seconds that it waits, or that are left of its window; `null` if there are none. */
  readonly seconds: bigint | null;
}

/**
 * What a payload would do if it were put in force now: each field that moves, from what to what, and which way that is.
 *
 * @throws {@link EngineError}
 */
export function explainPayload(context: Context, payload: ChangePayloadArgs): Explanation {
  const bytes = Array.from(getChangePayloadEncoder().encode(payload));
  return ask({ ask: 'explainPayload', payload: bytes }, accountsOf(context));
}

/**
 * What a stored change would do, and when it can be executed. What is explained is what is stored on chain, not what
 * anybody says of it.
 *
 * @throws {@link EngineError}
 */
export async function explainChange(
  context: Context,
  change: Loaded<Change>,
): Promise<ChangeExplanation> {
  const [found] = await explainChanges(context, [change]);
  if (found === undefined || isError(found)) {
    throw new EngineError(found?.error ?? 'the engine left the change out');
  }
  return found;
}

/**
 * The same of many changes, in order. One that is not at the address of its number is none of the program's: it has an error.
 *
 * @throws {@link EngineError}
 */
export async function explainChanges(
  context: Context,
  changes: readonly Loaded<Change>[],
): Promise<readonly Outcome<ChangeExplanation>[]> {
  const encoder = getChangeEncoder();
  const bytes = changes.map((change) => Uint8Array.from(encoder.encode(change.data)));
  const problems = await Promise.all(changes.map(misplaced));
  const about = accountsOf(context, bytes);
  const found = ask<Outcome<ChangeExplanation>[]>({ ask: 'explainChanges' }, about);
  return found.map((outcome, i) => problems[i] ?? outcome);
}

async function misplaced({
  address,
  data,
}: Loaded<Change>): Promise<{ readonly error: string } | undefined> {
  const right = await changeAddress(data.nonce);
  if (address === right) return undefined;
  return { error: `change ${data.nonce} is at ${right}, not at ${address}: read it from there` };
}
