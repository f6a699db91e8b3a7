import type { Connection } from './event-store.postgres.connection.ts';
import type { Database } from './event-store.postgres.database.ts';
import { fold } from './event-store.postgres.folding.ts';
import { advance, checkGuard } from './event-store.postgres.guard.ts';
import { pruneInbox, pruneJobs } from './event-store.postgres.inbox-pruning.ts';
import { prune } from './event-store.postgres.pruning.ts';
import type { MaintenanceRequest, MaintenanceResult } from './event-store.ts';

/** Retention and folding: a commit like any other, same guard, new token, same next_offset. */
export function createMaintain(
  database: Pick<Database, 'writeOf'>,
): (request: MaintenanceRequest) => Promise<MaintenanceResult> {
  async function maintain(connection: Connection, request: MaintenanceRequest): Promise<MaintenanceResult> {
    const finding = await checkGuard(connection, request);
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
    await advance(connection, request, '', []);
    return {
      kind: 'committed',
      alreadyCommitted: false,
      prunedRows: pruned.rows,
      prunedFailed: failed.rows,
      foldedRows: folded.rows,
      more: work.some(({ more }) => more),
    };
  }

  return (request) => database.writeOf(request.partition, (connection) => maintain(connection, request));
}
