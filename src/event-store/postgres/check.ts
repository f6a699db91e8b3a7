import type { Connection } from './connection.ts';
import { findMissing, onServer } from './migrations.ts';

/** What `esp doctor` has to know of the server, beside that it lets the program in. */
export interface PostgresReport {
  /** As the server gives it: `18.0`. */
  readonly version: string;
  /** How far the server's clock is ahead of this machine's, half the round trip taken off. */
  readonly clockAheadMs: number;
  /** A server that only follows another one takes no writes. */
  readonly isStandby: boolean;
  readonly settings: {
    readonly fsync: string;
    readonly fullPageWrites: string;
    readonly synchronousCommit: string;
  };
  readonly connections: { readonly used: number; readonly max: number };
  /** Names of migrations that are still to be applied. */
  readonly missingMigrations: readonly string[];
  /** `INSERT on events`: what this user lacks. Empty while there are no tables. */
  readonly missingRights: readonly string[];
}

/** @throws StartupError where the server refuses this user, database or schema; UnavailableError */
export function checkPostgres({ url }: { readonly url: string }): Promise<PostgresReport> {
  return onServer(url, async (connection) => {
    const askedAt = Date.now();
    const [facts] = await connection.rows<Facts>(factsSql);
    const answeredAt = Date.now();
    const missing = await findMissing(connection);
    const { now, version, isStandby, used, max, ...settings } = facts!;
    return {
      version,
      clockAheadMs: Math.round(now - (askedAt + answeredAt) / 2),
      isStandby,
      settings,
      connections: { used, max },
      missingMigrations: missing.map(({ name }) => name),
      missingRights: await missingRights(connection),
    };
  });
}

interface Facts {
  readonly now: number;
  readonly version: string;
  readonly isStandby: boolean;
  readonly fsync: string;
  readonly fullPageWrites: string;
  readonly synchronousCommit: string;
  readonly used: number;
  readonly max: number;
}

const factsSql = `SELECT
  (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now,
  current_setting('server_version') AS version,
  pg_is_in_recovery() AS "isStandby",
  current_setting('fsync') AS fsync,
  current_setting('full_page_writes') AS "fullPageWrites",
  current_setting('synchronous_commit') AS "synchronousCommit",
  (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::integer AS used,
  current_setting('max_connections')::integer AS max`;

/** Every table in the schema that the program works in: it has no others there, or they do no harm. */
async function missingRights(connection: Connection): Promise<readonly string[]> {
  const rows = await connection.rows<{ privilege: string; name: string }>(
    `SELECT privilege, relname AS name
     FROM pg_class, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege
     WHERE relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('schema_migrations'))
       AND relkind = 'r' AND relname <> 'schema_migrations' AND NOT has_table_privilege(oid, privilege)
     ORDER BY relname, privilege`,
  );
  return rows.map(({ privilege, name }) => `${privilege} on ${name}`);
}
