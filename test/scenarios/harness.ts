/**
 * What scenarios are made of: real servers as child processes on directories of their own, and conditions to wait for.
 * Everything a scenario starts is ended, and every directory it makes is removed, when its test is over, however it
 * ends.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFailed, onTestFinished, type TestContext } from 'vitest';
import { partitionOf } from '../../src/domain/partitioner.ts';
import { createSegmentEventLog } from '../../src/event-log/segment/event-log.segment.ts';
import type { EventPage, EventView, LedgerView, ManyReceipt, MetricsView } from '../../src/http/contract.ts';

export const projectRoot = join(import.meta.dirname, '..', '..');
const mainFile = join(projectRoot, 'bin', 'esp.js');
/** Command line that starts the server from the clone's own sources. */
export const startCommand: readonly string[] = [process.execPath, mainFile, 'start'];

/** A fresh directory under the system's temporary one, removed after the test. */
export function createTempDir(label = 'scenario'): string {
  const directory = mkdtempSync(join(tmpdir(), `esp-${label}-`));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
  return directory;
}

/** Skips the test where this machine lacks what it needs; a CI machine must have it, so there it fails. */
export function requireHere(context: TestContext, isThere: boolean, what: string): void {
  if (isThere) return;
  if (process.env.CI === 'true') throw new Error(`this scenario needs ${what}`);
  context.skip(`needs ${what}`);
}

/**
 * Polls until the condition answers something other than null, undefined or false; a thrown error counts as "not yet".
 */
export async function waitFor<Value>(
  what: string,
  condition: () => Promise<Value> | Value,
  { timeoutMs = 20_000, everyMs = 25 }: { timeoutMs?: number; everyMs?: number } = {},
): Promise<Exclude<Value, null | undefined | false>> {
  const deadline = performance.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value !== null && value !== undefined && value !== false) {
        return value as Exclude<Value, null | undefined | false>;
      }
      last = value;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) {
      throw new Error(`waited ${timeoutMs} ms in vain for ${what}; last seen: ${String(last)}`);
    }
    await delay(everyMs);
  }
}

/** The environment of a child: this process's own, without anything that would configure the program. */
export function cleanEnvironment(overrides: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  // What npm and vitest tell their own children would mislead another npm.
  const names =
    /^(ESP_|PORT$|HOST$|KAFKA_|DATABASE_URL|REDIS_URL|NODE_OPTIONS$|NODE_ENV$|MALLOC_|VITEST|npm_(package|lifecycle|command|config_(local_prefix|loglevel|user_agent)))/;
  const kept = Object.entries(process.env).filter(([name]) => !names.test(name));
  return { ...Object.fromEntries(kept), ...overrides };
}

export interface ExitOutcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Answer<Body = unknown> {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; reading it fails the test where it is none. */
  readonly body: Body;
}

export interface ServerOptions {
  readonly dataDir: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Command line that starts the server; the clone's own sources by default. */
  readonly command?: readonly string[];
  readonly cwd?: string;
  /** false: return as soon as it listens. */
  readonly waitUntilReady?: boolean;
  readonly timeoutMs?: number;
}

