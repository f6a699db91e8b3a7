import type { MaintenanceRequest, MaintenanceResult } from '../event-store.ts';
import type { Connection } from './connection.ts';
import type { Database, Transaction } from './database.ts';
import { fold } from './folding.ts';
import { advance, advanceStatement, checkGuard } from './guard.ts';
import { pruneInbox, pruneJobs } from './inbox-pruning.ts';
import { prune } from './pruning.ts';
import { together } from './together.ts';

const keepOffset = advanceStatement('');

/** Retention and folding: a commit like any other, same guard, new token, same next_offset. */
export function createMaintain(
  database: Pick<Database, 'writeOf'>,
): (request: MaintenanceRequest) => Promise<MaintenanceResult> {
  async function maintain(
    connection: Connection,
    { begun }: Transaction,
    request: MaintenanceRequest,
  ): Promise<MaintenanceResult> {
    const [, finding] = await together([begun, checkGuard(connection, request)]);
    // How much the earlier try did is not known any more; one more call finds out whether anything is left.
    if (finding.kind === 'landed') {
      return { kind: 'committed', alreadyCommitted: true, prunedRows: 0, prunedFailed: 0, foldedRows: 0, more: true };
    }
    if (finding.kind === 'fenced') return finding;

    const folded = await fold(connection, request);
    const pruned = await prune(connection, request);
    const failed = await pruneInbox(connection, request);
    const jobs = await pruneJobs(connection, request);
    const work = [folded, pruned, failed, jobs];
    if (work.every(({ rows }) => rows === 0)) return { kind: 'idle' };
    await advance(connection, request, request.expectedOffset, keepOffset, []);
    return {
      kind: 'committed',
      alreadyCommitted: false,
      prunedRows: pruned.rows,
      prunedFailed: failed.rows,
      foldedRows: folded.rows,
      more: work.some(({ more }) => more),
    };
  }

  return (request) =>
    database.writeOf(request.partition, (connection, transaction) => maintain(connection, transaction, request));
}
