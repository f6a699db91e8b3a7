import { limits } from '../../domain/limits.ts';
import type { HttpLimits } from '../../http/bare-app.ts';
import type { IngestLimits } from '../../ingest/ingest.ts';

/** The records of one request, whatever its events are. */
export const requestRecordsBytesMax = limits.requestBytesMax + limits.requestEventsMax * limits.envelopeBytesMax;

/**
 * What each of several threads that serve HTTP may hold. Bounds of memory and of connections are the process's, so each
 * thread has its part of them, and room for the largest requests: two that arrive, one that waits for the log. What a
 * thread can do at a time is its own.
 */
export function boundsOfThread(threads: number): {
  readonly http: HttpLimits;
  readonly ingest: Pick<IngestLimits, 'ingestQueueBytesMax'>;
} {
  const part = (bound: number) => Math.ceil(bound / threads);
  return {
    http: {
      ...limits,
      connectionsMax: part(limits.connectionsMax),
      liveClientsMax: part(limits.liveClientsMax),
      arrivingBodiesBytesMax: Math.max(part(limits.arrivingBodiesBytesMax), 2 * limits.requestBytesMax),
      answersHeldCharactersMax: part(limits.answersHeldCharactersMax),
    },
    ingest: { ingestQueueBytesMax: Math.max(part(limits.ingestQueueBytesMax), requestRecordsBytesMax) },
  };
}
