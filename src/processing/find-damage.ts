import type { OffsetRange } from '../domain/event.ts';
import { DamagedError } from '../domain/failure.ts';
import { limits } from '../domain/limits.ts';
import type { LogAssignment, LogReader, PartitionBounds } from '../event-log/event-log.ts';
import type { EventReader } from '../event-store/event-store.ts';

export interface FoundDamage extends OffsetRange {
  /** For a person: file and byte. */
  readonly place: string;
  /** What of it has no outcome yet; null where all of it is stored already. */
  readonly unsettled: OffsetRange | null;
}

/** Reads the whole log. What was given up before is not named again. @throws UnavailableError */
export async function findDamage(
  log: Pick<LogReader, 'describe' | 'join'>,
  store: Pick<EventReader, 'progress'>,
  consumerName: string,
): Promise<readonly FoundDamage[]> {
  const { partitions } = await log.describe();
  const next = new Map((await store.progress(consumerName)).map((row) => [row.partition, row.nextOffset]));
  const found: FoundDamage[] = [];
  const consumer = await log.join();
  try {
    for await (const assignment of consumer.assignments()) {
      for (const bounds of partitions) {
        for await (const { partition, from, to, place } of damageOf(assignment, bounds)) {
          const unsettledFrom = Math.max(from, next.get(partition) ?? 0);
          const unsettled = unsettledFrom < to ? { partition, from: unsettledFrom, to } : null;
          found.push({ partition, from, to, place, unsettled });
        }
      }
      break;
    }
    return found;
  } finally {
    await consumer.close();
  }
}

const limitsOfReading = { recordsMax: limits.batchRecordsMax, bytesMax: limits.batchBytesMax };
/** Everything is there already; what was given up at a partition's end is not waited for. */
const idleMs = 50;

async function* damageOf(assignment: LogAssignment, { partition, start, end }: PartitionBounds) {
  const never = new AbortController().signal;
  for (let offset = start; offset < end; ) {
    const stream = await assignment.open(new Map([[partition, offset]]));
    try {
      for (let isOver = false; !isOver; ) {
        const { records } = await stream.next(partition, limitsOfReading, idleMs, never);
        offset = (records.at(-1)?.offset ?? end - 1) + 1;
        isOver = offset >= end;
      }
    } catch (error) {
      if (!(error instanceof DamagedError)) throw error;
      yield error;
      offset = error.to;
    } finally {
      await stream.close();
    }
  }
}
