import { type EventContent, otherEventType } from '../../domain/event.ts';
import { RejectedByStoreError } from '../../domain/failure.ts';
import type { InboxState } from '../../domain/inbox.ts';
import { isWithin, rollupSteps, stepStart } from '../../domain/rollup.ts';
import { asBuffer } from '../../domain/utf8.ts';
import type { BatchKnowledge, Candidate, CommitRequest, KnownEvent } from '../batch.ts';
import { inOrderOfId, withId } from '../by-id.ts';
import { readBounded } from './bounded.ts';
import type { Connection } from './connection.ts';
import { type KnownLatencies, readLatencies } from './latencies.ts';
import { postgresSettings } from './settings.ts';
import { statement } from './statement.ts';
import { together } from './together.ts';
import { uuidArray } from './uuid.ts';

/** What the first look at the store found; what it leaves open is asked for in `completeKnowledge`. */
export interface LookedUp {
  readonly events: ReadonlyMap<string, KnownEvent>;
  readonly named: ReadonlySet<string>;
  readonly redriven: Redriven;
  /** Types of the batch. */
  readonly types: ReadonlySet<string>;
  /** Of the steps that its events may be counted in. */
  readonly latencies: KnownLatencies;
}

type Redriven = Pick<BatchKnowledge, 'attempts' | 'discarded'>;

/** Sends everything that depends on nothing but the batch, so that it may go out with the guard. */
export async function lookUp(connection: Connection, request: CommitRequest): Promise<LookedUp> {
  const { types, redriveOf, steps } = surveyOf(request);
  const [events, named, redriven, latencies] = await together([
    lookUpEvents(
      connection,
      inOrderOfId(request.candidates).map(({ event }) => event.id),
    ),
    lookUpTypes(connection, types),
    lookUpRedriven(connection, redriveOf),
    readLatencies(connection, request.partition, rollupSteps.fineMs, [...steps]),
  ]);
  return { events, named, redriven, types, latencies };
}

/** Inside the transaction that has locked the partition's progress. */
export async function completeKnowledge(
  connection: Connection,
  request: CommitRequest,
  { events, named, redriven, types }: LookedUp,
  eventTypesMax: number,
): Promise<BatchKnowledge> {
  return {
    events: await withContents(connection, request, events),
    countedAs: await countedAs(connection, types, named, eventTypesMax),
    ...redriven,
  };
}

/** @param ids best in order: else the server sorts them for its index, which was 4 % of its time */
export async function lookUpEvents(
  connection: Connection,
  ids: readonly string[],
): Promise<ReadonlyMap<string, KnownEvent>> {
  if (ids.length === 0) return new Map();
  const rows = await connection.rows<{
    id: string;
    log_no: number;
    partition: number;
    log_offset: number;
    content_hash: Uint8Array;
  }>(eventsOfIds, [uuidArray(ids)]);
  return new Map(
    rows.map(({ id, log_no: logNo, partition, log_offset: offset, content_hash: hash }) => [
      id,
      { id, position: { logNo, partition, offset }, contentHash: asBuffer(hash).toString('hex'), content: null },
    ]),
  );
}

const eventsOfIds = statement(
  'SELECT id, log_no, partition, log_offset, content_hash FROM events WHERE id = ANY($1::uuid[])',
);

/** With the contents of those that a candidate may be in conflict with. */
export async function withContents(
  connection: Connection,
  { candidates }: CommitRequest,
  known: ReadonlyMap<string, KnownEvent>,
): Promise<ReadonlyMap<string, KnownEvent>> {
  const wanted = new Set<string>();
  for (const [id, entry] of known) {
    const isOther = ({ contentHash }: Candidate) => contentHash !== entry.contentHash;
    if (withId(inOrderOfId(candidates), id).some(isOther)) wanted.add(id);
  }
  if (wanted.size === 0) return known;
  const { rows, isWhole } = await readBounded<ContentRow>(
    connection,
    contentsById,
    [...wanted],
    postgresSettings.contentBytesMax,
  );
  if (!isWhole) {
    // Half of the batch has fewer of them, and the one of a single record is always read.
    throw new RejectedByStoreError('The batch repeats the ids of more stored events than can be compared at a time.');
  }
  const complete = new Map(known);
  // Whose row is gone by now was pruned since the first look: its id is free again.
  for (const id of wanted) complete.delete(id);
  for (const row of rows) complete.set(row.id, { ...known.get(row.id)!, content: toContent(row) });
  return complete;
}

