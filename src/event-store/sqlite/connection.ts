import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { RejectedByStoreError, StartupError, type UnavailableCode, UnavailableError } from '../../domain/failure.ts';

/**
 * `owner`: the worker thread's handle, the one that writes batches, checkpoints and migrates. `client`: the API
 * thread's, for reads and short writes; it never waits inside SQLite, since that would hold up every request of the
 * process.
 */
export type SqliteRole = 'owner' | 'client';

export const sqliteSettings = {
  /**
   * The owner may wait this long for a client's short write; then the batch backs off like from any store that is away.
   */
  ownerBusyMs: 100,
  /** A client's call tries again this long: many times what a batch takes. */
  clientBusyMs: 5_000,
  clientRetryMinMs: 1,
  clientRetryMaxMs: 25,
  /** Page caches: the owner's holds the inner pages of the indexes of some ten million rows. */
  ownerCacheKib: 24 * 1024,
  clientCacheKib: 8 * 1024,
  /** 16 MiB: about five full batches share one checkpoint and its two flushes. */
  checkpointPages: 4_000,
  /** What a larger WAL is cut back to after a checkpoint. */
  walKeptBytes: 64 * 1024 * 1024,
  /**
   * A reader with an old snapshot keeps the WAL from starting over. Past this, batches wait instead of filling the
   * disk.
   */
  walBytesMax: 1024 * 1024 * 1024,
  /** `verify` gives up its snapshot well before that. */
  walBytesWhileVerifying: 512 * 1024 * 1024,
} as const;

/** @throws StartupError, UnavailableError */
export function openConnection(path: string, role: SqliteRole | 'snapshot'): DatabaseSync {
  if (role === 'owner') mkdirSync(dirname(path), { recursive: true });
  else if (!existsSync(path)) throw new StartupError(`There is no event store at ${path}.`);
  let db: DatabaseSync | null = null;
  try {
    const timeout = role === 'owner' ? sqliteSettings.ownerBusyMs : 0;
    db = new DatabaseSync(path, { readOnly: role === 'snapshot', timeout });
    configure(db, path, role);
    return db;
  } catch (error) {
    db?.close();
    // A snapshot is taken by a program that has started long ago.
    throw role === 'snapshot' ? toStoreError(error) : toStartupError(error, path);
  }
}

function configure(db: DatabaseSync, path: string, role: SqliteRole | 'snapshot'): void {
  const owner = role === 'owner';
  db.exec(`PRAGMA cache_size = -${owner ? sqliteSettings.ownerCacheKib : sqliteSettings.clientCacheKib}`);
  if (role === 'snapshot') return;
  if (owner) enterWalMode(db, path);
  // Progress is in the same transaction as the rows: what a power cut takes away, the log replays.
  db.exec('PRAGMA synchronous = NORMAL');
  // A checkpoint flushes the disk: never on the API thread.
  db.exec(`PRAGMA wal_autocheckpoint = ${owner ? sqliteSettings.checkpointPages : 0}`);
  db.exec(`PRAGMA journal_size_limit = ${sqliteSettings.walKeptBytes}`);
}

function enterWalMode(db: DatabaseSync, path: string): void {
  const { journal_mode: mode } = db.prepare('PRAGMA journal_mode = WAL').get() as { journal_mode: string };
  if (mode !== 'wal') {
    throw new StartupError(`${path} can not use a write-ahead log (journal_mode is ${mode}): use a local file system.`);
  }
}

function toStartupError(error: unknown, path: string): unknown {
  const result = resultCodeOf(error);
  if (result === null || result === resultCodes.busy) return toStoreError(error);
  const message = (error as Error).message;
  if (result === resultCodes.notADatabase || result === resultCodes.corrupt) {
    return new StartupError(`${path} is damaged or no SQLite file (${message}). Restore it from a backup.`, {
      cause: error,
    });
  }
  return new StartupError(`${path} can not be opened: ${message}.`, { cause: error });
}

