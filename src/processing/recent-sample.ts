import { limits } from '../domain/limits.ts';
import type { Candidate, CommitRequest, WriteSet } from '../event-store/batch.ts';
import type { RecentEvent } from '../metrics-store/metrics-store.ts';

/**
 * Picks what a partition's batches show as recent: the newest few, and of each stretch of time no more than the live
 * stream shows of all partitions together. Whole events are carried to the metrics store, so what nobody will see costs
 * as well.
 */
export function createRecentSample(elapsed: () => number) {
  let stretch = Number.NaN;
  let left = 0;

  return (request: CommitRequest, written: WriteSet): RecentEvent[] => {
    const current = Math.floor(elapsed() / limits.recentEveryMs);
    if (current !== stretch) {
      stretch = current;
      left = limits.liveEventsPerTick;
    }
    if (left === 0) return [];
    const from = request.nextOffset - left;
    const newest = written.events.filter(({ offset }) => offset >= from);
    newest.sort((a, b) => b.offset - a.offset);
    left -= newest.length;
    return newest.map((candidate) => recentOf(request, candidate));
  };
}

function recentOf({ logNo, partition, storedAt }: CommitRequest, { event, offset }: Candidate): RecentEvent {
  const { id, eventType, clientId, source, key, occurredAt, receivedAt, payloadJson } = event;
  const position = { logNo, partition, offset };
  return { id, eventType, clientId, source, key, occurredAt, receivedAt, payloadJson, position, storedAt };
}
