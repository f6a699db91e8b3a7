import { DatabaseError } from 'pg';
import { RejectedByStoreError, type UnavailableCode, UnavailableError } from '../../domain/failure.ts';

/** What was prepared on the connection is gone or another's, or a migration has changed what it answers. */
const unprepared = ['26000', '42P05', '0A000'];

/** Beginnings of SQLSTATEs, the longest that fits first; PostgreSQL's documentation, appendix A, has them all. */
const unavailable: readonly (readonly [state: string, code: UnavailableCode])[] = [
  ['53100', 'disk_full'],
  ['57014', 'store_timeout'],
  ['55P03', 'store_busy'],
  // Serialization failures and deadlocks.
  ['40', 'store_busy'],
  // The connection is lost, or a proxy between has no room for it.
  ['08', 'store_unavailable'],
  // Out of memory, connections or another resource.
  ['53', 'store_unavailable'],
  // Shutting down, starting up, or put down after a crash.
  ['57P', 'store_unavailable'],
  // Its disk fails, or its files.
  ['58', 'store_unusable'],
  ['XX', 'store_unusable'],
  // A right that was taken, a table or column that is being changed or restored.
  ['42501', 'store_unusable'],
  ['42P01', 'store_unusable'],
  ['42703', 'store_unusable'],
  ['3F000', 'store_unusable'],
  ['55', 'store_unusable'],
  // A password that is being changed, a database that is being restored.
  ['28', 'store_unavailable'],
  ['3D000', 'store_unavailable'],
  // A standby: the address has not followed the failover yet.
  ['25006', 'store_unavailable'],
  // The server ended a transaction that was idle, or open, for too long.
  ['25P03', 'store_unavailable'],
  ['25P04', 'store_unavailable'],
  ...unprepared.map((state) => [state, 'store_unavailable'] as const),
];

const notNullViolation = '23502';
const checkViolation = '23514';
const uniqueViolation = '23505';

/** What the rest of the program is to make of PostgreSQL's error; what is no failure of a known kind stays as it is. */
export function toStoreError(error: unknown): unknown {
  if (!(error instanceof DatabaseError)) return error;
  const state = stateOf(error);
  const message = `PostgreSQL: ${error.message} (${state})`;
  const code = unavailable.find(([prefix]) => state.startsWith(prefix))?.[1];
  if (code !== undefined) return new UnavailableError(code, message, { cause: error });
  if (refusesValue(error)) return new RejectedByStoreError(message, { cause: error });
  return error;
}

/** Whether it is a value that the server can't hold. */
export function refusesValue(error: DatabaseError): boolean {
  const state = stateOf(error);
  // Data exceptions and limits of the server.
  if (state.startsWith('22') || state.startsWith('54')) return true;
  // The checks named so guard the ledger and not a value: one that fails is a bug.
  return state === notNullViolation || (state === checkViolation && !error.constraint?.endsWith('_invariant'));
}

/** Which row of a COPY into `table` it was, from 1; null where PostgreSQL does not say. */
export function copiedRow(error: DatabaseError, table: string): number | null {
  const match = /^COPY (\w+), line (\d+)/m.exec(error.where ?? '');
  return match !== null && match[1] === table ? Number(match[2]) : null;
}

/** Whether the row's id was taken, which only a racing writer can do. */
export function isIdTaken(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === uniqueViolation && error.constraint === 'events_id';
}

/** Whether another transaction was in the way: run again from its start, it may well go through. */
export function isLostRace(error: unknown): boolean {
  return error instanceof DatabaseError && (error.code === '40001' || error.code === '40P01' || isIdTaken(error));
}

/** Whether another connection would have anew what this one has prepared, or has not. */
export function isUnprepared({ code }: DatabaseError): boolean {
  return code !== undefined && unprepared.includes(code);
}

/** Whether somebody's lock was not given up in time. */
export function isLockTimeout(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === '55P03';
}

function stateOf(error: DatabaseError): string {
  return error.code ?? 'XX000';
}
