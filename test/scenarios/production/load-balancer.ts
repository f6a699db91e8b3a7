/**
 * A load balancer in small, with the manners of nginx or HAProxy: it asks every server for its readiness, hands each
 * request to one that was ready when it last looked, keeps connections open, and takes another server only where the
 * first refused the connection. What was sent and not answered is the client's loss: 502.
 */
import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setInterval } from 'node:timers/promises';
import { onTestFinished } from 'vitest';

export interface LoadBalancer {
  readonly url: string;
  /** Ports of the servers that were ready when it last looked. */
  ready(): readonly number[];
}

const lookEveryMs = 100;

export async function startLoadBalancer(ports: readonly number[]): Promise<LoadBalancer> {
  const agent = new Agent({ keepAlive: true, maxSockets: 100 });
  const ready = new Set<number>();
  const ending = new AbortController();
  let turn = 0;

  async function look(port: number): Promise<void> {
    const isReady = await fetch(`http://127.0.0.1:${port}/health/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isReady) ready.add(port);
    else ready.delete(port);
  }
  const looking = (async () => {
    for await (const _ of setInterval(lookEveryMs)) {
      await Promise.all(ports.map(look));
      if (ending.signal.aborted) return;
    }
  })();

  async function serve(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const body = Buffer.concat(await incoming.toArray());
    const candidates = ports.filter((port) => ready.has(port));
    turn += 1;
    for (let tries = 0; tries < candidates.length; tries += 1) {
      const port = candidates[(turn + tries) % candidates.length]!;
      const outgoing = request({
        agent,
        port,
        host: '127.0.0.1',
        method: incoming.method!,
        path: incoming.url!,
        headers: { ...incoming.headers, host: `127.0.0.1:${port}`, connection: 'keep-alive' },
      }).end(body);
      try {
        const [found] = (await once(outgoing, 'response')) as [IncomingMessage];
        answer.writeHead(found.statusCode!, { ...found.headers, connection: 'keep-alive' });
        answer.end(Buffer.concat(await found.toArray()));
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED') {
          answer.writeHead(502).end(JSON.stringify({ title: String(error) }));
          return;
        }
      }
    }
    answer.writeHead(502).end(JSON.stringify({ title: 'no server is ready' }));
  }

  const server = createServer((incoming, answer) => void serve(incoming, answer)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    ending.abort();
    await looking;
    server.closeAllConnections();
    server.close();
    agent.destroy();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, ready: () => [...ready] };
}
