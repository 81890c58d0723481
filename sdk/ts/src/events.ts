import { getBase16Decoder, getBase64Encoder, type ReadonlyUint8Array } from '@solana/kit';

import { BULWARK_PROGRAM_ADDRESS, EVENT_DECODERS, type BulwarkEvents } from './generated';

/** An event of the program: its name and its fields. */
export type BulwarkEvent = {
  [Name in keyof BulwarkEvents]: { readonly name: Name; readonly data: BulwarkEvents[Name] };
}[keyof BulwarkEvents];

/** What a log says. */
export interface ParsedLog {
  /** Events in order. */
  readonly events: readonly BulwarkEvent[];
  /** Whether the runtime cut the log: events may be missing. */
  readonly truncated: boolean;
}

const DISCRIMINATOR_BYTES = 8;

/** Reads an event from its discriminator and fields; nothing for anything else. */
export function decodeEvent(bytes: ReadonlyUint8Array): BulwarkEvent | undefined {
  if (bytes.length < DISCRIMINATOR_BYTES) return undefined;
  const discriminator = getBase16Decoder().decode(bytes.slice(0, DISCRIMINATOR_BYTES));
  const found = EVENT_DECODERS.find(([known]) => known === discriminator);
  if (found === undefined) return undefined;
  const [, name, decoder] = found;
  try {
    const [data, end] = decoder().read(bytes, DISCRIMINATOR_BYTES);
    return end === bytes.length ? ({ name, data } as BulwarkEvent) : undefined;
  } catch {
    return undefined;
  }
}

const DATA = 'Program data: ';
// What a program logs of itself, `Program log: …`, is no call.
const CALL = /^Program ([1-9A-HJ-NP-Za-km-z]{32,44}) (?:(invoke) \[\d+\]|success|failed: .*)$/;

/**
 * Reads the events of a transaction's log. Any program can write `Program data:` lines, so that only what was written while
 * Bulwark itself was running counts. A failed transaction's log has events that did not happen: pass only logs of
 * transactions that succeeded.
 */
export function parseEvents(logs: readonly string[]): ParsedLog {
  const stack: string[] = [];
  const events: BulwarkEvent[] = [];
  let truncated = false;
  for (const line of logs) {
    if (line === 'Log truncated') {
      truncated = true;
    } else if (line.startsWith(DATA)) {
      const event = stack.at(-1) === BULWARK_PROGRAM_ADDRESS ? eventOf(line) : undefined;
      if (event !== undefined) events.push(event);
    } else {
      follow(stack, line);
    }
  }
  return { events, truncated };
}

/** Enters and leaves programs. */
function follow(stack: string[], line: string): void {
  const [, id, entered] = CALL.exec(line) ?? [];
  if (id === undefined) return;
  if (entered !== undefined) stack.push(id);
  else if (stack.at(-1) === id) stack.pop();
}

function eventOf(line: string): BulwarkEvent | undefined {
  try {
    return decodeEvent(getBase64Encoder().encode(line.slice(DATA.length)));
  } catch {
    return undefined;
  }
}

/** The events of a name. */
export function eventsNamed<Name extends keyof BulwarkEvents>(
  events: readonly BulwarkEvent[],
  name: Name,
): BulwarkEvents[Name][] {
  return events.flatMap((event) =>
    event.name === name ? [event.data as BulwarkEvents[Name]] : [],
  );
}
