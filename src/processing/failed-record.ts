import type { InboxEntry } from '../domain/inbox.ts';
import { limits } from '../domain/limits.ts';
import { formatRfc3339 } from '../domain/rfc3339.ts';
import type { FailedRecord } from '../event-log/failed-topic.ts';

/**
 * What the failed topic tells of an inbox row: the record as it was, and in headers why it failed and where it stood. A
 * reader that sees a row twice knows it by `inbox-id`.
 *
 * @param originTopic where the record was read
 */
export function toFailedRecord(entry: InboxEntry, originTopic: string): FailedRecord {
  const { position } = entry;
  return {
    // As in the log: failed events of one key stay in order.
    key: entry.key ?? entry.eventId,
    value: entry.value,
    headers: {
      'inbox-id': entry.id,
      'reason-code': entry.code,
      'reason-message': entry.message.slice(0, limits.failedMessageCharactersMax),
      attempt: String(entry.attempt),
      'origin-topic': originTopic,
      'origin-partition': String(position.partition),
      'origin-offset': String(position.offset),
      'failed-at': formatRfc3339(entry.failedAt),
      ...(entry.eventId === null ? {} : { 'event-id': entry.eventId }),
      ...(entry.eventType === null ? {} : { 'event-type': entry.eventType }),
    },
  };
}
