import { Command, CommanderError, Help, type Option } from 'commander';
import { StartupError, UnavailableError } from '../domain/failure.ts';
import { productVersion } from '../runtime/serve/package-files.ts';
import { type CliContext, CommandError, exitCodes, printLine } from './context.ts';
import { addDoctorCommand } from './doctor.ts';
import { addFailedCommand } from './failed.ts';
import { addGiveUpCommand } from './give-up.ts';
import { addMigrateCommand } from './migrate.ts';
import { addRebuildMetricsCommand } from './rebuild-metrics.ts';
import { addSeedCommand } from './seed.ts';
import { addSendCommand } from './send.ts';
import { addApiCommand, addStartCommand } from './start.ts';
import { addTailCommand } from './tail.ts';
import { addTopicsCommand } from './topics.ts';
import { addVerifyCommand } from './verify.ts';
import { addWorkerCommand } from './worker.ts';

/** @returns the exit code: 0 done, 1 failed, 2 wrong use, 130 interrupted */
export async function runCli(args: readonly string[], context: CliContext): Promise<number> {
  try {
    await createProgram(context).parseAsync(args, { from: 'user' });
    return exitCodes.ok;
  } catch (error) {
    return judge(error, context);
  }
}

function createProgram(context: CliContext): Command {
  const program = new Command('esp')
    .description('Event Stream Processor: events in over HTTP, each stored once, and live metrics.')
    .version(productVersion(), '-V, --version')
    .showHelpAfterError('(--help says more)')
    .showSuggestionAfterError()
    .exitOverride()
    .configureHelp({ optionDescription: describeOption })
    .configureOutput({
      writeOut: (text) => void context.stdout.write(text),
      writeErr: (text) => void context.stderr.write(text),
    })
    .addHelpText(
      'after',
      `
Commands talk to ESP_URL (this machine at PORT, or 3000) with ESP_API_KEY, if there is one.
Exit codes: 0 done, 1 failed, 2 wrong use, 130 interrupted.`,
    );
  for (const add of [
    addStartCommand,
    addApiCommand,
    addWorkerCommand,
    addMigrateCommand,
    addTopicsCommand,
    addSendCommand,
    addSeedCommand,
    addTailCommand,
    addFailedCommand,
    addVerifyCommand,
    addDoctorCommand,
    addGiveUpCommand,
    addRebuildMetricsCommand,
  ]) {
    add(program, context);
  }
  return program;
}

/** Commander's, without the default of a switch that is off or of a list that is empty: it goes without saying. */
function describeOption(option: Option): string {
  return new Help().optionDescription(option).replace(/ \(default: (?:false|\[\])\)$/, '');
}

function judge(error: unknown, { stderr }: CliContext): number {
  if (error instanceof CommanderError) {
    // Help and version that were asked for end with 0; commander has printed everything already.
    return error.exitCode === 0 ? exitCodes.ok : exitCodes.wrongUse;
  }
  if (error instanceof CommandError) {
    if (error.message) printLine(stderr, error.message);
    return error.exitCode;
  }
  if (error instanceof StartupError || error instanceof UnavailableError) {
    printLine(stderr, error.message);
    return exitCodes.failed;
  }
  // A bug: whoever reports it will need all of it.
  printLine(stderr, error instanceof Error ? (error.stack ?? error.message) : String(error));
  return exitCodes.failed;
}
