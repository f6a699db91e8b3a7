import { DatabaseError } from 'pg';
import { StartupError, UnavailableError } from '../../domain/failure.ts';
import {
  type AppliedMigration,
  type Migration,
  type MigrationTarget,
  migrate,
  missingMigrations,
  readMigrations,
} from '../migrations.ts';
import { type Connection, type ConnectOptions, connect } from './connection.ts';
import { inTransaction } from './database.ts';
import { toStoreError } from './errors.ts';
import { postgresSettings } from './settings.ts';
import { readServerAddress, type ServerAddress } from './url.ts';

export interface PostgresMigrationOptions {
  readonly url: string;
  readonly now?: () => number;
}

/**
 * Brings the schema up to date, for `esp migrate`. Several may run at once: each migration is applied by one of them.
 *
 * @returns what was applied now, by this call
 * @throws StartupError, UnavailableError
 */
export async function migratePostgres({
  url,
  now = Date.now,
}: PostgresMigrationOptions): Promise<readonly Migration[]> {
  const { connectMs, migrationStatementMs } = postgresSettings;
  return onAddress(readServerAddress(url), { connectMs, answerMs: migrationStatementMs }, async (connection) => {
    const applied: Migration[] = [];
    const target = createMigrationTarget(connection, now, (migration) => applied.push(migration));
    await migrate(target, readMigrations('postgres'));
    return applied;
  });
}

/** What `migratePostgres` would do now. @throws StartupError, UnavailableError */
export async function pendingMigrations({ url }: PostgresMigrationOptions): Promise<readonly Migration[]> {
  return onServer(url, (connection) => inTransaction(connection, beginLook, () => findMissing(connection)));
}

export interface ServerTraits {
  readonly checksConnections: boolean;
}

/**
 * Looks whether the store may be used by this program, before anything is.
 *
 * @throws StartupError where the server is too old or refuses it, or the schema is not exactly the one this program
 * knows.
 */
export function inspectServer(address: ServerAddress, patience: Patience): Promise<ServerTraits> {
  return onAddress(address, patience, async (connection) => {
    const missing = await inTransaction(connection, beginLook, () => findMissing(connection));
    if (missing.length > 0) {
      throw new StartupError(
        `The event store at ${address.shown} lacks ${missing.length} migrations (${missing[0]!.name}, …): run \`esp migrate\`.`,
      );
    }
    return { checksConnections: await canCheckConnections(connection) };
  });
}

const versionMin = 14;

async function assertSupported(connection: Connection): Promise<void> {
  const [server] = await connection.rows<{ major: number }>(
    `SELECT current_setting('server_version_num')::integer / 10000 AS major`,
  );
  if (server!.major >= versionMin) return;
  throw new StartupError(`This is PostgreSQL ${server!.major}; the oldest that is supported is ${versionMin}.`);
}

/** Some systems that PostgreSQL runs on can not tell. */
async function canCheckConnections(connection: Connection): Promise<boolean> {
  try {
    await inTransaction(connection, 'BEGIN', () => connection.run('SET LOCAL client_connection_check_interval = 1000'));
    return true;
  } catch (error) {
    if (error instanceof DatabaseError && error.code === '22023') return false;
    throw error;
  }
}

export async function findMissing(connection: Connection): Promise<readonly Migration[]> {
  await assertSupported(connection);
  const [table] = await connection.rows<{ found: boolean }>(
    `SELECT to_regclass('schema_migrations') IS NOT NULL AS found`,
  );
  return missingMigrations(table!.found ? await readApplied(connection) : [], readMigrations('postgres'));
}

function createMigrationTarget(
  connection: Connection,
  now: () => number,
  onApplied: (migration: Migration) => void,
): MigrationTarget {
  /** One at a time, whoever runs it. In the transaction, since a session's lock would be lost behind a proxy. */
  const exclusively = <Result>(work: () => Promise<Result>): Promise<Result> =>
    inTransaction(connection, beginMigration, async () => {
      await connection.rows('SELECT pg_advisory_xact_lock($1)', [migrationLock]);
      return work();
    });

  return {
    applied: () =>
      exclusively(async () => {
        await assertSupported(connection);
        await connection.run(
          `CREATE TABLE IF NOT EXISTS schema_migrations (
             version integer CONSTRAINT schema_migrations_version PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,
             applied_at bigint NOT NULL
           )`,
        );
        return readApplied(connection);
      }),
    apply: (migration) =>
      exclusively(async () => {
        const { version, name, sql, checksum } = migration;
        const done = await connection.rows('SELECT FROM schema_migrations WHERE version = $1', [version]);
        if (done.length > 0) return;
        await connection.run(sql);
        await connection.changes(
          'INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES ($1, $2, $3, $4)',
          [version, name, checksum, now()],
        );
        onApplied(migration);
      }),
  };
}

/** Any number that no other program is likely to lock in this database: `esp` in ASCII. */
const migrationLock = 0x657370;

const beginLook = `BEGIN READ ONLY; SET LOCAL statement_timeout = ${postgresSettings.statementMs}`;
const beginMigration =
  `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = ${postgresSettings.migrationLockMs}; ` +
  `SET LOCAL statement_timeout = ${postgresSettings.migrationStatementMs}; ` +
  `SET LOCAL idle_in_transaction_session_timeout = ${postgresSettings.idleInTransactionMs}`;

function readApplied(connection: Connection): Promise<AppliedMigration[]> {
  return connection.rows<AppliedMigration>('SELECT version, name, checksum FROM schema_migrations ORDER BY version');
}

type Patience = Pick<ConnectOptions, 'connectMs' | 'answerMs'>;

/** On a connection of its own. @throws StartupError, UnavailableError */
export function onServer<Result>(url: string, work: (connection: Connection) => Promise<Result>): Promise<Result> {
  return onAddress(readServerAddress(url), postgresSettings, work);
}

async function onAddress<Result>(
  address: ServerAddress,
  { connectMs, answerMs }: Patience,
  work: (connection: Connection) => Promise<Result>,
): Promise<Result> {
  try {
    const connection = await connect({ address, connectMs, answerMs });
    try {
      return await work(connection);
    } finally {
      await connection.close();
    }
  } catch (error) {
    throw toStartupError(error, address);
  }
}

/** What no waiting mends: who may not come in, a database that there is not, rights that are missing. */
const refusals = ['28', '3D000', '3F000', '42501'];

function toStartupError(error: unknown, { shown }: ServerAddress): unknown {
  if (error instanceof DatabaseError) {
    const { code = '', message } = error;
    if (!refusals.some((state) => code.startsWith(state))) return toStoreError(error);
    return new StartupError(`PostgreSQL at ${shown} refuses this: ${message} (${code}).`, { cause: error });
  }
  if (error instanceof UnavailableError && isAboutTls(error.cause)) {
    return new StartupError(`${error.message} See sslmode in DATABASE_URL.`, { cause: error });
  }
  return error;
}

/** OpenSSL's and Node's words for a certificate that is not trusted, or the driver's for a server that has none. */
function isAboutTls(cause: unknown): boolean {
  if (!(cause instanceof Error)) return false;
  const code = 'code' in cause ? String(cause.code) : '';
  return /CERT|^ERR_(TLS|SSL)|UNABLE_TO_/.test(code) || /does not support SSL/.test(cause.message);
}
