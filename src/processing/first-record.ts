import { DamagedError } from '../domain/failure.ts';
import type { LogReader } from '../event-log/event-log.ts';
import type { LogRecord } from '../event-log/log-record.ts';

/** Each may cost a fetch, and not every log knows how far a damage reaches. */
const damagesPassedMax = 8;

/**
 * The first record at from ≤ offset < end, where `end` is one that this log has told; null where there is none. Offsets
 * may hold no data: Kafka's control records, mostly one at a time, and aborted transactions, of any size. What is
 * damaged is passed, a few times: who asks how old a record is can do with the next one.
 *
 * @throws UnavailableError
 */
export async function firstRecord(
  log: Pick<LogReader, 'recordAt' | 'examineGap'>,
  partition: number,
  from: number,
  end: number,
): Promise<LogRecord | null> {
  let damages = 0;
  for (let at = from; at < end && damages < damagesPassedMax; ) {
    try {
      const record = await log.recordAt(partition, at);
      if (record !== null) return record;
      at = await firstData(log, partition, at, end);
    } catch (error) {
      if (!(error instanceof DamagedError)) throw error;
      damages += 1;
      at = error.to;
    }
  }
  return null;
}

/**
 * The offset of the first data behind `emptyAt`, or the end: in steps that double until there is some, and then in
 * halves.
 */
async function firstData(
  log: Pick<LogReader, 'examineGap'>,
  partition: number,
  emptyAt: number,
  end: number,
): Promise<number> {
  let low = emptyAt + 1;
  /** There is data below it; null while that is not known. */
  let high: number | null = null;
  for (let step = 1; low < end; step *= 2) {
    if (high !== null && high - low === 1) return low;
    const to: number = high === null ? Math.min(low + step, end) : low + Math.floor((high - low) / 2);
    const found = await log.examineGap(partition, low, to);
    if (found.kind === 'trimmed') return found.start;
    if (found.kind === 'no_data') low = to;
    else if (found.kind === 'given_up') low = found.end;
    else high = to;
  }
  return low;
}
