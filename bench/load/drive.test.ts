import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { drive } from './drive.ts';
import { createTally } from './tally.ts';

const receipt = '{"accepted":10,"rejected":0,"retry":0,"results":[]}';

async function startServer(): Promise<{ port: number; answered(): number }> {
  let answered = 0;
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      answered += 1;
      response.writeHead(202, { 'content-length': receipt.length }).end(receipt);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, answered: () => answered };
}

it('shares the load out to several ports and counts the answers of all', async () => {
  const servers = await Promise.all([startServer(), startServer(), startServer()]);
  const result = await drive({
    port: servers.map(({ port }) => port),
    connections: 6,
    seconds: 0.05,
    eventsPerRequest: 10,
    form: 'array',
    requestsPerSecond: null,
    idsFile: null,
  });
  for (const { answered } of servers) expect(answered()).toBeGreaterThanOrEqual(2);
  expect(result.accepted).toBe(servers.reduce((sum, { answered }) => sum + answered(), 0) * 10);
  expect(result.refusals).toEqual({});
});

it('counts of a request that outlasts the window the part that lay in it', () => {
  const tally = createTally(10);
  tally.add(202, receipt, 50, 1);
  tally.add(202, receipt, 100, 0.25);
  tally.add(503, '{}', 100, 0.25);
  expect(tally.result(2, 0, null)).toMatchObject({ requests: 1.25, events: 12.5, eventsPerSecond: 6.25, accepted: 20 });
});
