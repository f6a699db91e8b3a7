import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { StartupError } from '../domain/failure.ts';

/**
 * Brings a store's schema up to date: migrations/<kind>/NNNN_name.sql, in order, each in a transaction of its own
 * together with the row that records it. A file that was applied may never change, and a store that a newer version has
 * touched is not opened: both would mean working on a schema this code has never seen.
 */
export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
  /** SHA-256 of the text with plain line ends, as hex: a checkout with CRLF is the same migration. */
  readonly checksum: string;
}

export interface AppliedMigration {
  readonly version: number;
  readonly name: string;
  readonly checksum: string;
}

export interface MigrationTarget {
  /** Makes the table that records migrations if there is none. Empty for a new store. */
  applied(): Promise<readonly AppliedMigration[]>;
  /** Runs the migration and records it in one transaction; does nothing if another process was faster. */
  apply(migration: Migration): Promise<void>;
}

const migrationsRoot = new URL('../../migrations/', import.meta.url);
const fileName = /^(\d{4})_([a-z0-9_]+)\.sql$/;

/** @throws StartupError where the folder holds a file that is not one of the sequence. */
export function readMigrations(kind: 'sqlite' | 'postgres', root: URL = migrationsRoot): readonly Migration[] {
  const folder = new URL(`${kind}/`, root);
  const files = readdirSync(folder)
    .filter((file) => file.endsWith('.sql'))
    .sort();
  return files.map((file, index) => {
    const match = fileName.exec(file);
    if (match === null || Number(match[1]) !== index + 1) {
      throw new StartupError(`migrations/${kind}/${file} should be ${String(index + 1).padStart(4, '0')}_name.sql.`);
    }
    const sql = readFileSync(new URL(file, folder), 'utf8').replaceAll('\r\n', '\n');
    return { version: index + 1, name: match[2]!, sql, checksum: createHash('sha256').update(sql).digest('hex') };
  });
}

/**
 * Applies what is missing.
 * @returns the migrations that were applied now
 * @throws StartupError where the store's schema is not one that these migrations lead to.
 */
export async function migrate(
  target: MigrationTarget,
  migrations: readonly Migration[],
): Promise<readonly Migration[]> {
  const missing = missingMigrations(await target.applied(), migrations);
  for (const migration of missing) await target.apply(migration);
  return missing;
}

/** @throws StartupError where what was applied is not a beginning of `migrations`. */
export function missingMigrations(
  applied: readonly AppliedMigration[],
  migrations: readonly Migration[],
): readonly Migration[] {
  const known = new Map(migrations.map((migration) => [migration.version, migration]));
  for (const { version, name, checksum } of applied) {
    const migration = known.get(version);
    if (migration === undefined) {
      throw new StartupError(
        `The store's schema has version ${version} (${name}), and this program knows only ${migrations.length}: ` +
          'a newer version has used this store. Start that version, or restore a backup from before it.',
      );
    }
    if (migration.checksum !== checksum) {
      throw new StartupError(
        `Migration ${version} (${name}) was applied with another text than the one in this program. ` +
          'An applied migration must not change: restore its file, and put the change into a new migration.',
      );
    }
  }
  const done = new Set(applied.map(({ version }) => version));
  return migrations.filter(({ version }) => !done.has(version));
}
