import { LogRecord } from '../event-log/log-record.ts';
import { startAt } from './event-store.batches.ts';

/** As a fetch brings them: one behind another in the same bytes, with something around each. */
export function recordsOf(
  partition: number,
  values: readonly (readonly [offset: number, value: Uint8Array])[],
): LogRecord[] {
  const between = Buffer.from('{"id":"');
  const bytes = Buffer.concat([between, ...values.flatMap(([, value]) => [value, between])]);
  let at = 0;
  return values.map(([offset, value]) => {
    const start = at + between.length;
    at = start + value.length;
    return new LogRecord(partition, offset, startAt, bytes, start, at);
  });
}
