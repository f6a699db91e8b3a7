import type { Command } from 'commander';
import { type Config, loadConfig } from '../runtime/config/config.ts';
import { type CliContext, requireConfig } from './context.ts';
import { parseCount, parseText } from './parse-option.ts';
import { greet, logDefaults, runUntilStopped } from './serve.ts';
import { tuneHeap } from './tune-heap.ts';

interface StartOptions {
  readonly port?: number;
  readonly host?: string;
  readonly dataDir?: string;
}

interface ApiOptions extends StartOptions {
  readonly threads?: number;
}

const ending = 'SIGTERM or Ctrl-C ends it in order: what was accepted is stored first. A second one ends it at once.';

export function addStartCommand(program: Command, context: CliContext): void {
  program
    .command('start')
    .summary('run the server')
    .description(
      'Runs everything in one process: HTTP API, dashboard, processing. Data lies in one directory, or in Kafka, PostgreSQL and ' +
        `Redis where KAFKA_BROKERS, DATABASE_URL and REDIS_URL are set. ${ending}`,
    )
    .option('--port <port>', 'instead of PORT (3000); 0: any free one', parseCount)
    .option('--host <address>', 'instead of HOST (127.0.0.1)', parseText)
    .option('--data-dir <directory>', 'instead of ESP_DATA_DIR (./data)', parseText)
    .addHelpText('after', '\nExamples:\n  $ esp start\n  $ esp start --port 8080 --data-dir /var/lib/esp')
    .action((options: StartOptions) => start(options, 'all', context));
}

export function addApiCommand(program: Command, context: CliContext): void {
  program
    .command('api')
    .summary('run the HTTP API and the dashboard alone')
    .description(
      'Runs the HTTP API and the dashboard, on Kafka, PostgreSQL and Redis (KAFKA_BROKERS, DATABASE_URL, REDIS_URL). Workers run ' +
        'as processes of their own: esp worker. Any number of each may run. SIGTERM or Ctrl-C ends it in order.',
    )
    .option('--port <port>', 'instead of PORT (3000); 0: any free one', parseCount)
    .option('--host <address>', 'instead of HOST (127.0.0.1)', parseText)
    .option('--threads <count>', 'that serve HTTP, instead of ESP_HTTP_THREADS (1)', parseCount)
    .addHelpText('after', '\nExamples:\n  $ esp api\n  $ esp api --port 8080 --host 0.0.0.0')
    .action((options: ApiOptions) => start(options, 'api', context));
}

async function start(
  { port, host, dataDir, threads }: ApiOptions,
  role: 'all' | 'api',
  context: CliContext,
): Promise<void> {
  const config = requireConfig(
    loadConfig({
      ...logDefaults(context),
      ...context.env,
      ...(port === undefined ? {} : { PORT: String(port) }),
      ...(host === undefined ? {} : { HOST: host }),
      ...(dataDir === undefined ? {} : { ESP_DATA_DIR: dataDir }),
      ...(threads === undefined ? {} : { ESP_HTTP_THREADS: String(threads) }),
    }),
  );
  tuneHeap(role === 'all' ? 60 : 70);
  // Imported late: no other command needs all of it.
  const { startServer } = await import('../runtime/serve/start.ts');
  const server = await startServer(config, role);
  greet(context, server.url, describeData(config));
  await runUntilStopped(server, context);
}

/** Where the data lies, without the passwords of it. */
function describeData({ production, dataDir }: Config): string {
  return production === null ? dataDir : `Kafka (${production.kafka.brokers.join(', ')}), PostgreSQL and Redis`;
}
