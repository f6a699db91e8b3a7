import type { Command } from 'commander';
import type { Finding } from '../runtime/compose/finding.ts';
import { type Config, loadConfig } from '../runtime/config/config.ts';
import { createApiClient, UnreachableError } from './api-client.ts';
import {
  type CliContext,
  CommandError,
  exitCodes,
  interruptible,
  printJson,
  printLine,
  requireConfig,
} from './context.ts';
import { findHere, findInFiles, findOnServer, findOnSharedServer, findSilent } from './doctor-checks.ts';

interface DoctorOptions {
  readonly adoptLog: boolean;
  readonly json: boolean;
}

export function addDoctorCommand(program: Command, context: CliContext): void {
  program
    .command('doctor')
    .summary('look for trouble and say what to do')
    .description(
      'Checks this machine, the data directory (or Kafka, PostgreSQL and Redis, where they are set) and the server, and says of ' +
        'each problem what to do. Where no server runs, it opens the files in ESP_DATA_DIR itself.',
    )
    .option(
      '--adopt-log',
      'go on with the log that is there although it is not the one that was processed; no embedded server may run',
      false,
    )
    .option('--json', 'print JSON', false)
    .addHelpText('after', '\nExamples:\n  $ esp doctor\n  $ ESP_DATA_DIR=/var/lib/esp esp doctor --adopt-log')
    .action(interruptible(context, (options: DoctorOptions) => doctor(options, context)));
}

const marks = { ok: 'ok     ', warning: 'warning', problem: 'PROBLEM' } as const;

async function doctor(options: DoctorOptions, context: CliContext): Promise<void> {
  const config = requireConfig(loadConfig(context.env));
  if (options.adoptLog) {
    await adoptLog(config, context);
    return;
  }
  const findings = [...(await findHere(config)), ...(await findThere(config, context))];
  const problems = findings.filter(({ level }) => level === 'problem');
  if (options.json) {
    printJson(context, { ok: problems.length === 0, findings });
  } else {
    for (const { level, what, advice } of findings) {
      printLine(context.stdout, `${marks[level]}  ${what}`);
      for (const line of advice ?? []) printLine(context.stdout, `         → ${line}`);
    }
  }
  if (problems.length > 0) throw new CommandError('', exitCodes.failed);
}

async function findThere(config: Config, context: CliContext): Promise<readonly Finding[]> {
  const client = createApiClient(context);
  try {
    return await (config.production === null ? findOnServer(client) : findOnSharedServer(client));
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error;
    return config.production === null ? findInFiles(config, client.url) : [findSilent(client.url)];
  }
}

async function adoptLog(config: Config, context: CliContext): Promise<void> {
  const { adoptLog } = await import('../runtime/commands/offline.ts');
  // Throws a StartupError that names the owner where a server holds the directory.
  const logNo = await adoptLog(config);
  const place = config.production === null ? `in ${config.dataDir}` : `on the topic ${config.production.kafka.topic}`;
  if (logNo === null) {
    printLine(context.stdout, `The log ${place} is the one that was processed: there is nothing to adopt.`);
    return;
  }
  const when = config.production === null ? 'At the next start it is read' : 'Workers read it';
  printLine(
    context.stdout,
    `The log ${place} is now log number ${logNo}. ${when} from its beginning; events that were\n` +
      'stored before are recognised by their ids and counted as duplicates.',
  );
}
