/** A process of its own that is many dashboards: it reads the live stream so often, and counts what comes. */
import { type ClientRequest, get } from 'node:http';
import { answerParent } from '../parts/child.ts';

export interface LivePlan {
  readonly port: number;
  readonly clients: number;
  readonly seconds: number;
}

export interface LiveSeen {
  /** Of one client, on average. */
  readonly snapshotsPerSecond: number;
  readonly bytesPerSecond: number;
}

answerParent(async ({ port, clients, seconds }: LivePlan): Promise<LiveSeen> => {
  let snapshots = 0;
  let bytes = 0;
  const requests = await Promise.all(
    Array.from({ length: clients }, () =>
      open(port, (chunk) => {
        bytes += chunk.length;
        if (chunk.indexOf('event: snapshot') >= 0) snapshots += 1;
      }),
    ),
  );
  [snapshots, bytes] = [0, 0];
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  for (const request of requests) request.destroy();
  const perClient = Math.max(1, clients) * seconds;
  return { snapshotsPerSecond: snapshots / perClient, bytesPerSecond: bytes / perClient };
});

function open(port: number, onChunk: (chunk: Buffer) => void): Promise<ClientRequest> {
  const { promise, resolve, reject } = Promise.withResolvers<ClientRequest>();
  const request = get({ host: '127.0.0.1', port, path: '/api/live?window=15m', agent: false }, (response) => {
    response.on('data', (chunk: Buffer) => {
      onChunk(chunk);
      resolve(request);
    });
    response.on('error', () => undefined);
  });
  request.on('error', reject);
  return promise;
}
