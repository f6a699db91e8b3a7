import { backoffMs } from '../../domain/backoff.ts';
import { StartupError, UnavailableError } from '../../domain/failure.ts';
import { limits } from '../../domain/limits.ts';
import type { PartName, Telemetry } from '../../telemetry/telemetry.ts';

/**
 * A part that may not be there when the process starts. It is opened in the background, again and again until it is;
 * what needs it meanwhile is told that it is unavailable.
 *
 *   opening ─▶ open ─▶ closed          the first try of all may end the start: a setting that is wrong stays wrong
 *      │  ▲
 *      └──┘ away, or not set up yet: said, waited for
 */
export interface LatePart<Part> {
  /** @throws UnavailableError while it is not open */
  current(): Part;
  /** Why it is not open; null once it is. */
  problem(): string | null;
  /**
   * Settles with the first try: rejects where waiting is no help (StartupError, or a bug); being away is no reason to.
   */
  readonly firstTry: Promise<void>;
  /** Resolves once it is open. Rejects only when closed before. */
  readonly opened: Promise<Part>;
  close(): Promise<void>;
}

export interface LatePartOptions<Part> {
  readonly name: PartName;
  /** UnavailableError: try again. StartupError: something has to be set up, or a setting is wrong. */
  readonly open: () => Promise<Part>;
  readonly close: (part: Part) => Promise<void>;
  readonly telemetry: Telemetry;
  readonly elapsed: () => number;
  readonly random: () => number;
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
}

const words: Readonly<Record<PartName, string>> = {
  log: 'The log',
  store: 'The store',
  metrics: 'The metrics store',
  failed_topic: 'The topic of failed events',
};

export function openLate<Part>(options: LatePartOptions<Part>): LatePart<Part> {
  const { name, telemetry, elapsed } = options;
  const firstTry = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<Part>();
  // Either may be of no interest to the caller.
  for (const { promise } of [firstTry, opened]) promise.catch(() => undefined);
  const closing = new AbortController();
  let part: { readonly value: Part } | null = null;
  let problem: string | null = `${words[name]} is being opened.`;

  async function run(): Promise<void> {
    const startedAt = elapsed();
    for (let attempt = 0; !closing.signal.aborted; attempt += 1) {
      try {
        part = { value: await options.open() };
        problem = null;
        if (attempt > 0) telemetry.emit('part.opened', { part: name, waitedMs: elapsed() - startedAt });
        firstTry.resolve();
        opened.resolve(part.value);
        return;
      } catch (error) {
        problem = error instanceof Error ? error.message : String(error);
        if (attempt === 0 && !(error instanceof UnavailableError)) firstTry.reject(error);
      }
      firstTry.resolve();
      const retryInMs = backoffMs(attempt, options.random(), limits.partRetryMaxMs);
      telemetry.emit('part.waiting', { part: name, reason: problem, retryInMs, attempt });
      await options.pause(retryInMs, closing.signal).catch(() => undefined);
    }
  }

  const running = run();
  let closed: Promise<void> | null = null;

  async function close(): Promise<void> {
    closing.abort(new Error('closed'));
    await running;
    opened.reject(new UnavailableError(`${name}_unavailable`, `${words[name]} is closed.`));
    if (part !== null) await options.close(part.value);
  }

  return {
    current() {
      if (part === null) throw new UnavailableError(`${name}_unavailable`, problem ?? `${words[name]} is not open.`);
      return part.value;
    },
    problem: () => problem,
    firstTry: firstTry.promise,
    opened: opened.promise,
    close() {
      closed ??= close();
      return closed;
    },
  };
}

/** Resolves when each has been tried once. @throws StartupError with everything that waiting does not mend, or a bug */
export async function firstTriesOf(parts: readonly Pick<LatePart<unknown>, 'firstTry'>[]): Promise<void> {
  const tried = await Promise.allSettled(parts.map(({ firstTry }) => firstTry));
  const errors: unknown[] = tried.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
  const bug = errors.find((error) => !(error instanceof StartupError));
  if (bug !== undefined) throw bug;
  if (errors.length > 0) throw new StartupError((errors as StartupError[]).map(({ message }) => message).join('\n'));
}

/** A part that was opened already. */
export function openPart<Part>(value: Part, close: () => Promise<void>): LatePart<Part> {
  return {
    current: () => value,
    problem: () => null,
    firstTry: Promise.resolve(),
    opened: Promise.resolve(value),
    close,
  };
}

/**
 * The port of a part that may not be open yet: its functions, all of which are asynchronous, reject as unavailable
 * until it is. What else a port has must be given by the caller.
 */
export function callsOf<Port extends object>(late: Pick<LatePart<Port>, 'current'>): Port {
  return new Proxy({} as Port, {
    get(_target, name) {
      // A promise resolved with this must not take it for another promise.
      if (typeof name === 'symbol' || name === 'then') return undefined;
      return async (...parameters: unknown[]) => {
        const part = late.current() as Record<string, (...parameters: unknown[]) => unknown>;
        return part[name]!(...parameters);
      };
    },
  });
}