/** All or nothing. Must not be nested, and `work` must not wait for anything. */
export function inTransaction<Result>(db: DatabaseSync, work: () => Result, begin = 'BEGIN IMMEDIATE'): Result {
  db.exec(begin);
  try {
    const result = work();
    db.exec('COMMIT');
    return result;
  } catch (error) {
    // A full disk, or a statement with OR ROLLBACK, has rolled back by itself already.
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

/** Several reads that see one and the same state. */
export function inSnapshot<Result>(db: DatabaseSync, work: () => Result): Result {
  return inTransaction(db, work, 'BEGIN');
}

/** Runs what is short and synchronous, once or until the store is free, and says what its errors mean. */
export type Attempt = <Result>(work: () => Result) => Promise<Result>;

/** Tries again without holding up the event loop. @throws UnavailableError after `busyMs` */
export async function retryWhileBusy<Result>(attempt: () => Result, busyMs: number): Promise<Result> {
  const giveUpAt = performance.now() + busyMs;
  for (;;) {
    try {
      return attempt();
    } catch (thrown) {
      const error = toStoreError(thrown);
      const busy = error instanceof UnavailableError && error.code === 'store_busy';
      if (!busy || performance.now() >= giveUpAt) throw error;
    }
    const { clientRetryMinMs, clientRetryMaxMs } = sqliteSettings;
    await sleep(clientRetryMinMs + Math.random() * (clientRetryMaxMs - clientRetryMinMs));
  }
}

const resultCodes = {
  busy: 5,
  locked: 6,
  outOfMemory: 7,
  readOnly: 8,
  ioError: 10,
  corrupt: 11,
  full: 13,
  cantOpen: 14,
  protocol: 15,
  tooBig: 18,
  constraint: 19,
  mismatch: 20,
  notADatabase: 26,
} as const;

const unavailable = new Map<number, UnavailableCode>([
  [resultCodes.busy, 'store_busy'],
  [resultCodes.locked, 'store_busy'],
  [resultCodes.protocol, 'store_busy'],
  [resultCodes.full, 'disk_full'],
  [resultCodes.ioError, 'store_unavailable'],
  [resultCodes.cantOpen, 'store_unavailable'],
  [resultCodes.readOnly, 'store_unavailable'],
  [resultCodes.outOfMemory, 'store_unavailable'],
]);

const constraintKinds = { check: 275, notNull: 1299, primaryKey: 1555, unique: 2067, dataType: 3091 } as const;
const refusedValues = new Set<number>([constraintKinds.check, constraintKinds.notNull, constraintKinds.dataType]);

/**
 * What the rest of the program is to make of SQLite's error; anything that is no failure of a known kind stays as it
 * is.
 */
export function toStoreError(error: unknown): unknown {
  const result = resultCodeOf(error);
  if (result === null) return error;
  const { message, errcode } = error as SqliteError;
  const code = unavailable.get(result);
  if (code !== undefined) return new UnavailableError(code, `SQLite: ${message}`, { cause: error });
  if (result === resultCodes.tooBig || result === resultCodes.mismatch) {
    return new RejectedByStoreError(`SQLite: ${message}`, { cause: error });
  }
  // The checks named so guard the ledger and not a value: one that fails is a bug.
  if (refusedValues.has(errcode) && !message.includes('_invariant')) {
    return new RejectedByStoreError(`SQLite: ${message}`, { cause: error });
  }
  return error;
}

/** Whether the row's id was taken, which only a racing writer can do. */
export function isIdTaken(error: unknown): boolean {
  return (
    resultCodeOf(error) === resultCodes.constraint &&
    (error as SqliteError).errcode === constraintKinds.unique &&
    (error as SqliteError).message.includes('events.id')
  );
}

interface SqliteError extends Error {
  /** SQLite's extended result code; the low byte is the primary one. */
  readonly errcode: number;
}

function resultCodeOf(error: unknown): number | null {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return null;
  return error.errcode & 0xff;
}

/** The one place where rows get their type: each query names its columns beside the type it reads them as. */
export function allRows<Row>(statement: StatementSync, ...parameters: SQLInputValue[]): Row[] {
  return statement.all(...parameters) as unknown as Row[];
}

/** One after another, without holding all of them. */
export function eachRow<Row>(statement: StatementSync, ...parameters: SQLInputValue[]): Iterable<Row> {
  return statement.iterate(...parameters) as Iterable<unknown> as Iterable<Row>;
}

export function firstRow<Row>(statement: StatementSync, ...parameters: SQLInputValue[]): Row | null {
  return (statement.get(...parameters) as unknown as Row | undefined) ?? null;
}
