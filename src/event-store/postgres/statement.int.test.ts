import { DatabaseError } from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import { useDatabase } from '../../testing/postgres-store.ts';
import { hasPgBouncer, startPgBouncer } from '../../testing/stack/pgbouncer.ts';
import { type Connection, connect } from './connection.ts';
import { statement } from './statement.ts';
import { readServerAddress } from './url.ts';

const url = useDatabase();

async function open(to: string): Promise<Connection> {
  const connection = await connect({ address: readServerAddress(to), connectMs: 5_000, answerMs: 10_000 });
  onTestFinished(() => connection.close());
  // Behind the question who answers.
  await connection.rows('SELECT 1');
  return connection;
}

const double = statement('SELECT 2 * $1::integer AS doubled');
const prepared = (connection: Connection) =>
  connection.rows('SELECT statement FROM pg_prepared_statements WHERE name <> $1', ['']);

describe('a statement', () => {
  it('is prepared once a connection, also when it is asked several times before the first answer', async () => {
    const connection = await open(url());
    const answers = await Promise.all([1, 2, 3].map((n) => connection.rows(double, [n])));
    expect(answers).toEqual([[{ doubled: 2 }], [{ doubled: 4 }], [{ doubled: 6 }]]);
    expect(await connection.rows(double, [9])).toEqual([{ doubled: 18 }]);
    expect(await prepared(connection)).toEqual([{ statement: double.text }]);
  });

  it('that failed when it was first asked can be asked again', async () => {
    const connection = await open(url());
    await connection.run('BEGIN');
    await expect(connection.run('SELECT 1 / 0')).rejects.toBeInstanceOf(DatabaseError);
    await expect(connection.rows(double, [1])).rejects.toMatchObject({ code: '25P02' });
    await connection.run('ROLLBACK');
    expect(await connection.rows(double, [1])).toEqual([{ doubled: 2 }]);
  });

  it('that is not there any more costs its connection, which is made anew', async () => {
    const connection = await open(url());
    await connection.rows(double, [1]);
    await connection.run('DEALLOCATE ALL');
    await expect(connection.rows(double, [1])).rejects.toMatchObject({ code: '26000' });
    expect(connection.isOpen()).toBe(false);
  });

  it('whose answer a migration has changed does likewise', async () => {
    const connection = await open(url());
    await connection.run('CREATE TEMP TABLE changing (a integer)');
    const all = statement('SELECT * FROM changing');
    await connection.rows(all);
    await connection.run('ALTER TABLE changing ADD COLUMN b integer');
    await expect(connection.rows(all)).rejects.toMatchObject({ code: '0A000' });
    expect(connection.isOpen()).toBe(false);
  });

  it.skipIf(!hasPgBouncer())('is not prepared behind a proxy', async () => {
    const pooler = await startPgBouncer(url());
    onTestFinished(() => pooler.dispose());
    const connection = await open(pooler.url);
    expect(await connection.rows(double, [2])).toEqual([{ doubled: 4 }]);
    expect(await prepared(connection)).toEqual([]);
  });
});
