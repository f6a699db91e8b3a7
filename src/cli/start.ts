import type { Command } from 'commander';
import { type Config, loadConfig } from '../runtime/config.ts';
import { productVersion } from '../runtime/package-files.ts';
import { type CliContext, CommandError, exitCodes, printLine, requireConfig } from './context.ts';
import { parseCount, parseText } from './parse-option.ts';

interface StartOptions {
  readonly port?: number;
  readonly host?: string;
  readonly dataDir?: string;
}

export function addStartCommand(program: Command, context: CliContext): void {
  program
    .command('start')
    .summary('run the server')
    .description(
      'Runs everything in one process: HTTP API, dashboard, processing. Data lies in one directory. ' +
        'SIGTERM or Ctrl-C ends it in order: what was accepted is stored first. A second one ends it at once.',
    )
    .option('--port <port>', 'instead of PORT (3000); 0: any free one', parseCount)
    .option('--host <address>', 'instead of HOST (127.0.0.1)', parseText)
    .option('--data-dir <directory>', 'instead of ESP_DATA_DIR (./data)', parseText)
    .addHelpText('after', '\nExamples:\n  $ esp start\n  $ esp start --port 8080 --data-dir /var/lib/esp')
    .action((options: StartOptions) => start(options, context));
}

async function start({ port, host, dataDir }: StartOptions, context: CliContext): Promise<void> {
  const config = requireConfig(
    loadConfig({
      // On a terminal a person reads along; what they have to know is in the greeting and in warnings.
      ...(context.stdout.isTTY ? { ESP_LOG_LEVEL: 'warn', ESP_LOG_FORMAT: 'text' } : {}),
      ...context.env,
      ...(port === undefined ? {} : { PORT: String(port) }),
      ...(host === undefined ? {} : { HOST: host }),
      ...(dataDir === undefined ? {} : { ESP_DATA_DIR: dataDir }),
    }),
  );
  // Imported late: no other command needs the databases.
  const { startEmbedded } = await import('../runtime/start.ts');
  const server = await startEmbedded(config);
  greet(context, server.url, config);

  await aborted(context.interrupted);
  if (context.stderr.isTTY) printLine(context.stderr, 'stopping; once more to stop at once');
  const ending = server.stop(String(context.interrupted.reason));
  const forced = aborted(context.forced).then(() => ({ forced: true }));
  const outcome = await Promise.race([ending, forced]);
  if (outcome.forced) {
    throw new CommandError(
      'stopped before everything was in order; nothing that was accepted is lost',
      exitCodes.failed,
    );
  }
}

function greet({ stdout }: CliContext, url: string, { dataDir }: Config): void {
  const version = productVersion();
  if (!stdout.isTTY) {
    printLine(stdout, `esp ${version} listening at ${url} with its data in ${dataDir}`);
    return;
  }
  const body = `'{"event_type":"greeting","payload":{"text":"hello"}}'`;
  printLine(
    stdout,
    `
  Event Stream Processor ${version} is listening at ${url}

  Dashboard    ${url}/dashboard
  Send one     curl ${url}/api/events -H 'content-type: application/json' -d ${body}
  Send many    npm run esp -- seed
  Data         ${dataDir}
  Stop         Ctrl-C
`,
  );
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
