import { expect, test } from 'vitest';
import { limits } from '../../domain/limits.ts';
import { boundsOfThread, requestRecordsBytesMax } from './thread-bounds.ts';

const shared = ['connectionsMax', 'liveClientsMax', 'answersHeldCharactersMax'] as const;

test('one thread has all that the process may hold', () => {
  const { http, ingest } = boundsOfThread(1);
  for (const name of shared) expect([name, http[name]]).toEqual([name, limits[name]]);
  expect(http.arrivingBodiesBytesMax).toBe(limits.arrivingBodiesBytesMax);
  expect(ingest.ingestQueueBytesMax).toBe(limits.ingestQueueBytesMax);
});

test.each([2, 3, limits.httpThreadsMax])('%i threads together have no more', (threads) => {
  const { http } = boundsOfThread(threads);
  for (const name of shared) {
    expect(http[name] * threads, name).toBeGreaterThanOrEqual(limits[name]);
    // Rounded up.
    expect((http[name] - 1) * threads, name).toBeLessThan(limits[name]);
  }
  expect(http.requestTimeoutMs).toBe(limits.requestTimeoutMs);
});

test('bytes of requests are shared as long as there is room for the largest', () => {
  expect(boundsOfThread(2).http.arrivingBodiesBytesMax).toBe(limits.arrivingBodiesBytesMax / 2);
  expect(boundsOfThread(2).ingest.ingestQueueBytesMax).toBe(limits.ingestQueueBytesMax / 2);
});

test.each([1, 2, 4, limits.httpThreadsMax])('each of %i can take the largest request there is', (threads) => {
  const { http, ingest } = boundsOfThread(threads);
  expect(http.arrivingBodiesBytesMax).toBeGreaterThanOrEqual(2 * limits.requestBytesMax);
  expect(http.answersHeldCharactersMax).toBeGreaterThanOrEqual(limits.pageBytesMax);
  expect(ingest.ingestQueueBytesMax).toBeGreaterThanOrEqual(requestRecordsBytesMax);
});
