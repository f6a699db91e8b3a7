/** Fills an event log with records as ingest would have written them, through the log itself, while no worker runs. */
import { join } from 'node:path';
import { newEventId } from '../../src/domain/identity.ts';
import { partitionOf } from '../../src/domain/partitioner.ts';
import { encodeRecord } from '../../src/domain/record-codec.ts';
import type { RecordToAppend } from '../../src/event-log/event-log.ts';
import { createSegmentEventLog } from '../../src/event-log/segment/event-log.segment.ts';
import { answerParent } from '../parts/child.ts';
import { sampleEvent } from './sample-event.ts';

export interface BacklogPlan {
  readonly dataDir: string;
  readonly events: number;
}

const partitions = 8;
/** Of one append: what one group of ingest holds at most. */
const groupRecords = 10_000;

function record(number: number): RecordToAppend {
  const { event_type: eventType, payload } = JSON.parse(sampleEvent(number));
  const id = newEventId(Date.now());
  const value = encodeRecord({
    id,
    eventType,
    clientId: null,
    source: null,
    key: null,
    occurredAt: null,
    receivedAt: Date.now(),
    redriveOf: null,
    payloadJson: JSON.stringify(payload),
  });
  return { partition: partitionOf(id, partitions), value };
}

answerParent(async ({ dataDir, events }: BacklogPlan) => {
  const log = await createSegmentEventLog({ directory: join(dataDir, 'log'), partitions });
  for (let number = 0; number < events; number += groupRecords) {
    const count = Math.min(groupRecords, events - number);
    await log.append(Array.from({ length: count }, (_, index) => record(number + index)));
  }
  await log.close();
  return { events };
});
