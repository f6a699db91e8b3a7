import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { descendantsOf, isRunning, signal } from './process-table.ts';
import { runCommand } from './run-command.ts';
import { requireReachable, type ServerOwner } from './server-owner.ts';
import { waitUntil } from './wait-until.ts';
import { startWatchdog } from './watchdog.ts';

/** A server of the stack, as a process of its own that tests may treat as badly as they like. */
export interface NativeServer extends AsyncDisposable {
  readonly port: number;
  /** What the server keeps is in `data` in it, what it says in `output.log`. */
  readonly directory: string;
  /** Of the running server; throws where it does not run. */
  pid(): number;
  isRunning(): boolean;
  /** The end of everything it has written. */
  output(): string;
  /** Again, on the same port and directory; resolves once it answers. */
  start(): Promise<void>;
  /** In good order, as on a planned restart. */
  stop(): Promise<void>;
  /** SIGKILL to it and all its processes at once; resolves when they are gone. */
  kill(): Promise<void>;
  /** SIGSTOP to it and all its processes: connections stay open and silent. */
  suspend(): void;
  resume(): void;
  /** Resolves when the process that runs now has ended, whoever ended it. */
  untilEnded(): Promise<void>;
  /** A copy of its data, to restore later. Only of a server that does not run, as is restoring. */
  copyData(): Promise<DataCopy>;
  restoreData(copy: DataCopy): Promise<void>;
  /** Ends it however it is, and removes its directory if it was made for it. */
  dispose(): Promise<void>;
}

/** Kept in the server's directory, and removed with it. */
export interface DataCopy {
  readonly directory: string;
}

export interface ServerProcessOptions {
  readonly name: string;
  readonly port: number;
  readonly workspace: Workspace;
  /** Its data before its first start, copied if the directory has none. */
  readonly template?: string;
  readonly command: readonly string[];
  readonly owner?: ServerOwner | null;
  readonly stopSignal: NodeJS.Signals;
  /** One look whether it answers; false or an error means not yet. */
  answers(): Promise<boolean>;
}

export interface Workspace {
  readonly directory: string;
  readonly isTemporary: boolean;
}

/** Alone a broker stands in 5 s; on two cores with twenty others waiting for them it has been seen to take 45 s. */
const readinessMs = 120_000;
/** Kafka hands over and flushes in about 2 s, PostgreSQL writes a checkpoint. */
const stopMs = 60_000;
/** Some hundred megabytes on a busy disk. */
const copyMs = 120_000;
const outputCharactersShown = 4_000;

/** The directory that was asked for, or a temporary one; the server's user owns it. */
export function openWorkspace(label: string, wanted: string | undefined, owner: ServerOwner | null = null): Workspace {
  const isTemporary = wanted === undefined;
  const directory = wanted ?? mkdtempSync(join(tmpdir(), `esp-${label}-`));
  mkdirSync(directory, { recursive: true });
  if (owner) {
    requireReachable(dirname(directory), owner);
    chownSync(directory, owner.uid, owner.gid);
  }
  return { directory, isTemporary };
}

/** Starts it and resolves once it answers. What fails to start leaves nothing behind but the error. */
export async function startServerProcess(options: ServerProcessOptions): Promise<NativeServer> {
  const server = createServerProcess(options);
  try {
    if (options.template !== undefined) await useTemplate(options.template, options.workspace.directory);
    await server.start();
    return server;
  } catch (error) {
    await server.dispose();
    throw error;
  }
}

/** Beside its place first, so that half a copy is never taken for a server's data. */
async function useTemplate(template: string, directory: string): Promise<void> {
  const data = join(directory, 'data');
  if (existsSync(data)) return;
  const draft = join(directory, 'data.new');
  await copy(template, draft);
  await rename(draft, data);
}

/** `cp` keeps owners and modes, which PostgreSQL insists on. */
async function copy(from: string, to: string): Promise<void> {
  await rm(to, { recursive: true, force: true });
  await runCommand(['cp', '-a', from, to], { timeoutMs: copyMs });
}