interface ContentRow {
  readonly id: string;
  readonly event_type: string;
  readonly source: string | null;
  readonly occurred_at: string | null;
  readonly payload: string;
}

const contentsById = {
  table: 'events',
  idType: 'uuid',
  columns: 'event_type, source, occurred_at',
  large: 'payload::text',
  as: 'payload',
} as const;

function toContent(row: ContentRow): EventContent {
  return { eventType: row.event_type, source: row.source, occurredAt: row.occurred_at, payloadJson: row.payload };
}

/** What is asked about a batch besides its ids, found in one walk over it. */
function surveyOf({ candidates, rejected }: CommitRequest) {
  const types = new Set<string>();
  const redriveOf = new Set<string>();
  const steps = new Set<number>();
  let lastStep = Number.NaN;
  for (const { event } of candidates) {
    types.add(event.eventType);
    if (event.redriveOf !== null) redriveOf.add(event.redriveOf);
    // Neighbours share their step.
    if (isWithin(event.receivedAt, lastStep)) continue;
    lastStep = stepStart(event.receivedAt, rollupSteps.fineMs);
    steps.add(lastStep);
  }
  for (const record of rejected) {
    if (record.eventType !== null) types.add(record.eventType);
    if (record.redriveOf !== null) redriveOf.add(record.redriveOf);
  }
  return { types, redriveOf, steps };
}

async function lookUpTypes(connection: Connection, types: ReadonlySet<string>): Promise<ReadonlySet<string>> {
  if (types.size === 0) return new Set();
  const rows = await connection.rows<{ name: string }>(typesOfNames, [[...types]]);
  return new Set(rows.map(({ name }) => name));
}

const typesOfNames = statement('SELECT name FROM event_types WHERE name = ANY($1::text[])');

/** Names types as long as there is room; the first worker to meet a type decides for all. */
async function countedAs(
  connection: Connection,
  types: ReadonlySet<string>,
  named: ReadonlySet<string>,
  eventTypesMax: number,
): Promise<ReadonlyMap<string, string>> {
  const unnamed = [...types].filter((type) => !named.has(type));
  const added = unnamed.length === 0 ? named : await nameTypes(connection, unnamed, eventTypesMax);
  return new Map([...types].map((type) => [type, named.has(type) || added.has(type) ? type : otherEventType]));
}

async function nameTypes(
  connection: Connection,
  unnamed: readonly string[],
  eventTypesMax: number,
): Promise<ReadonlySet<string>> {
  const [[names], known] = await together([
    connection.rows<{ n: number }>('SELECT count(*) AS n FROM event_types'),
    // After the count: others may have named the last of them since the first look.
    lookUpTypes(connection, new Set(unnamed)),
  ]);
  // They never get fewer: no need to hold up anybody to find out what is known.
  if (names!.n >= eventTypesMax) return known;
  const [, , added] = await together([
    // One at a time, until the end of the batch: who comes next sees what was named. Held before any id is.
    connection.run('LOCK TABLE event_types IN SHARE ROW EXCLUSIVE MODE'),
    connection.changes(
      `INSERT INTO event_types (name)
       SELECT name FROM unnest($1::text[]) WITH ORDINALITY AS wanted (name, place)
       WHERE NOT EXISTS (SELECT FROM event_types AS known WHERE known.name = wanted.name)
       ORDER BY place LIMIT greatest(0, $2 - (SELECT count(*) FROM event_types))`,
      [unnamed, eventTypesMax],
    ),
    lookUpTypes(connection, new Set(unnamed)),
  ]);
  return added;
}

/** Locked to the end of the batch: nobody discards a row while what it was redriven for is being stored. */
async function lookUpRedriven(connection: Connection, ids: ReadonlySet<string>): Promise<Redriven> {
  if (ids.size === 0) return { attempts: new Map(), discarded: new Set() };
  const rows = await connection.rows<{ id: string; attempt: number; state: InboxState }>(
    'SELECT id, attempt, state FROM inbox WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE',
    [[...ids]],
  );
  return {
    attempts: new Map(rows.map(({ id, attempt }) => [id, attempt])),
    discarded: new Set(rows.filter(({ state }) => state === 'discarded').map(({ id }) => id)),
  };
}
