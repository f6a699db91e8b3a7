import type { Position } from '../domain/event.ts';
import { inboxId } from '../domain/inbox.ts';
import type { AppendedRecord, SettledOutcome } from './event-store.ts';

/** What one snapshot of a store has of records. */
export interface OutcomeFacts {
  /** The partition's on the current log; null where there is none. */
  progressOf(partition: number): { readonly logNo: number; readonly nextOffset: number } | null;
  /** Where the event of this id is stored from; null where none is. */
  placeOf(id: string): Position | null;
  isInInbox(id: string): boolean;
}

/** As `EventReader.outcomesOf` answers it. */
export function outcomeOf(
  consumer: string,
  { id, partition, offset }: AppendedRecord,
  facts: OutcomeFacts,
): SettledOutcome | null {
  const progress = facts.progressOf(partition);
  if (progress === null || offset >= progress.nextOffset) return null;
  const { logNo } = progress;
  const place = facts.placeOf(id);
  if (place?.logNo === logNo && place.partition === partition && place.offset === offset) return { kind: 'stored' };
  const failed = inboxId(consumer, { logNo, partition, offset });
  if (facts.isInInbox(failed)) return { kind: 'failed', inboxId: failed };
  return place === null ? null : { kind: 'duplicate' };
}
