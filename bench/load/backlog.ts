/** Fills an event log with records as ingest would have written them, through the log itself, while no worker runs. */
import { join } from 'node:path';
import { newEventId } from '../../src/domain/identity.ts';
import { partitionOf } from '../../src/domain/partitioner.ts';
import { encodeRecord } from '../../src/domain/record-codec.ts';
import type { EventLog, RecordToAppend } from '../../src/event-log/event-log.ts';
import { createKafkaEventLog } from '../../src/event-log/kafka/event-log.kafka.ts';
import { createSegmentEventLog } from '../../src/event-log/segment/event-log.segment.ts';
import { beginStickyRun, createStickyPartitioner } from '../../src/ingest/sticky-partitioner.ts';
import { answerParent } from '../parts/child.ts';
import { sampleEvent } from './sample-event.ts';

export type BacklogPlan = {
  /** So many records at most, and no more than are made in that time: a slow machine has less to work off then. */
  readonly events: number;
  readonly secondsMax?: number;
  /** Every hundredth record is one of before once more, as of a client that had no answer and sent it again. */
  readonly withDuplicates?: boolean;
} & ({ readonly dataDir: string } | { readonly brokers: string; readonly topic: string });

export interface Backlog {
  /** Records, duplicates among them. */
  readonly events: number;
  readonly duplicates: number;
}

const partitions = 8;
/** Of one append: what one group of ingest holds at most. */
const groupRecords = 10_000;
const duplicateEvery = 100;
/** In records: the first of the two is in the same batch or an earlier one. It is none that is a duplicate itself. */
const duplicateDistance = 10_050;

function isDuplicate(number: number): boolean {
  return number % duplicateEvery === duplicateEvery - 1 && number >= duplicateDistance;
}

const payloadName = '"payload":';

/** Of an event as it was sent: its type, and the text of its payload, which ingest takes over. */
function partsOf(event: string): { readonly eventType: string; readonly payloadJson: string } {
  const payloadAt = event.indexOf(payloadName);
  const { event_type: eventType } = JSON.parse(`${event.slice(0, payloadAt - 1)}}`);
  return { eventType, payloadJson: event.slice(payloadAt + payloadName.length, -1) };
}

function record(number: number, id: string): Uint8Array {
  return encodeRecord({
    ...partsOf(sampleEvent(number)),
    id,
    clientId: null,
    source: null,
    key: null,
    occurredAt: null,
    receivedAt: Date.now(),
    redriveOf: null,
  });
}

function openLog(plan: BacklogPlan): Promise<EventLog> {
  if ('dataDir' in plan) return createSegmentEventLog({ directory: join(plan.dataDir, 'log'), partitions });
  const { brokers, topic } = plan;
  return createKafkaEventLog({ brokers: [brokers], clientId: 'bench', topic, group: 'bench' });
}

answerParent(async (plan: BacklogPlan): Promise<Backlog> => {
  const { events, secondsMax = Number.POSITIVE_INFINITY, withDuplicates = false } = plan;
  const log = await openLog(plan);
  const ids: string[] = [];
  const sticky = createStickyPartitioner(beginStickyRun(0));
  let duplicates = 0;
  const deadline = performance.now() + secondsMax * 1000;
  for (let first = 0; first < events && performance.now() < deadline; first += groupRecords) {
    const group: RecordToAppend[] = [];
    for (let number = first; number < Math.min(first + groupRecords, events); number += 1) {
      const again = withDuplicates && isDuplicate(number);
      const original = again ? number - duplicateDistance : number;
      ids[number] = again ? ids[original]! : newEventId(Date.now());
      const value = record(original, ids[number]!);
      // As ingest does it. Who sends an event again has given it an id, the first time as well.
      const hasOwnId = again || (withDuplicates && isDuplicate(number + duplicateDistance));
      const partition = hasOwnId
        ? partitionOf(ids[number]!, partitions)
        : sticky.partitionFor(value.byteLength, partitions);
      group.push({ partition, value });
      duplicates += again ? 1 : 0;
    }
    await log.append(group);
  }
  await log.close();
  return { events: ids.length, duplicates };
});
