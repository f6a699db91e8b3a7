import { DamagedError } from '../domain/failure.ts';
import type { LogReader } from '../event-log/event-log.ts';
import type { LogRecord } from '../event-log/log-record.ts';

/** As the log's own `recordAt`, with damage as an answer. */
export async function recordOrDamage(
  log: Pick<LogReader, 'recordAt'>,
  partition: number,
  offset: number,
): Promise<LogRecord | DamagedError | null> {
  try {
    return await log.recordAt(partition, offset);
  } catch (error) {
    if (error instanceof DamagedError) return error;
    throw error;
  }
}
