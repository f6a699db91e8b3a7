import type { Command } from 'commander';
import { loadConfig } from '../runtime/config/config.ts';
import { productVersion } from '../runtime/serve/package-files.ts';
import { type CliContext, printLine, requireConfig } from './context.ts';
import { parseCount, parseText } from './parse-option.ts';
import { logDefaults, runUntilStopped } from './serve.ts';
import { tuneHeap } from './tune-heap.ts';

interface WorkerOptions {
  readonly port?: number;
  readonly host?: string;
}

export function addWorkerCommand(program: Command, context: CliContext): void {
  program
    .command('worker')
    .summary('run a worker alone')
    .description(
      'Brings events from Kafka into PostgreSQL and Redis (KAFKA_BROKERS, DATABASE_URL, REDIS_URL). Any number of workers share the ' +
        'partitions. It listens for /health/live, /health/ready and /metrics only. SIGTERM or Ctrl-C ends it in order: the ' +
        'transactions that run are finished, and its partitions given to the others. A second one ends it at once.',
    )
    .option('--port <port>', 'for health and metrics, instead of ESP_WORKER_PORT (0: any free one)', parseCount)
    .option('--host <address>', 'instead of HOST (127.0.0.1)', parseText)
    .addHelpText('after', '\nExamples:\n  $ esp worker\n  $ esp worker --port 9100')
    .action((options: WorkerOptions) => work(options, context));
}

async function work({ port, host }: WorkerOptions, context: CliContext): Promise<void> {
  const config = requireConfig(
    loadConfig({
      ...logDefaults(context),
      ...context.env,
      ...(port === undefined ? {} : { ESP_WORKER_PORT: String(port) }),
      ...(host === undefined ? {} : { HOST: host }),
    }),
  );
  tuneHeap(160);
  const { startWorker } = await import('../runtime/serve/start-worker.ts');
  const worker = await startWorker(config);
  printLine(context.stdout, `esp ${productVersion()} worker listening at ${worker.url} for health and metrics`);
  await runUntilStopped(worker, context);
}
