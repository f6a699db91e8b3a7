import { writerOf } from '../writer-of.ts';
import { type Connection, connect } from './connection.ts';
import { isLostRace, toStoreError } from './errors.ts';
import { createPool, type Pool } from './pool.ts';
import { type PostgresTimeouts, postgresSettings } from './settings.ts';
import type { ServerAddress } from './url.ts';

/**
 * The server as the store's parts see it: transactions of several kinds, whose errors say what is to be made of them.
 */
export interface Database {
  /** Several reads that see one and the same state. */
  read<Result>(work: (connection: Connection) => Promise<Result>): Promise<Result>;
  /** A short write. Run again from its start where it lost a race. */
  write<Result>(work: (connection: Connection) => Promise<Result>): Promise<Result>;
  /** A write of one partition, always on the same connection and one at a time. Run again likewise. */
  writeOf<Result>(partition: number, work: Work<Result>): Promise<Result>;
  /** A long read on a connection of its own. */
  readLong<Result>(work: (connection: Connection) => Promise<Result>): Promise<Result>;
  close(): Promise<void>;
}

/** What is done in a transaction. It may commit itself; else that comes after its end. */
export type Work<Result> = (connection: Connection, transaction: Transaction) => Promise<Result>;

export interface Transaction {
  /**
   * Resolves once it has begun. What is sent before that may change nothing: where BEGIN fails, as when the server is
   * told to cancel what it does just then, the statements behind it run by themselves.
   */
  readonly begun: Promise<void>;
  /**
   * Sends COMMIT right behind the statements that were sent before, whose answers need not be there: where one of them
   * fails, nothing is committed and this rejects. Not for statements whose success has to be looked at first, nor
   * before `begun` is known.
   */
  commit(): Promise<void>;
}

export interface DatabaseOptions {
  readonly address: ServerAddress;
  /** Connections for batches; none where none are written. */
  readonly writers: number;
  readonly timeouts: Required<PostgresTimeouts>;
  /** Whether the server can look for lost clients while it works: not every system it runs on can. */
  readonly checksConnections: boolean;
}

export function createDatabase({ address, writers, timeouts, checksConnections }: DatabaseOptions): Database {
  const { connectMs, answerMs, waitMs } = timeouts;
  const open = () => connect({ address, connectMs, answerMs });
  const poolOf = (size: number) => createPool({ size, open, waitingMax: postgresSettings.waitingMax, waitMs });
  const shared = poolOf(postgresSettings.sharedConnections);
  const writerPools: readonly Pool[] = Array.from({ length: writers }, () => poolOf(1));

  const bounds = localSettings(timeouts, checksConnections);
  const beginRead = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ${bounds}`;
  const beginWrite = `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; ${bounds}`;

  const writeOn = <Result>(pool: Pool, work: Work<Result>) =>
    explained(pool.run((connection) => racing(() => inTransaction(connection, beginWrite, work))));

  return {
    read: (work) => explained(shared.run((connection, leave) => inReadTransaction(connection, beginRead, work, leave))),
    write: (work) =>
      writeOn(shared, async (connection, { begun }) => {
        await begun;
        return work(connection);
      }),
    writeOf(partition, work) {
      if (writers === 0) throw new Error('This handle of the event store writes no batches.');
      return writeOn(writerPools[writerOf(partition, writers)]!, work);
    },
    readLong: (work) =>
      explained(
        (async () => {
          const connection = await open();
          try {
            return await inTransaction(connection, beginRead, work);
          } finally {
            await connection.close();
          }
        })(),
      ),
    async close() {
      await Promise.all([shared, ...writerPools].map((pool) => pool.close()));
    },
  };
}

/**
 * For one transaction, since behind a proxy the next may be on another connection. Everything the store asks is led by
 * an index, and where it asks for the first rows of an order, by that of an index: a plan that reads a whole table, or
 * collects all that match before it sorts them, would be a mistake made from statistics that are not there yet, or of a
 * table that was empty when they were made. Compiling a plan costs more than it gains.
 */
function localSettings(timeouts: Required<PostgresTimeouts>, checksConnections: boolean): string {
  const settings: readonly (readonly [name: string, value: number | string])[] = [
    ['statement_timeout', timeouts.statementMs],
    ['lock_timeout', timeouts.lockMs],
    ['idle_in_transaction_session_timeout', timeouts.idleInTransactionMs],
    ...(checksConnections ? [['client_connection_check_interval', timeouts.connectionCheckMs] as const] : []),
    ['jit', 'off'],
    ['enable_seqscan', 'off'],
    ['enable_bitmapscan', 'off'],
    ['enable_sort', 'off'],
  ];
  return settings.map(([name, value]) => `SET LOCAL ${name} = ${value}`).join('; ');
}

/**
 * What was read is answered while COMMIT is under way, which can tell nothing more of it: that is a round trip less for
 * whoever waits.
 *
 * @param leave takes the end, which never rejects: nothing else may be sent before it. Behind a COMMIT that fails a
 * BEGIN would fail as well, and a proxy could not give the server's connection to anybody else in between.
 */
export function inReadTransaction<Result>(
  connection: Connection,
  begin: string,
  work: (connection: Connection) => Promise<Result>,
  leave: (ending: Promise<void>) => void,
): Promise<Result> {
  // Whatever is left open where it fails, nobody may find it.
  return transact(connection, begin, work, (committed) => leave(committed.catch(connection.destroy)));
}

/**
 * All or nothing. `begin` opens a transaction first of all; what it sets after that may fail, and then all of it fails.
 * Where it does not open, the connection is given up with what stands behind it.
 */
export function inTransaction<Result>(connection: Connection, begin: string, work: Work<Result>): Promise<Result> {
  return transact(connection, begin, work, (committed) => committed);
}

async function transact<Result>(
  connection: Connection,
  begin: string,
  work: Work<Result>,
  end: (committed: Promise<void>) => Promise<void> | void,
): Promise<Result> {
  let hasBegun = false;
  // Not waited for: the work may be sent behind it.
  const begun = connection.run(begin).then(
    () => {
      hasBegun = true;
    },
    (error: unknown) => {
      connection.destroy();
      throw error;
    },
  );
  begun.catch(() => undefined);
  let committed: Promise<void> | null = null;
  const commit = () => {
    if (!hasBegun) throw new Error('A transaction can not be committed before it is known to have begun.');
    return (committed ??= sendCommit(connection));
  };
  try {
    const result = await work(connection, { begun, commit });
    await begun;
    await end(commit());
    return result;
  } catch (error) {
    await rollBack(connection);
    // Where it did not begin, what came after it failed only for that.
    await begun;
    throw error;
  }
}

async function sendCommit(connection: Connection): Promise<void> {
  const ended = await connection.run('COMMIT');
  if (ended !== 'COMMIT') throw new Error(`A transaction whose statements all succeeded ended with ${ended}.`);
}

async function rollBack(connection: Connection): Promise<void> {
  if (!connection.isOpen()) return;
  try {
    await connection.run('ROLLBACK');
  } catch {
    // Nobody may find half a transaction on it.
    connection.destroy();
  }
}

async function racing<Result>(attempt: () => Promise<Result>): Promise<Result> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      if (tries >= postgresSettings.raceTriesMax || !isLostRace(error)) throw error;
    }
  }
}

async function explained<Result>(run: Promise<Result>): Promise<Result> {
  try {
    return await run;
  } catch (error) {
    throw toStoreError(error);
  }
}
