import type { Command } from 'commander';
import type { GivingUp } from '../runtime/commands/give-up.ts';
import { type Config, loadConfig } from '../runtime/config/config.ts';
import {
  type CliContext,
  CommandError,
  exitCodes,
  formatCount,
  printJson,
  printLine,
  requireConfig,
} from './context.ts';

interface GiveUpOptions {
  readonly yes: boolean;
  readonly json: boolean;
}

export function addGiveUpCommand(program: Command, context: CliContext): void {
  program
    .command('give-up')
    .summary('go on without records of the log that are damaged')
    .description(
      'For an embedded log whose files are damaged, where no sound copy of them is left. Reads the whole log in ESP_DATA_DIR, while ' +
        'no server runs there, and says which records can not be read and which of these are not stored. Only when asked a second ' +
        'time, with --yes, does it give these up: their partitions then go on behind them, and the ledger counts them as lost.',
    )
    .option('--yes', 'do it', false)
    .option('--json', 'print JSON', false)
    .addHelpText('after', '\nExamples:\n  $ esp give-up\n  $ ESP_DATA_DIR=/var/lib/esp esp give-up --yes')
    .action((options: GiveUpOptions) => giveUp(options, context));
}

async function giveUp({ yes, json }: GiveUpOptions, context: CliContext): Promise<void> {
  const config = requireConfig(loadConfig(context.env));
  const { giveUpDamaged } = await import('../runtime/commands/give-up.ts');
  const outcome = await giveUpDamaged(config, yes);
  if (json) printJson(context, outcome);
  else report(outcome, config, context);
  if (outcome.lost > 0 && !outcome.done) throw new CommandError('', exitCodes.failed);
}

function report({ damaged, lost, done }: GivingUp, { dataDir }: Config, { stdout, stderr }: CliContext): void {
  for (const { partition, from, to, place, lost: own } of damaged) {
    const offsets = to - from === 1 ? `offset ${from}` : `offsets ${from} to ${to - 1}`;
    const what = own === 0 ? 'stored already' : `${formatCount(own)} not stored`;
    printLine(stdout, `partition ${partition}, ${offsets}: ${place} is damaged; ${what}`);
  }
  if (damaged.length === 0) printLine(stdout, `every record of the log in ${dataDir} can be read`);
  else if (lost === 0) printLine(stdout, 'nothing is lost by it, and there is nothing to give up');
  else if (done) {
    printLine(stdout, `${formatRecords(lost)} given up: at the next start the ledger counts that as lost,`);
    printLine(stdout, 'and the partitions go on behind it');
  } else {
    printLine(stdout, `${formatRecords(lost)} would be lost for good; with a sound copy of the files none would`);
    printLine(stderr, 'nothing was changed; to do it: esp give-up --yes');
  }
}

function formatRecords(count: number): string {
  return `${formatCount(count)} record${count === 1 ? '' : 's'}`;
}
