// `npm run stack`: Kafka, PostgreSQL and Redis on this machine, without Docker, until Ctrl-C. Prints the environment
// that the program wants; everything else goes to standard error.
//
//   --dir D        keep the data in D, and the ports; without it they are temporary
//   --env-file F   write the environment to F too
//   --json         print one JSON object instead of lines for a shell
import { mkdirSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { acquireDirectoryLock, type DirectoryLock } from '../src/runtime/compose/directory-lock.ts';
import { checkStack, fetchPart, wholeStack } from '../src/testing/stack/maven.ts';
import { startWholeStack, type WholeStack } from '../src/testing/stack/whole-stack.ts';

const usage = 'usage: npm run stack -- [--dir D] [--env-file F] [--json]';

interface Options {
  readonly directory: string | undefined;
  readonly envFile: string | undefined;
  readonly json: boolean;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function readOptions(): Options {
  try {
    const { values } = parseArgs({
      options: { dir: { type: 'string' }, 'env-file': { type: 'string' }, json: { type: 'boolean', default: false } },
    });
    const { dir, json } = values;
    return { directory: dir === undefined ? undefined : resolve(dir), envFile: values['env-file'], json };
  } catch (error) {
    say(`${(error as Error).message}\n${usage}`);
    return process.exit(2);
  }
}

async function start({ directory }: Options): Promise<WholeStack> {
  const availability = checkStack();
  if (!availability.available) {
    throw new Error(
      `The stack can't be started: ${availability.reason}\nWith Docker, \`docker compose up\` does without any of it.`,
    );
  }
  await Promise.all(wholeStack.map(fetchPart));
  say('Starting Kafka, PostgreSQL and Redis …');
  return startWholeStack(directory === undefined ? {} : { directory });
}

async function lock(directory: string): Promise<DirectoryLock> {
  mkdirSync(directory, { recursive: true });
  try {
    return await acquireDirectoryLock(directory);
  } catch (error) {
    throw new Error(`${directory} is in use by another stack: stop that one, or choose another --dir`, {
      cause: error,
    });
  }
}

function show({ environment, kafka, postgres, redis }: WholeStack, { directory, envFile, json }: Options): void {
  const variables = Object.entries(environment);
  if (envFile !== undefined) {
    // With a password in it.
    writeFileSync(envFile, variables.map(([name, value]) => `${name}=${value}\n`).join(''), { mode: 0o600 });
  }
  if (json) {
    const pids = { kafka: kafka.pid(), postgres: postgres.pid(), redis: redis.pid() };
    process.stdout.write(`${JSON.stringify({ environment, pids, directory: directory ?? null })}\n`);
    return;
  }
  process.stdout.write(variables.map(([name, value]) => `export ${name}=${value}\n`).join(''));
  say(
    [
      '',
      'In another terminal, with these lines pasted' +
        (envFile === undefined ? ':' : ` (or \`set -a; . ${envFile}; set +a\`):`),
      '  npm run esp -- migrate         # the tables',
      '  npm run esp -- topics create   # the topics',
      '  npm start',
      '',
      directory === undefined
        ? 'Ctrl-C stops all three and removes their data; --dir D keeps it.'
        : `Ctrl-C stops all three; their data stays in ${directory}.`,
    ].join('\n'),
  );
}

/** One Ctrl-C may arrive twice: from the terminal, and from npm, which hands it on. */
const sameSignalMs = 500;

/** The first signal stops in order. A later one ends this process, and the watchdogs kill the servers. */
function untilSignal(): Promise<string> {
  let firstAt: number | null = null;
  return new Promise((resolveSignal) => {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(name, () => {
        if (firstAt !== null && performance.now() - firstAt > sameSignalMs) process.exit(1);
        firstAt ??= performance.now();
        resolveSignal(name);
      });
    }
  });
}

async function untilOneEnds({ kafka, postgres, redis }: WholeStack): Promise<string> {
  const ended = Object.entries({ Kafka: kafka, PostgreSQL: postgres, Redis: redis }).map(async ([name, server]) => {
    await server.untilEnded();
    return `${name} ended by itself:\n${server.output()}`;
  });
  return Promise.race(ended);
}

async function main(): Promise<void> {
  const options = readOptions();
  // Kept in hand to the end: an object that nobody holds would be collected, and its lock with it.
  const held = options.directory === undefined ? null : await lock(options.directory);
  const stack = await start(options);
  const stopped = untilSignal();
  show(stack, options);
  const failure = await Promise.race([stopped.then(() => null), untilOneEnds(stack)]);
  say(failure ?? 'Stopping …');
  await stack.stop();
  await stack.dispose();
  await held?.release();
  process.exitCode = failure === null ? 0 : 1;
}

try {
  await main();
} catch (error) {
  say((error as Error).message);
  // What had been started ends with this process.
  process.exit(1);
}
