import type { Command } from 'commander';
import type { RebuildView } from '../http/contract.ts';
import { createApiClient } from './api-client.ts';
import { type CliContext, printJson, printLine } from './context.ts';

export function addRebuildMetricsCommand(program: Command, context: CliContext): void {
  program
    .command('rebuild-metrics')
    .summary('make the metrics anew from the store')
    .description(
      'Makes the metrics that the dashboard shows anew from the store, which they are a copy of. Never needed in normal use: ' +
        'the server notices by itself when they differ.',
    )
    .option('--json', 'print JSON', false)
    .addHelpText('after', '\nExamples:\n  $ esp rebuild-metrics')
    .action(async ({ json }: { json: boolean }) => {
      const view: RebuildView = await createApiClient(context).json('/api/metrics/rebuild', { method: 'POST' });
      if (json) printJson(context, view);
      else printLine(context.stdout, `the metrics of ${view.partitions} partitions were made anew from the store`);
    });
}
