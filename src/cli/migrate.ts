import type { Command } from 'commander';
import { loadConfig } from '../runtime/config/config.ts';
import { type CliContext, interruptible, printJson, printLine, requireConfig } from './context.ts';

export function addMigrateCommand(program: Command, context: CliContext): void {
  program
    .command('migrate')
    .summary("bring the store's schema up to date")
    .description(
      "Brings the store's schema up to date: in PostgreSQL (DATABASE_URL), or in ESP_DATA_DIR while no server runs there. May be " +
        'run again at any time, and by several at once. With PostgreSQL it is needed before a first start and after an update; ' +
        'embedded, a start does it by itself.',
    )
    .option('--json', 'print JSON', false)
    .addHelpText('after', '\nExamples:\n  $ esp migrate')
    .action(interruptible(context, (options: { json: boolean }) => runMigrations(options, context)));
}

async function runMigrations({ json }: { json: boolean }, context: CliContext): Promise<void> {
  const config = requireConfig(loadConfig(context.env));
  const { migrateStore } = await import('../runtime/commands/migrate-store.ts');
  const applied = await migrateStore(config);
  if (json) printJson(context, { applied });
  else if (applied.length === 0) printLine(context.stdout, 'the schema is up to date');
  else for (const name of applied) printLine(context.stdout, `applied ${name}`);
}
