import { limits } from '../../domain/limits.ts';
import type { HttpLimits } from '../../http/bare-app.ts';
import type { IngestLimits } from '../../ingest/ingest.ts';

/** The records of one request, whatever its events are. */
export const requestRecordsBytesMax = limits.requestBytesMax + limits.requestEventsMax * limits.envelopeBytesMax;

/**
 * What each of several threads that serve HTTP may hold. Bounds of memory and of connections are the process's, so each thread has
 * its part of them, and room for one of the largest requests. What a thread can do at a time is its own.
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
      arrivingBodiesBytesMax: part(limits.arrivingBodiesBytesMax),
      answersHeldCharactersMax: part(limits.answersHeldCharactersMax),
    },
    ingest: { ingestQueueBytesMax: Math.max(part(limits.ingestQueueBytesMax), requestRecordsBytesMax) },
  };
}