function createServerProcess(options: ServerProcessOptions): NativeServer {
  const { name, port, workspace, stopSignal } = options;
  const { directory } = workspace;
  const logFile = join(directory, 'output.log');
  const watchdog = startWatchdog(workspace.isTemporary ? directory : null);
  let copies = 0;
  let running: { readonly child: ChildProcess; readonly pid: number; readonly exited: Promise<void> } | null = null;

  const output = () => (existsSync(logFile) ? readFileSync(logFile, 'utf8').slice(-outputCharactersShown) : '');

  async function start(): Promise<void> {
    if (running) throw new Error(`${name} runs already`);
    const child = spawnServer(options, logFile);
    try {
      await once(child, 'spawn');
    } catch (error) {
      throw new Error(`${name} can't be started: ${(error as Error).message}`, { cause: error });
    }
    const pid = child.pid!;
    watchdog.guard(pid);
    const exited = once(child, 'exit').then(() => {
      watchdog.guard(null);
      running = null;
    });
    running = { child, pid, exited };
    await untilItAnswers();
  }

  async function untilItAnswers(): Promise<void> {
    try {
      await waitUntil(`${name} to answer on port ${port}`, async () => running === null || (await options.answers()), {
        timeoutMs: readinessMs,
      });
    } catch (error) {
      await kill();
      throw new Error(`${(error as Error).message}\n${output()}`, { cause: error });
    }
    if (running === null) throw new Error(`${name} ended before it answered:\n${output()}`);
  }

  async function stop(): Promise<void> {
    if (!running) return;
    const { pid, exited } = running;
    resume();
    signal(pid, stopSignal);
    const deadline = AbortSignal.timeout(stopMs);
    const late = once(deadline, 'abort').then(() => 'late');
    if ((await Promise.race([exited, late])) !== 'late') return;
    await kill();
    throw new Error(`${name} did not stop within ${stopMs} ms of ${stopSignal}:\n${output()}`);
  }

  async function kill(): Promise<void> {
    if (!running) return;
    const { pid, exited } = running;
    // Stopped first, so that it starts no more processes while they are looked for, and mourns none.
    signal(pid, 'SIGSTOP');
    const children = descendantsOf(pid);
    for (const each of [...children, pid]) signal(each, 'SIGKILL');
    await exited;
    await waitUntil(`the processes of ${name} to be gone`, () => !children.some(isRunning));
  }

  function toAll(which: NodeJS.Signals): void {
    const pid = pidOrThrow();
    signal(pid, which);
    for (const each of descendantsOf(pid)) signal(each, which);
  }

  function resume(): void {
    toAll('SIGCONT');
  }

  function pidOrThrow(): number {
    if (!running) throw new Error(`${name} does not run`);
    return running.pid;
  }

  async function replaceByCopy(from: string, to: string): Promise<void> {
    if (running) throw new Error(`the data of ${name} can't be copied while it runs`);
    await copy(from, to);
  }

  async function copyData(): Promise<DataCopy> {
    copies += 1;
    const place = join(directory, `data.copy-${copies}`);
    await replaceByCopy(join(directory, 'data'), place);
    return { directory: place };
  }

  async function dispose(): Promise<void> {
    await kill();
    if (workspace.isTemporary) await rm(directory, { recursive: true, force: true, maxRetries: 5 });
    await watchdog.release();
  }

  return {
    port,
    directory,
    pid: pidOrThrow,
    isRunning: () => running !== null,
    output,
    start,
    stop,
    kill,
    suspend: () => toAll('SIGSTOP'),
    resume,
    untilEnded: async () => running?.exited,
    copyData,
    restoreData: (kept) => replaceByCopy(kept.directory, join(directory, 'data')),
    dispose,
    [Symbol.asyncDispose]: dispose,
  };
}

function spawnServer({ command, workspace, owner }: ServerProcessOptions, logFile: string): ChildProcess {
  const [file, ...args] = command;
  const log = openSync(logFile, 'a');
  try {
    return spawn(file!, args, {
      cwd: workspace.directory,
      // A session of its own: Ctrl-C in a terminal goes to us, and we end it in order.
      detached: true,
      stdio: ['ignore', log, log],
      env: { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' },
      ...(owner ? { uid: owner.uid, gid: owner.gid } : {}),
    });
  } finally {
    closeSync(log);
  }
}
