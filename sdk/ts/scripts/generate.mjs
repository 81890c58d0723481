// Writes src/generated from idl/bulwark.json: `node scripts/generate.mjs`. With `--check` it writes nothing and fails when
// what is there is not current.
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { renderVisitor } from '@codama/renderers-js';
import { createFromRoot } from 'codama';

import { errorsSource, eventsSource, wellKnownSource } from './generate/sources.mjs';
import { prepare } from './generate/tree.mjs';
import { wellKnownAddresses } from './generate/addresses.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const target = join(here, '../src/generated');
/** Files that are written here, not by the renderer. */
const OWN = ['addresses', 'errors', 'events'];

async function render(idl, folder) {
  const addresses = await wellKnownAddresses(idl.address);
  const root = prepare(idl, addresses);
  await createFromRoot(root).accept(
    renderVisitor(folder, {
      generatedFolder: '.',
      kitImportStrategy: 'rootOnly',
      syncPackageJson: false,
      prettierOptions: { singleQuote: true, printWidth: 100 },
    }),
  );
  await writeFile(join(folder, 'events.ts'), eventsSource(idl));
  await writeFile(join(folder, 'errors.ts'), errorsSource(idl));
  await writeFile(join(folder, 'addresses.ts'), wellKnownSource(addresses));
  await finish(folder);
}

/** What the renderer leaves to be done: exports of our own files, and one cast. */
async function finish(folder) {
  for (const name of await files(folder)) {
    const path = join(folder, name);
    const text = await readFile(path, 'utf8');
    await writeFile(path, patch(name, text));
  }
}

function patch(name, text) {
  if (name === 'index.ts') return text + OWN.map((own) => `export * from './${own}';\n`).join('');
  if (name !== join('programs', 'bulwark.ts')) return text;
  // The type of kit 8's extendClient does not resolve for a type parameter.
  const end = /\n {4}\}\);\n {2}\};\n\}\n/g;
  if ((text.match(end) ?? []).length !== 1)
    throw new Error('the end of the plugin is not where it was: look at the cast');
  return text.replace(
    end,
    "\n    }) as unknown as Omit<T, 'bulwark'> & { bulwark: BulwarkPlugin };\n  };\n}\n",
  );
}

async function files(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const names = entries
    .filter((e) => e.isFile())
    .map((e) => join(e.parentPath, e.name).slice(folder.length + 1));
  return names.toSorted();
}

const read = (folder, name) => readFile(join(folder, name), 'utf8').catch(() => undefined);

/** Names of the files that differ between two folders. */
async function differences(left, right) {
  const names = new Set([...(await files(left)), ...(await files(right).catch(() => []))]);
  const differ = await Promise.all(
    [...names].map(async (n) => (await read(left, n)) !== (await read(right, n))),
  );
  return [...names].filter((_, i) => differ[i]);
}

const idl = JSON.parse(await readFile(join(here, '../../../idl/bulwark.json'), 'utf8'));
if (process.argv.includes('--check')) {
  const fresh = await mkdtemp(join(tmpdir(), 'bulwark-generated-'));
  await render(idl, fresh);
  const stale = await differences(fresh, target);
  await rm(fresh, { recursive: true });
  if (stale.length > 0) {
    console.error(
      `not what idl/bulwark.json says, run "npm run generate":\n  ${stale.join('\n  ')}`,
    );
    process.exit(1);
  }
} else {
  await rm(target, { recursive: true, force: true });
  await render(idl, target);
}
