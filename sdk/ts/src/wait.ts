/** Resolves after some milliseconds, or at once when the signal is aborted. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener('abort', done);
  });
}

/** How long some work may take. */
export interface Limit {
  /** Milliseconds. */
  readonly ms: number;
  /** Ends it earlier when it is aborted. */
  readonly signal: AbortSignal | undefined;
}

/** Some work took too long. */
export class OverdueError extends Error {
  constructor(ms: number) {
    super(`not done within ${ms} ms`);
    this.name = 'OverdueError';
  }
}

/** Does some work with a signal that is aborted when the time is up, or by the one given. */
export async function within<T>(
  { ms, signal }: Limit,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const clock = new AbortController();
  const timer = setTimeout(() => clock.abort(new OverdueError(ms)), ms);
  const either = signal === undefined ? clock.signal : AbortSignal.any([clock.signal, signal]);
  try {
    return await work(either);
  } finally {
    clearTimeout(timer);
  }
}
