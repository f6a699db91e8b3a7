import { setTimeout as delay } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import { createApiClient } from './api-client.ts';
import { type CliContext, CommandError, exitCodes, formatCount, printJson, printLine } from './context.ts';
import { createDelivery } from './deliver.ts';
import { parseCount, parseRate, parseSeconds } from './parse-option.ts';
import { createProgress } from './progress.ts';
import { createPacer } from './seed-pacer.ts';
import { createTraffic, type SeedLine } from './seed-traffic.ts';

interface SeedOptions {
  readonly rate: number;
  readonly duration?: number;
  readonly count?: number;
  readonly seed?: number;
  readonly day?: number;
  readonly steady: boolean;
  readonly clean: boolean;
  readonly retryFor: number;
  readonly json: boolean;
}

const batchMax = 1_000;
/** Where the clock of a repeatable run starts, so that its events are the same on any day. */
const repeatableStart = Date.UTC(2026, 0, 1);

export function addSeedCommand(program: Command, context: CliContext): void {
  program
    .command('seed')
    .summary('send realistic traffic')
    .description(
      'Sends the traffic of a web shop: more than a dozen types of events about customers, orders and sensors that recur, ' +
        'in bursts and with a daily rise and fall. Some are sent twice, some contradict an earlier one with the same id, some are not valid.',
    )
    .option('--rate <events/s>', 'on average; 0: as fast as the server takes them', parseRate, 100)
    .option('--duration <time>', 'how long, such as 30s or 5m (60s if --count is not given)', parseSeconds)
    .option('--count <events>', 'how many in all', parseCount)
    .option('--seed <number>', 'repeat exactly: the same seed sends the same events with the same ids', parseCount)
    .option('--day <time>', 'how long one simulated day lasts (--duration, or else 10m)', parseSeconds)
    .option('--steady', 'no bursts and no daily shape', false)
    .option('--clean', 'only valid events, each once', false)
    .addOption(
      new Option('--retry-for <seconds>', 'how long to wait for a server that is busy or restarts')
        .argParser(parseSeconds)
        .default(120),
    )
    .option('--json', 'print the summary as JSON', false)
    .addHelpText(
      'after',
      `
Examples:
  $ esp seed
  $ esp seed --rate 2000 --duration 5m
  $ esp seed --count 10000 --rate 0 --seed 42     (again: every event is a duplicate, or refused as before)`,
    )
    .action((options: SeedOptions) => seed(options, context));
}

async function seed(options: SeedOptions, context: CliContext): Promise<void> {
  const { interrupted } = context;
  const seedNumber = options.seed ?? Math.floor(Math.random() * 2 ** 31);
  const durationSeconds = options.duration ?? (options.count === undefined ? 60 : Number.POSITIVE_INFINITY);
  const countMax = options.count ?? Number.POSITIVE_INFINITY;
  const counts = { sent: 0, accepted: 0, rejected: 0, duplicates_sent: 0, conflicts_sent: 0, retries: 0 };
  const startedAt = performance.now();
  const elapsedSeconds = () => (performance.now() - startedAt) / 1000;

  const traffic = createTraffic({
    seed: seedNumber,
    now: options.seed === undefined ? Date.now : () => repeatableStart + counts.sent * 10,
    ...(options.clean
      ? { duplicates: 0, conflicts: 0, invalid: 0 }
      : { duplicates: 0.02, conflicts: 0.001, invalid: 0.004 }),
  });
  const pacer = createPacer({
    ratePerSecond: options.rate,
    steady: options.steady,
    daySeconds: options.day ?? (Number.isFinite(durationSeconds) ? durationSeconds : 600),
    seed: seedNumber,
  });
  const progress = createProgress(context.stderr);
  const deliver = createDelivery({
    client: createApiClient(context),
    patienceMs: options.retryFor * 1000,
    waitsForStart: false,
    waitStored: false,
    signal: interrupted,
    onRetry(reason, waitMs) {
      progress.clear();
      printLine(context.stderr, `${reason}; trying again in ${(waitMs / 1000).toFixed(1)} s`);
    },
  });

  async function sendBatch(size: number): Promise<void> {
    const lines: SeedLine[] = [];
    for (; lines.length < size; counts.sent++) lines.push(traffic.next());
    const { results, retries } = await deliver(
      lines.map(({ bytes }) => bytes),
      `seed-${seedNumber}-${counts.sent}`,
    );
    counts.retries += retries;
    for (const { intent } of lines) {
      if (intent === 'duplicate') counts.duplicates_sent += 1;
      if (intent === 'conflict') counts.conflicts_sent += 1;
    }
    for (const { status } of results) counts[status === 'rejected' ? 'rejected' : 'accepted'] += 1;
  }

  try {
    while (!interrupted.aborted && elapsedSeconds() < durationSeconds && counts.sent < countMax) {
      const due = pacer.take(elapsedSeconds(), Math.min(batchMax, countMax - counts.sent));
      if (due > 0) await sendBatch(due);
      else await delay(pacer.tickMs, undefined, { signal: interrupted }).catch(() => {});
      progress.update(
        () =>
          `${formatCount(counts.sent)} sent, ${formatCount(Math.round(counts.sent / elapsedSeconds()))}/s, ` +
          `${formatCount(counts.duplicates_sent)} twice, ${formatCount(counts.rejected)} refused, ${counts.retries} retries`,
      );
    }
  } catch (error) {
    // Ctrl-C is the usual way to end a long run: its summary is the answer.
    if (!(error instanceof CommandError && error.exitCode === exitCodes.interrupted)) throw error;
  } finally {
    progress.clear();
  }
  summarise(context, options, { seed: seedNumber, seconds: elapsedSeconds(), ...counts });
}

function summarise(
  context: CliContext,
  { json }: SeedOptions,
  summary: Readonly<
    Record<
      'seed' | 'seconds' | 'sent' | 'accepted' | 'rejected' | 'duplicates_sent' | 'conflicts_sent' | 'retries',
      number
    >
  >,
): void {
  if (json) {
    printJson(context, { ...summary, seconds: Math.round(summary.seconds * 1000) / 1000 });
    return;
  }
  const perSecond = Math.round(summary.sent / Math.max(summary.seconds, 0.001));
  const rows: readonly (readonly [string, string])[] = [
    ['sent', `${formatCount(summary.sent)} in ${summary.seconds.toFixed(1)} s (${formatCount(perSecond)}/s)`],
    ['accepted', formatCount(summary.accepted)],
    ['  of them twice', formatCount(summary.duplicates_sent)],
    ['  of them conflicts', `${formatCount(summary.conflicts_sent)} (same id, other content: they go to the inbox)`],
    ['refused', `${formatCount(summary.rejected)} (not valid, on purpose)`],
    ['retries', formatCount(summary.retries)],
    ['seed', `${summary.seed}`],
  ];
  for (const [name, value] of rows) printLine(context.stdout, `${name.padEnd(20)}${value}`);
}
