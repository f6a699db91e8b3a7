import type { Command } from 'commander';
import type { VerifyView } from '../http/contract.ts';
import { loadConfig } from '../runtime/config/config.ts';
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

export function addVerifyCommand(program: Command, context: CliContext): void {
  program
    .command('verify')
    .summary('prove that every number agrees with the stored events')
    .description(
      'Counts the stored events again and compares: rows, metrics, totals and progress must tell the same. Reads everything, ' +
        'which takes minutes on a large store. Embedded, it asks the server; where none runs, it opens the files in ESP_DATA_DIR ' +
        'itself. With DATABASE_URL and REDIS_URL it reads PostgreSQL and Redis, and needs no server.',
    )
    .option('--json', 'print JSON', false)
    .addHelpText('after', '\nExamples:\n  $ esp verify\n  $ ESP_DATA_DIR=/var/lib/esp esp verify --json')
    .action(interruptible(context, (options: { json: boolean }) => verify(options, context)));
}

async function verify({ json }: { json: boolean }, context: CliContext): Promise<void> {
  const { discrepancies, where } = await findDiscrepancies(context);
  if (json) {
    printJson(context, { ok: discrepancies.length === 0, discrepancies });
  } else if (discrepancies.length === 0) {
    printLine(context.stdout, `OK: every number agrees with the stored events (${where})`);
  } else {
    for (const { code, message } of discrepancies) printLine(context.stdout, `${code}: ${message}`);
    printLine(context.stderr, `${discrepancies.length} discrepancies found (${where})`);
  }
  if (discrepancies.length > 0) throw new CommandError('', exitCodes.failed);
}

async function findDiscrepancies(context: CliContext) {
  const config = requireConfig(loadConfig(context.env));
  if (config.production !== null) {
    const { verifyOffline } = await import('../runtime/commands/offline.ts');
    return { discrepancies: await verifyOffline(config), where: 'PostgreSQL and Redis' };
  }
  const client = createApiClient(context);
  try {
    const view: VerifyView = await client.json('/api/verify', { method: 'POST' });
    return { discrepancies: view.discrepancies, where: client.url };
  } catch (error) {
    if (!(error instanceof UnreachableError && error.refused)) throw error;
    const { hasData, verifyOffline } = await import('../runtime/commands/offline.ts');
    if (!hasData(config)) {
      throw new CommandError(`${error.message}\n(and there is no data in ${config.dataDir} either)`);
    }
    return { discrepancies: await verifyOffline(config), where: config.dataDir };
  }
}
