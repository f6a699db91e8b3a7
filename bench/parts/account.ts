import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { LedgerView } from '../../src/http/contract.ts';
import type { Mark } from '../measurement.ts';

/**
 * What was accepted against what is there, counted by the rows of the stopped store and not by the product's own
 * numbers. Lost: accepted, and no row. Doubled: more rows, or more records of the log, than were accepted.
 */
export interface Account {
  readonly accepted: number;
  /** Of these, records of an id that was there already: known beforehand, not as the product says. */
  readonly duplicates?: number;
  readonly stored: number;
  /** Ids of answers that were looked up one by one. */
  readonly idsChecked: number;
  readonly lost: number;
  readonly doubled: number;
  /** The ledger says the same as the rows. */
  readonly ledgerAgrees: boolean;
}

export interface Accepted {
  readonly events: number;
  /** 36 bytes an id; null where ids were not kept. */
  readonly idsFile: string | null;
}

/** @param ledger the last answer of the product, with nothing in flight */
export function takeAccount(dataDir: string, accepted: Accepted, ledger: LedgerView): Account {
  const database = new DatabaseSync(join(dataDir, 'store.sqlite'), { readOnly: true });
  try {
    const count = (sql: string) => Number(database.prepare(sql).get()!.count);
    const stored = count('SELECT count(*) AS count FROM events');
    const distinct = count('SELECT count(DISTINCT id) AS count FROM events');
    const missing = readIds(accepted.idsFile);
    const idsChecked = missing.size;
    if (idsChecked > 0) {
      for (const { id } of database.prepare('SELECT id FROM events').iterate()) missing.delete(hexOf(id as Uint8Array));
    }
    return {
      accepted: accepted.events,
      stored,
      idsChecked,
      lost: Math.max(missing.size, accepted.events - distinct, 0),
      doubled: Math.max(stored - distinct, stored - accepted.events, ledger.appended - accepted.events, 0),
      ledgerAgrees:
        ledger.balanced && ledger.in_flight === 0 && ledger.stored === stored && ledger.appended === accepted.events,
    };
  } finally {
    database.close();
  }
}

export interface Counted {
  readonly accepted: number;
  readonly duplicates: number;
  /** Rows, each with an id of its own: it is the table's primary key. */
  readonly stored: number;
  readonly idsChecked: number;
  /** Of these, without a row. */
  readonly idsMissing: number;
  /** With nothing in flight. */
  readonly ledger: Pick<LedgerView, 'appended' | 'stored' | 'duplicate' | 'balanced'>;
  /** By the metrics; null where they never counted as many as are stored. */
  readonly inMetrics: number | null;
}

/** The account of a store whose rows have been counted. */
export function accountOf(counted: Counted): Account {
  const { accepted, duplicates, stored, idsChecked, idsMissing, ledger, inMetrics } = counted;
  const due = accepted - duplicates;
  return {
    accepted,
    duplicates,
    stored,
    idsChecked,
    lost: Math.max(idsMissing, due - stored, 0),
    // A second row of an id can't be, so it would be another id's.
    doubled: Math.max(stored - due, ledger.appended - accepted, 0),
    ledgerAgrees:
      ledger.balanced &&
      ledger.stored === stored &&
      ledger.duplicate === duplicates &&
      ledger.appended === stored + duplicates &&
      inMetrics === stored,
  };
}

const idBytes = 36;

/** Of the ids file, without dashes. */
export function readIds(file: string | null): Set<string> {
  const ids = new Set<string>();
  if (file === null || !existsSync(file)) return ids;
  const text = readFileSync(file, 'latin1');
  for (let at = 0; at < text.length; at += idBytes) ids.add(text.slice(at, at + idBytes).replaceAll('-', ''));
  if (ids.size !== text.length / idBytes) throw new Error('the product gave one id to two events');
  return ids;
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

export function sumOf(accounts: readonly Account[]): Account {
  const sum = (pick: (account: Account) => number) => accounts.reduce((total, account) => total + pick(account), 0);
  return {
    accepted: sum((account) => account.accepted),
    duplicates: sum((account) => account.duplicates ?? 0),
    stored: sum((account) => account.stored),
    idsChecked: sum((account) => account.idsChecked),
    lost: sum((account) => account.lost),
    doubled: sum((account) => account.doubled),
    ledgerAgrees: accounts.every((account) => account.ledgerAgrees),
  };
}

/** Stands beside every other: figures of a run that lost or doubled something do not count. */
export function accountMark(accounts: readonly Account[]): Mark {
  const { accepted, lost, doubled, ledgerAgrees } = sumOf(accounts);
  return {
    number: '0',
    what: 'accepted and not stored, stored and not accepted',
    figure: `${lost} lost, ${doubled} doubled of ${accepted}${ledgerAgrees ? '' : ', the ledger disagrees'}`,
    mustBe: '0, 0, and the ledger the same',
    held: lost === 0 && doubled === 0 && ledgerAgrees,
  };
}
