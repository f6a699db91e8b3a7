/**
 * What the product's processing is measured against: node:sqlite alone. Each event is parsed and inserted into one
 * table with a unique index on its id and one on its time, 4,000 rows a transaction, as fast as one thread can. No log,
 * no rollups, no duplicates, no metrics.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { sampleEvent } from '../load/sample-event.ts';
import { answerParent } from '../parts/child.ts';

export interface BareSqlitePlan {
  readonly directory: string;
  readonly events: number;
  /** Ends after so long, however many are in. */
  readonly secondsMax: number;
}

const batchRows = 4_000;

function makeLines(events: number): Buffer[] {
  return Array.from({ length: events }, (_, number) => Buffer.from(sampleEvent(number)));
}

/** Answers rows a second. */
answerParent(async ({ directory, events, secondsMax }: BareSqlitePlan) => {
  const lines = makeLines(events);
  const database = new DatabaseSync(join(directory, 'bare.sqlite'));
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    CREATE TABLE events (
      row_no INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, received_at INTEGER NOT NULL,
      event_type TEXT NOT NULL, payload TEXT NOT NULL
    ) STRICT;
    CREATE INDEX events_received ON events (received_at);
  `);
  const insert = database.prepare('INSERT INTO events (id, received_at, event_type, payload) VALUES (?, ?, ?, ?)');
  const startedAt = performance.now();
  let inserted = 0;
  while (inserted < events && performance.now() - startedAt < secondsMax * 1000) {
    const batch = lines.slice(inserted, inserted + batchRows);
    database.exec('BEGIN IMMEDIATE');
    for (const line of batch) {
      const { event_type: eventType, payload } = JSON.parse(line.toString());
      const id = Buffer.from(randomUUID().replaceAll('-', ''), 'hex');
      insert.run(id, Date.now(), eventType, JSON.stringify(payload));
    }
    database.exec('COMMIT');
    inserted += batch.length;
  }
  const seconds = (performance.now() - startedAt) / 1000;
  database.close();
  return inserted / seconds;
});
