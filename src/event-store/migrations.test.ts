import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StartupError } from '../domain/failure.ts';
import { migrate, readMigrations } from './migrations.ts';
import { createSqliteMigrationTarget } from './sqlite/migrations.ts';

describe('migrations', () => {
  let folder: string;
  let db: DatabaseSync;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'migrations-'));
    mkdirSync(join(folder, 'sqlite'));
    db = new DatabaseSync(':memory:');
  });
  afterEach(() => {
    db.close();
    rmSync(folder, { recursive: true });
  });

  const write = (name: string, sql: string) => writeFileSync(join(folder, 'sqlite', name), sql);
  const read = () => readMigrations('sqlite', pathToFileURL(`${folder}/`));
  const run = () =>
    migrate(
      createSqliteMigrationTarget(db, () => 5),
      read(),
    );
  const tables = () =>
    db
      .prepare(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'schema_migrations' ORDER BY name`)
      .all()
      .map(({ name }) => name);

  it('applies each once, in order', async () => {
    write('0002_second.sql', 'ALTER TABLE a ADD COLUMN y; CREATE TABLE b (x);');
    write('0001_first.sql', 'CREATE TABLE a (x);');
    expect((await run()).map(({ name }) => name)).toEqual(['first', 'second']);
    expect(tables()).toEqual(['a', 'b']);
    expect(await run()).toEqual([]);
    write('0003_third.sql', 'CREATE TABLE c (x);');
    expect((await run()).map(({ version }) => version)).toEqual([3]);
  });

  it('leaves nothing of one that fails, and what came before it stays', async () => {
    write('0001_first.sql', 'CREATE TABLE a (x);');
    write('0002_second.sql', 'CREATE TABLE b (x); CREATE TABLE a (x);');
    await expect(run()).rejects.toThrow(/already exists/);
    expect(tables()).toEqual(['a']);
    write('0002_second.sql', 'CREATE TABLE b (x);');
    expect(await run()).toHaveLength(1);
  });

  it('refuses one that was changed after it was applied', async () => {
    write('0001_first.sql', 'CREATE TABLE a (x);\n');
    await run();
    write('0001_first.sql', 'CREATE TABLE a (x);\r\n');
    expect(await run()).toEqual([]);
    write('0001_first.sql', 'CREATE TABLE a (x, y);\n');
    await expect(run()).rejects.toBeInstanceOf(StartupError);
  });

  it('refuses a store that a newer version has used', async () => {
    write('0001_first.sql', 'CREATE TABLE a (x);');
    write('0002_second.sql', 'CREATE TABLE b (x);');
    await run();
    rmSync(join(folder, 'sqlite', '0002_second.sql'));
    await expect(run()).rejects.toThrow(/newer version/);
  });

  it.each(['0003_gap.sql', '2_short.sql', '0002-dash.sql'])('refuses a folder with %s', (name) => {
    write('0001_first.sql', '');
    write(name, '');
    expect(read).toThrow(StartupError);
  });
});
