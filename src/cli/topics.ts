import type { Command } from 'commander';
import type { TopicsReport } from '../runtime/commands/topics.ts';
import { type Config, loadConfig } from '../runtime/config/config.ts';
import {
  type CliContext,
  CommandError,
  exitCodes,
  interruptible,
  printJson,
  printLine,
  requireConfig,
} from './context.ts';
import { parseCountFromOne } from './parse-option.ts';

interface CreateOptions {
  readonly replication?: number;
  readonly json: boolean;
}

interface IncreaseOptions {
  readonly yes: boolean;
  readonly json: boolean;
}

export function addTopicsCommand(program: Command, context: CliContext): void {
  const topics = program
    .command('topics')
    .summary('make and look at the topics in Kafka')
    .description('The topics of events and of failed events in Kafka (KAFKA_BROKERS, ESP_TOPIC, ESP_FAILED_TOPIC).');

  topics
    .command('plan', { isDefault: true })
    .summary('say what is there, and what create would do')
    .description('Says which topics are there, what is wrong with them, and what create would do. Changes nothing.')
    .option('--json', 'print JSON', false)
    .addHelpText('after', '\nExamples:\n  $ esp topics')
    .action(interruptible(context, (options: { json: boolean }) => plan(options, context)));

  topics
    .command('create')
    .summary('make the topics that are missing')
    .description(
      'Makes the topics that are missing, with ESP_PARTITIONS partitions and settings that keep what a 202 promises. Topics that are ' +
        'there are looked at and left as they are. May be run again at any time.',
    )
    .option('--replication <copies>', 'copies of each partition, instead of three, or one a broker', parseCountFromOne)
    .option('--json', 'print JSON', false)
    .addHelpText('after', '\nExamples:\n  $ esp topics create')
    .action(interruptible(context, (options: CreateOptions) => create(options, context)));

  topics
    .command('increase')
    .summary('give the topic of events more partitions')
    .description(
      'Explains what more partitions mean for the order of events. Does it only when asked a second time, with --yes.',
    )
    .argument('<partitions>', 'how many it is to have', parseCountFromOne)
    .option('--yes', 'do it', false)
    .option('--json', 'print JSON', false)
    .addHelpText('after', '\nExamples:\n  $ esp topics increase 16\n  $ esp topics increase 16 --yes')
    .action(
      interruptible(context, (partitions: number, options: IncreaseOptions) => increase(partitions, options, context)),
    );
}

async function plan({ json }: { json: boolean }, context: CliContext): Promise<void> {
  const config = requireConfig(loadConfig(context.env));
  const { checkTopics } = await import('../runtime/commands/topics.ts');
  const report = await checkTopics(config);
  if (json) printJson(context, report);
  else {
    for (const name of report.missing) printLine(context.stdout, `${name}: missing; esp topics create makes it`);
    printReport(report, config, context);
  }
  if (report.missing.length > 0) throw new CommandError('', exitCodes.failed);
  failIfWrong(report);
}

async function create({ json, replication }: CreateOptions, context: CliContext): Promise<void> {
  const config = requireConfig(loadConfig(context.env));
  const { createTopics } = await import('../runtime/commands/topics.ts');
  const report = await createTopics(config, replication === undefined ? {} : { replication });
  if (json) printJson(context, report);
  else printReport(report, config, context);
  failIfWrong(report);
}

function printReport(report: TopicsReport, { partitions: wanted }: Config, { stdout }: CliContext): void {
  for (const { name, role, made, partitions, replication } of report.topics) {
    const copies = replication === 1 ? 'one copy' : `${replication} copies`;
    const shape = `${partitions} partition${partitions === 1 ? '' : 's'}, ${copies} of each`;
    printLine(stdout, `${name}: ${made ? 'made, with' : 'is there, with'} ${shape}`);
    if (role === 'events' && partitions < wanted) {
      printLine(stdout, `  ESP_PARTITIONS is ${wanted}: esp topics increase ${wanted} explains what that would mean`);
    }
  }
  for (const { topic, level, what, mend } of report.findings) {
    printLine(stdout, `${level === 'wrong' ? 'PROBLEM' : 'warning'}  ${topic}: ${what}`);
    printLine(stdout, `         → ${mend}`);
  }
  if (report.durability !== null) printLine(stdout, report.durability);
}

function failIfWrong({ findings }: TopicsReport): void {
  if (findings.some(({ level }) => level === 'wrong')) throw new CommandError('', exitCodes.failed);
}

async function increase(partitions: number, { yes, json }: IncreaseOptions, context: CliContext): Promise<void> {
  const config = requireConfig(loadConfig(context.env));
  const { increasePartitions } = await import('../runtime/commands/topics.ts');
  const { present, explanation, done } = await increasePartitions(config, partitions, yes);
  if (json) {
    printJson(context, { present, wanted: partitions, explanation, done });
  } else if (done) {
    printLine(context.stdout, `the topic has ${partitions} partitions now, it had ${present}`);
  } else {
    printLine(context.stdout, explanation);
    printLine(context.stderr, `nothing was changed; to do it: esp topics increase ${partitions} --yes`);
  }
  if (!done) throw new CommandError('', exitCodes.failed);
}
