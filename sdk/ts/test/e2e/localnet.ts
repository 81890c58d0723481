// Starts a localnet for the tests: ports and folder of its own, so that one that runs is left alone.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import type { TestProject } from 'vitest/node';

/** What the localnet says of itself. */
export interface Description {
  readonly rpcUrl: string;
  readonly wsUrl: string;
  readonly quoteMint: string;
  readonly markets: readonly {
    readonly index: number;
    readonly lotDecimals: number;
    readonly oracle: string;
  }[];
  readonly wallets: Readonly<Record<string, { readonly pubkey: string; readonly path: string }>>;
}

declare module 'vitest' {
  interface ProvidedContext {
    localnet: Description;
  }
}

const repository = fileURLToPath(new URL('../../../../', import.meta.url));

function binary(): string {
  const target = process.env['CARGO_TARGET_DIR'] ?? join(repository, 'target');
  const found = process.env['BULWARK_LOCALNET'] ?? join(target, 'debug/bulwark-localnet');
  if (!existsSync(found))
    throw new Error(`there is no ${found}: run make binaries, or make e2e-ts`);
  return found;
}

/** A localnet that runs. */
export interface Running {
  readonly description: Description;
  /** Gives it a command and waits for the answer. */
  readonly command: (line: string) => Promise<string>;
  readonly stop: () => Promise<void>;
}

/** Starts one. */
export async function start(): Promise<Running> {
  const folder = await mkdtemp(join(tmpdir(), 'bulwark-e2e-'));
  const ports = ['--rpc-port', '0', '--ws-port', '0'];
  const args = [...ports, '--json', '--control', '--still', '--folder', folder];
  const child = spawn(binary(), args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout });
  const next = lineOf(child, lines);
  const description = JSON.parse(await next()) as Description;
  const command = async (line: string) => {
    const answer = next();
    child.stdin.write(`${line}\n`);
    return answer;
  };
  const stop = async () => {
    const ended = once(child, 'exit');
    if (child.exitCode === null) {
      child.kill('SIGTERM');
      await ended;
    }
    await rm(folder, { recursive: true });
  };
  return { description, command, stop };
}

/** The next line that it prints. */
function lineOf(child: ChildProcess, lines: Interface): () => Promise<string> {
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`the localnet ended with ${code}`);
  });
  ended.catch(() => {});
  return async () => Promise.race([once(lines, 'line').then(([text]) => String(text)), ended]);
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { description, stop } = await start();
  project.provide('localnet', description);
  return stop;
}
