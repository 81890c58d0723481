// Source of the files that the renderer does not write: events, errors and addresses.
const HEADER =
  '// Written by scripts/generate.mjs from idl/bulwark.json: run "npm run generate" to write it again.\n\n';

const camel = (name) => name[0].toLowerCase() + name.slice(1);
const screaming = (name) => name.replace(/([A-Z])/g, '_$1').toUpperCase();
const hex = (bytes) => bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('');
const quoted = (text) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

const eventRow = (e) => `  ['${hex(e.discriminator)}', '${camel(e.name)}', get${e.name}Decoder],\n`;
const errorRow = ({ code, name, msg }) => `  ${code}: ['${name}', ${quoted(msg)}],\n`;
const constant = ({ name, docs, address }) =>
  `/** ${docs} */\nexport const ${screaming(name)}_ADDRESS = '${address}' as Address;\n`;

/** Events by discriminator. */
export function eventsSource(idl) {
  const names = idl.events.map((event) => event.name);
  const docs = new Map(idl.types.map((type) => [type.name, type.docs?.join(' ')]));
  const decoders = names.map((name) => `  get${name}Decoder,\n`).join('');
  const types = names.map((name) => `  type ${name},\n`).join('');
  const fields = names
    .map((name) => `  /** ${docs.get(name)} */\n  ${camel(name)}: ${name};\n`)
    .join('');
  return `${HEADER}import type { Decoder } from '@solana/kit';

import {
${decoders}${types}} from './types';

/** The program's events: name to fields. */
export interface BulwarkEvents {
${fields}}

/** Discriminator in hexadecimal, name and decoder of every event. */
export const EVENT_DECODERS: readonly (readonly [
  string,
  keyof BulwarkEvents,
  () => Decoder<BulwarkEvents[keyof BulwarkEvents]>,
])[] = [
${idl.events.map(eventRow).join('')}];
`;
}

/** Errors by code. */
export function errorsSource(idl) {
  const names = idl.errors.map(({ name }) => `  | '${name}'\n`).join('');
  return `${HEADER}/** Names of the program's errors. */
export type BulwarkErrorName =
${names.trimEnd()};

/** Name and message of each of the program's errors, by code. */
export const BULWARK_ERRORS: Readonly<
  Record<number, readonly [name: BulwarkErrorName, message: string]>
> = {
${idl.errors.map(errorRow).join('')}};
`;
}

/** Addresses that the program's id decides alone. */
export function wellKnownSource({ single, markets }) {
  return `${HEADER}import type { Address } from '@solana/kit';

${single.map(constant).join('')}/** Addresses of the markets, by index. */
export const MARKET_ADDRESSES = [
${markets.map((market) => `  '${market}',\n`).join('')}] as Address[] as readonly Address[];
`;
}
