import type { DatabaseSync } from 'node:sqlite';
import { StartupError } from '../../domain/failure.ts';
import {
  type AppliedMigration,
  type Migration,
  type MigrationTarget,
  migrate,
  missingMigrations,
  readMigrations,
} from '../migrations.ts';
import { allRows, firstRow, inTransaction, openConnection } from './connection.ts';

/** Brings the file's schema up to date; makes the file where there is none. @returns what was applied now */
export async function migrateSqlite({ path }: { readonly path: string }): Promise<readonly Migration[]> {
  const db = openConnection(path, 'owner');
  try {
    return await migrate(createSqliteMigrationTarget(db, Date.now), readMigrations('sqlite'));
  } finally {
    db.close();
  }
}

export function createSqliteMigrationTarget(db: DatabaseSync, now: () => number): MigrationTarget {
  return {
    async applied() {
      db.exec(
        `CREATE TABLE IF NOT EXISTS schema_migrations (
           version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at INTEGER NOT NULL
         ) STRICT`,
      );
      return readApplied(db);
    },
    async apply({ version, name, sql, checksum }) {
      const applyOnce = () => {
        if (firstRow(db.prepare('SELECT 1 AS done FROM schema_migrations WHERE version = ?'), version) !== null) return;
        db.exec(sql);
        db.prepare('INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES (?, ?, ?, ?)').run(
          version,
          name,
          checksum,
          now(),
        );
      };
      // Else SQLite lets nobody change the text of a table's definition.
      db.enableDefensive(false);
      try {
        inTransaction(db, applyOnce);
      } finally {
        db.enableDefensive(true);
      }
    },
  };
}

/**
 * For a handle that may not migrate. @throws StartupError where the schema is not exactly the one this program knows.
 */
export function assertMigrated(db: DatabaseSync, path: string): void {
  const table = db.prepare(`SELECT 1 AS found FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'`);
  const applied = firstRow(table) === null ? [] : readApplied(db);
  const missing = missingMigrations(applied, readMigrations('sqlite'));
  if (missing.length === 0) return;
  throw new StartupError(`${path} lacks ${missing.length} migrations: run \`esp migrate\`.`);
}

function readApplied(db: DatabaseSync): AppliedMigration[] {
  return allRows<AppliedMigration>(
    db.prepare('SELECT version, name, checksum FROM schema_migrations ORDER BY version'),
  );
}
