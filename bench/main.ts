/** `npm run bench`: what is measured, and how to read it, is in docs/performance.md. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { checkStack } from '../src/testing/stack/maven.ts';
import { describeMachine } from './machine.ts';
import { judge } from './marks.ts';
import { type IngestPlan, measureIngest } from './measure/ingest.ts';
import { measureLatency } from './measure/latency.ts';
import { measureMemory } from './measure/memory.ts';
import { measureProcessing } from './measure/processing.ts';
import { measureProduction } from './measure/production.ts';
import type { Setup } from './measure/setup.ts';
import { profileText } from './profile.ts';
import {
  ingestText,
  latencyText,
  machineText,
  markText,
  memoryText,
  processingText,
  productionText,
} from './report.ts';
import type { Results } from './results.ts';

const resultsDir = join(import.meta.dirname, 'results');

interface Options {
  readonly seconds: number;
  readonly rounds: number;
  readonly dir: string;
  readonly json: boolean;
  readonly marks: boolean;
  readonly profile: boolean;
}

const measurementNames = ['ingest', 'batch', 'process', 'latency', 'memory', 'production'] as const;
type MeasurementName = (typeof measurementNames)[number];
/** Those that a mark is set for. */
const markedNames: readonly MeasurementName[] = ['ingest', 'process', 'memory', 'production'];

const single: IngestPlan = { connections: 64, eventsPerRequest: 1 };
const batches: readonly IngestPlan[] = [
  { connections: 8, eventsPerRequest: 1_000 },
  { connections: 4, eventsPerRequest: 10_000 },
];

type Show = (text: string) => void;

const measurements: Record<MeasurementName, (setup: Setup, results: Results, show: Show) => Promise<void>> = {
  async ingest(setup, results, show) {
    results.ingest = await measureIngest(setup, single);
    show(ingestText(results.ingest));
  },
  async batch(setup, results, show) {
    // What is accepted in a second takes longer than one to store, so half the time is as much work.
    const shorter = { ...setup, seconds: Math.max(1, setup.seconds / 2) };
    const found = [];
    for (const plan of batches) {
      found.push(await measureIngest(shorter, plan));
      show(ingestText(found.at(-1)!));
    }
    results.batch = found;
  },
  async process(setup, results, show) {
    results.processing = await measureProcessing(setup);
    show(processingText(results.processing));
  },
  async latency(setup, results, show) {
    results.latency = await measureLatency(setup, results.ingest?.product.requestsPerSecond.median ?? null);
    show(latencyText(results.latency));
  },
  async memory(setup, results, show) {
    results.memory = await measureMemory(setup);
    show(memoryText(results.memory));
  },
  async production(setup, results, show) {
    const stack = checkStack();
    if (!stack.available) return setup.progress(`left out: Kafka, PostgreSQL and Redis. ${stack.reason}`);
    results.production = await measureProduction(setup);
    show(productionText(results.production));
  },
};

async function run(names: readonly MeasurementName[], options: Options): Promise<void> {
  const progress = (line: string) => process.stderr.write(`${line}\n`);
  const show: Show = (text) => process.stdout.write(options.json ? '' : `${text}\n\n`);
  const startedAt = new Date().toISOString();
  const results: Results = {
    startedAt,
    seconds: options.seconds,
    rounds: options.rounds,
    machine: describeMachine(options.dir),
  };
  show(machineText(results.machine));
  const stamp = startedAt.replaceAll(/[:.]/g, '-');
  for (const name of names) {
    progress(`measuring: ${name}`);
    const profileDir = options.profile ? join(resultsDir, `${stamp}-${name}-profile`) : null;
    const setup: Setup = { ...options, directory: options.dir, profileDir, progress: (line) => progress(`  ${line}`) };
    await measurements[name](setup, results, show);
    if (profileDir !== null) show(profileText(profileDir));
  }

  const marks = judge(results);
  mkdirSync(resultsDir, { recursive: true });
  const file = join(resultsDir, `${stamp}.json`);
  writeFileSync(file, `${JSON.stringify({ ...results, marks }, null, 2)}\n`);
  progress(`written to ${file}`);
  if (options.json) process.stdout.write(`${JSON.stringify({ ...results, marks }, null, 2)}\n`);
  else if (options.marks) process.stdout.write(`${marks.map(markText).join('\n')}\n`);
  if (options.marks && marks.some(({ held }) => !held)) process.exitCode = 1;
}

function parsePositive(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError('must be a number above 0');
}

// Ctrl-C reaches the product too; what was started ends with this process.
process.once('SIGINT', () => process.exit(130));

await new Command('bench')
  .description('Measures the product beside bare baselines on this machine, in turn, and counts every event.')
  .argument('[measurement]', `one of ${measurementNames.join(', ')}; default: all (with --marks: those with a mark)`)
  .option('--seconds <seconds>', 'length of one round', parsePositive, 5)
  .option('--rounds <rounds>', 'rounds of each side', parsePositive, 3)
  .option('--dir <directory>', 'where data directories are made; must not be in memory', tmpdir())
  .option('--marks', 'one line a mark; exit code 1 when one is short', false)
  .option('--json', 'print the results as JSON', false)
  .option('--profile', 'take CPU profiles of the product and print where its time goes (slower)', false)
  .action(async (name: string | undefined, options: Options, command: Command) => {
    if (name === undefined) return run(options.marks ? markedNames : measurementNames, options);
    const known = measurementNames.find((candidate) => candidate === name);
    if (known === undefined) command.error(`error: no measurement is called ${name}: ${measurementNames.join(', ')}`);
    return run([known], options);
  })
  .parseAsync();
