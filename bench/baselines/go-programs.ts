/** The baselines in Go: built when they are first asked for, outside the tree, and kept until their source changes. */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cachedDirectory } from '../../src/testing/stack/cache.ts';
import { runCommand } from '../../src/testing/stack/run-command.ts';
import type { LeftOut } from '../measurement.ts';
import { waitFor } from '../parts/wait.ts';

const moduleDir = join(import.meta.dirname, 'go');
/** A slow machine compiles the client libraries in two minutes, and fetches them before. */
const buildMs = 300_000;

export interface GoPrograms {
  readonly server: string;
  readonly sink: string;
}

/** Paths of the programs. */
export async function goPrograms(): Promise<GoPrograms | LeftOut> {
  const go = ['go', '/usr/local/go/bin/go'].find((file) => spawnSync(file, ['version']).status === 0);
  if (go === undefined) return { leftOut: 'the baselines in Go, since there is no Go here (go.dev/dl)' };
  const version = spawnSync(go, ['version'], { encoding: 'utf8' }).stdout;
  const hash = createHash('sha256').update(version);
  for (const file of globSync('**/*', { cwd: moduleDir }).sort()) {
    if (/\.(go|mod|sum)$/.test(file)) hash.update(readFileSync(join(moduleDir, file)));
  }
  try {
    const directory = await cachedDirectory(`go-baselines-${hash.digest('hex').slice(0, 16)}`, async (draft) => {
      await runCommand([go, 'build', '-o', `${draft}/`, './...'], { cwd: moduleDir, timeoutMs: buildMs });
    });
    return { server: join(directory, 'server'), sink: join(directory, 'sink') };
  } catch (error) {
    return { leftOut: `the baselines in Go, which can't be built: ${(error as Error).message}` };
  }
}

interface GoProcess extends AsyncDisposable {
  readonly pid: number;
  output(): string;
  /** Resolves with the code it ends with. */
  readonly ended: Promise<number | null>;
}

function startGo(file: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): GoProcess {
  // The server ends when its standard input does, however this process ends.
  const child = spawn(file, args, { env, stdio: ['pipe', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const killOnExit = () => child.kill('SIGKILL');
  process.once('exit', killOnExit);
  const ended = once(child, 'close').then(([code]) => {
    process.off('exit', killOnExit);
    return code as number | null;
  });
  ended.catch(() => undefined);
  return {
    pid: child.pid!,
    output: () => output,
    ended,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

export interface GoServer extends AsyncDisposable {
  readonly pid: number;
  readonly port: number;
}

export async function startGoServer(
  { server }: GoPrograms,
  { brokers, topic, linger }: { readonly brokers: string; readonly topic: string; readonly linger: string },
): Promise<GoServer> {
  const started = startGo(server, ['-brokers', brokers, '-topic', topic, '-linger', linger]);
  const port = await waitFor('the server in Go', () => /listening at .*:(\d+)/.exec(started.output())?.[1]);
  return { pid: started.pid, port: Number(port), [Symbol.asyncDispose]: () => started[Symbol.asyncDispose]() };
}

export interface GoSinkPlan {
  readonly brokers: string;
  readonly topic: string;
  readonly group: string;
  readonly databaseUrl: string;
  readonly table: string;
  readonly records: number;
  /** The clock starts with the first batch that makes it so many. */
  readonly warmUp: number;
}

/** As the program tells it, of what came after the warm-up. */
export interface GoSinkReport {
  readonly records: number;
  readonly seconds: number;
  readonly cpu_seconds: number;
}

/** Works off so many records of the topic, from its beginning. */
export async function runGoSink({ sink }: GoPrograms, plan: GoSinkPlan): Promise<GoSinkReport> {
  const args = ['-brokers', plan.brokers, '-topic', plan.topic, '-group', plan.group];
  const counts = ['-records', String(plan.records), '-warm-up', String(plan.warmUp)];
  await using started = startGo(sink, [...args, '-table', plan.table, ...counts], {
    ...process.env,
    DATABASE_URL: plan.databaseUrl,
  });
  const code = await started.ended;
  if (code !== 0) throw new Error(`the sink in Go ended with ${code}`);
  return JSON.parse(started.output());
}