export interface RunningServer {
  readonly url: string;
  readonly pid: number;
  readonly dataDir: string;
  /** Everything it has written so far, both streams. */
  output(): string;
  readonly exited: Promise<ExitOutcome>;
  request<Body = unknown>(path: string, init?: RequestInit): Promise<Answer<Body>>;
  /** GET that must answer 200. */
  get<Body = unknown>(path: string): Promise<Body>;
  /** POST of NDJSON to /api/events; answers whatever comes. */
  send(events: readonly object[], path?: string, headers?: Record<string, string>): Promise<Answer<ManyReceipt>>;
  /** Waits until nothing is in flight and answers the ledger. */
  settled(timeoutMs?: number): Promise<LedgerView>;
  /** SIGKILL: no goodbye, no flush. */
  kill(): Promise<ExitOutcome>;
  /** SIGTERM (or another) and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<ExitOutcome>;
}

export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { dataDir, waitUntilReady = true, timeoutMs = 30_000 } = options;
  const [file, ...args] = options.command ?? startCommand;
  const child = spawn(file!, args, {
    cwd: options.cwd ?? projectRoot,
    env: cleanEnvironment({ PORT: '0', HOST: '127.0.0.1', ESP_DATA_DIR: dataDir, ...options.env }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = collectOutput(child);
  const exited = once(child, 'exit').then(([code, signal]): ExitOutcome => ({ code, signal }));
  let running = true;
  void exited.then(() => {
    running = false;
  });
  onTestFinished(async () => {
    if (running) child.kill('SIGKILL');
    await exited;
  });
  onTestFailed(() => {
    process.stderr.write(`--- output of server ${child.pid} on ${dataDir}\n${output().slice(-8_000)}\n---\n`);
  });

  const url = await waitFor(
    'the server to listen',
    () => {
      if (!running) return 'ended';
      // By number, as it is bound: the name may also mean an address that something else listens on.
      return /listening at (http:\/\/[^\s",]+)/.exec(output())?.[1]?.replace('//localhost:', '//127.0.0.1:');
    },
    { timeoutMs },
  );
  if (url === 'ended') {
    const { code, signal } = await exited;
    throw new Error(`the server ended (code ${code}, signal ${signal}) before it listened:\n${output()}`);
  }

  const server = createClient(url, { child, dataDir, output, exited });
  if (waitUntilReady) {
    await waitFor('/health/ready', async () => (await server.request('/health/ready')).status === 200, { timeoutMs });
  }
  return server;
}

function createClient(
  url: string,
  process: { child: ChildProcess; dataDir: string; output: () => string; exited: Promise<ExitOutcome> },
): RunningServer {
  const { child, dataDir, output, exited } = process;

  async function request<Body>(path: string, init?: RequestInit): Promise<Answer<Body>> {
    const response = await fetch(new URL(path, url), init);
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      text,
      get body() {
        return JSON.parse(text) as Body;
      },
    };
  }

  async function get<Body>(path: string): Promise<Body> {
    const answer = await request<Body>(path);
    if (answer.status !== 200) throw new Error(`GET ${path} answered ${answer.status}: ${answer.text.slice(0, 500)}`);
    return answer.body;
  }

  async function end(signal: NodeJS.Signals): Promise<ExitOutcome> {
    child.kill(signal);
    return exited;
  }

  return {
    url,
    pid: child.pid!,
    dataDir,
    output,
    exited,
    request,
    get,
    send: (events, path = '/api/events', headers = {}) =>
      request<ManyReceipt>(path, {
        method: 'POST',
        headers: { 'content-type': 'application/x-ndjson', ...headers },
        body: `${events.map((event) => JSON.stringify(event)).join('\n')}\n`,
      }),
    settled: (timeoutMs = 30_000) =>
      waitFor(
        'everything sent to be settled',
        async () => {
          const ledger = await get<LedgerView>('/api/ledger');
          return ledger.in_flight === 0 && ledger;
        },
        { timeoutMs },
      ),
    kill: () => end('SIGKILL'),
    stop: (signal = 'SIGTERM') => end(signal),
  };
}

/** The machine's own Node comes first, as it would for a user: not the one that runs this test. */
export function ownPath(): string {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return folders.filter((folder) => !folder.includes('node_modules')).join(delimiter);
}

/** A port that nothing listens on, for servers that must come back on the same one. */
export async function freePort(): Promise<string> {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const { port } = holder.address() as AddressInfo;
  holder.close();
  await once(holder, 'close');
  return String(port);
}

/** Keeps the lock until its input ends. */
const lockerSource = `
  import { DatabaseSync } from 'node:sqlite';
  const database = new DatabaseSync(process.argv[1], { timeout: 20_000 });
  database.exec('BEGIN EXCLUSIVE');
  process.stdout.write('locked');
  process.stdin.resume().on('end', () => database.exec('ROLLBACK'));
`;

/** Another process takes the store's write lock; resolves once it has it. */
export async function lockStore(path: string): Promise<{ release(): Promise<void> }> {
  const locker = spawn(process.execPath, ['--input-type=module', '-e', lockerSource, path], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(locker, 'exit');
  onTestFinished(async () => {
    locker.kill('SIGKILL');
    await exited;
  });
  const [said] = await once(locker.stdout, 'data');
  expect(String(said)).toBe('locked');
  return {
    async release() {
      locker.stdin.end();
      expect(await exited).toEqual([0, null]);
    },
  };
}

export interface CommandOutcome extends ExitOutcome {
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `esp …` to its end. */
export async function runEsp(
  args: readonly string[],
  options: Pick<CommandOptions, 'env' | 'input' | 'interruptWhen'> = {},
): Promise<CommandOutcome> {
  return runCommand([process.execPath, mainFile, ...args], options);
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly cwd?: string;
  /** SIGINT is sent to it once this resolves. */
  readonly interruptWhen?: Promise<unknown>;
}

/** Runs any command to its end; killed with the test if it never ends. */
export async function runCommand(
  [file, ...args]: readonly string[],
  options: CommandOptions = {},
): Promise<CommandOutcome> {
  const child = spawn(file!, args, { cwd: options.cwd ?? projectRoot, env: cleanEnvironment(options.env) });
  const closed = once(child, 'close');
  onTestFinished(() => void child.kill('SIGKILL'));
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  void options.interruptWhen?.then(() => child.kill('SIGINT'));
  // A command that ends without reading its input is no fault of the test.
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  const [code, signal] = await closed;
  return { code, signal, stdout, stderr };
}

/** Puts records on the log below the interface, as another producer would; no server may hold the directory. */
export async function appendToLog(
  dataDir: string,
  records: readonly { readonly key: string; readonly value: Uint8Array }[],
): Promise<void> {
  const partitions = 8;
  const log = await createSegmentEventLog({ directory: join(dataDir, 'log'), partitions });
  await log.append(records.map(({ key, value }) => ({ partition: partitionOf(key, partitions), value })));
  await log.close();
}

/** Every stored event, by the pages of GET /api/events, newest first. */
export async function storedEvents(server: RunningServer): Promise<EventView[]> {
  const events: EventView[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const after = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const page: EventPage = await server.get(`/api/events?limit=1000${after}`);
    events.push(...page.events);
    cursor = page.next_cursor;
  }
  return events;
}

/**
 * Waits until nothing is in flight, then holds every number against the others: the ledger balances, the metrics tell
 * what the ledger tells, and `esp verify` finds every number in agreement with the rows.
 */
export async function expectEverythingAddsUp(server: RunningServer, expected = { lost: 0 }): Promise<LedgerView> {
  const ledger = await server.settled();
  const { stored, duplicate, failed, lost, skipped } = ledger;
  expect(ledger).toMatchObject({ balanced: true, ...expected, appended: stored + duplicate + failed + lost + skipped });
  const told = await waitFor('the metrics to tell what the ledger tells', async () => {
    const { all_time } = await server.get<MetricsView>('/api/metrics?window=5m');
    return all_time.total + all_time.duplicates + all_time.failed === stored + duplicate + failed && all_time;
  });
  expect(told).toMatchObject({ total: stored, duplicates: duplicate, failed });
  const verified = await runEsp(['verify'], { env: { ESP_URL: server.url } });
  expect(verified.stdout + verified.stderr).toMatch(/^OK: /);
  expect(verified.code).toBe(0);
  return ledger;
}

/** Numbers in [0, 1) from a seed that is printed if the test fails; ESP_TEST_SEED repeats a run. */
export function createSeededRandom(seed = Number(process.env.ESP_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31))) {
  onTestFailed(() => {
    process.stderr.write(`repeat with ESP_TEST_SEED=${seed}\n`);
  });
  // mulberry32, Tommy Ettinger's public-domain generator: small, and good enough to vary a scenario.
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** A valid event; `n` makes it tell itself apart. */
export function makeEvent(n: number, overrides: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return { event_type: 'order.placed', source: 'scenario', id: `event-${n}`, payload: { n }, ...overrides };
}

function collectOutput(child: ChildProcess): () => string {
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
  }
  return () => text;
}
