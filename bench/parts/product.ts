import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { LedgerView, MetricsView } from '../../src/http/contract.ts';
import { waitFor } from './wait.ts';

export const projectRoot = join(import.meta.dirname, '..', '..');
const ownMainFile = join(projectRoot, 'bin', 'esp.js');
const commandMs = 60_000;

/** A process of the product as anybody starts it. */
export interface Product extends AsyncDisposable {
  readonly port: number;
  readonly pid: number;
  /** From the start of the process until it listened. */
  readonly startMs: number;
  ledger(): Promise<LedgerView>;
  metrics(): Promise<MetricsView>;
  /** Waits until nothing is in flight. */
  settled(timeoutMs?: number): Promise<LedgerView>;
  /** SIGTERM, and waits for the end. */
  stop(): Promise<void>;
}

export interface ProductOptions {
  /** `esp start` by default. */
  readonly command?: 'start' | 'api' | 'worker';
  readonly settings: Readonly<Record<string, string>>;
  /** A directory for CPU profiles, one file a thread; written when the product ends. */
  readonly profileDir: string | null;
  /** Of another installation than this tree. */
  readonly mainFile?: string;
  /** False: return as soon as it listens. */
  readonly waitUntilReady?: boolean;
}

/** `esp start`, embedded, on a directory of its own. */
export function startEmbedded(
  options: Omit<ProductOptions, 'settings' | 'command'> & { readonly dataDir: string },
): Promise<Product> {
  return startProduct({ ...options, settings: { ESP_DATA_DIR: options.dataDir } });
}

export async function startProduct(options: ProductOptions): Promise<Product> {
  const { command = 'start', settings, profileDir, waitUntilReady = true, mainFile = ownMainFile } = options;
  const startedAt = performance.now();
  const profiling = profileDir === null ? [] : profilingFlags(profileDir);
  const environment = profileDir === null ? {} : profilingEnvironment;
  if (profileDir !== null) mkdirSync(profileDir, { recursive: true });
  const child = spawn(process.execPath, [...profiling, mainFile, command], {
    cwd: projectRoot,
    env: cleanEnvironment({ PORT: '0', ESP_WORKER_PORT: '0', HOST: '127.0.0.1', ...environment, ...settings }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const collect = (chunk: string) => {
    output = (output + chunk).slice(-20_000);
  };
  child.stdout.setEncoding('utf8').on('data', collect);
  child.stderr.setEncoding('utf8').on('data', collect);
  const exited = once(child, 'exit');
  const killOnExit = () => child.kill('SIGKILL');
  // Before its directory is removed.
  process.prependOnceListener('exit', killOnExit);
  let isStopping = false;
  void exited.then(() => {
    process.off('exit', killOnExit);
    // Whoever talks to it next sees a refused connection alone.
    if (!isStopping)
      process.stderr.write(`esp ${command} ended with ${child.exitCode ?? child.signalCode}:\n${output}\n`);
  });

  async function stop(): Promise<void> {
    isStopping = true;
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    await exited;
    if (child.exitCode !== 0)
      throw new Error(`the product ended with ${child.exitCode ?? child.signalCode}:\n${output}`);
  }

  const ended = exited.then(() => {
    throw new Error(`the product ended too early, with ${child.exitCode ?? child.signalCode}:\n${output}`);
  });
  ended.catch(() => undefined);
  const port = await Promise.race([
    ended,
    waitFor('the product to listen', () => /listening at http:\/\/[^\s:]+:(\d+)/.exec(output)?.[1], { everyMs: 2 }),
  ]);
  const startMs = performance.now() - startedAt;
  const url = `http://127.0.0.1:${port}`;

  async function get<Body>(path: string): Promise<Body> {
    const response = await fetch(url + path);
    if (!response.ok) throw new Error(`GET ${path} answered ${response.status}: ${await response.text()}`);
    return (await response.json()) as Body;
  }

  if (waitUntilReady) {
    await waitFor('the product to be ready', async () => (await fetch(`${url}/health/ready`)).ok, { everyMs: 2 });
  }
  return {
    port: Number(port),
    pid: child.pid!,
    startMs,
    ledger: () => get<LedgerView>('/api/ledger'),
    metrics: () => get<MetricsView>('/api/metrics?window=5m'),
    settled: (timeoutMs = 120_000) =>
      waitFor(
        'everything to be stored',
        async () => {
          const ledger = await get<LedgerView>('/api/ledger');
          return ledger.in_flight === 0 && ledger;
        },
        { timeoutMs, everyMs: 50 },
      ),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/**
 * With what the command would begin anew for (bin/esp.js), the young generation's size and the C library's arenas: a
 * signal of the profiler that is on its way then ends the process, which no longer knows it.
 */
const profilingEnvironment = { MALLOC_ARENA_MAX: '2' };

function profilingFlags(profileDir: string): readonly string[] {
  return ['--cpu-prof', `--cpu-prof-dir=${profileDir}`, '--max-semi-space-size=8'];
}

/** Runs a command of the product's to its end. */
export async function runCommand(args: readonly string[], settings: Readonly<Record<string, string>>): Promise<void> {
  const options = { cwd: projectRoot, env: cleanEnvironment(settings), timeout: commandMs };
  await promisify(execFile)(process.execPath, [ownMainFile, ...args], options);
}

/** This process's own environment, without anything that would configure the product. */
function cleanEnvironment(overrides: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const names = /^(ESP_|PORT$|HOST$|KAFKA_|DATABASE_URL|REDIS_URL|NODE_OPTIONS$|NODE_ENV$|MALLOC_)/;
  return { ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !names.test(name))), ...overrides };
}
