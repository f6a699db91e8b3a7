import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startKafka } from './kafka.ts';
import { startPostgres } from './postgres.ts';
import { startRedis } from './redis.ts';
import type { PostgresMajor, StackPart } from './requirements.ts';
import type { NativeServer } from './server-process.ts';

/** How to reach a server that all test files share. */
export interface SharedServer {
  /** Brokers of Kafka, URL of the others. */
  readonly address: string;
  readonly port: number;
}

/**
 * One stack for all test files of a run, in the process that starts the tests: each server is started when a test first
 * asks for it (GET /kafka and so on), so that a run of the Redis tests starts no JVM.
 */
export interface SharedStack {
  readonly url: string;
  dispose(): Promise<void>;
}

interface Started {
  readonly server: NativeServer;
  readonly address: string;
}

export async function startSharedStack(): Promise<SharedStack> {
  const started = new Map<StackPart, Promise<Started>>();

  function obtain(part: StackPart): Promise<Started> {
    const starting = started.get(part) ?? startPart(part);
    started.set(part, starting);
    return starting;
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const { address, server } = await obtain(request.url!.slice(1) as StackPart);
      response.end(JSON.stringify({ address, port: server.port } satisfies SharedServer));
    } catch (error) {
      response.writeHead(500).end((error as Error).message);
    }
  }

  const listener = createServer((request, response) => void answer(request, response));
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return {
    url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    async dispose() {
      listener.closeAllConnections();
      listener.close();
      const settled = await Promise.allSettled(started.values());
      await Promise.all(settled.map((one) => (one.status === 'fulfilled' ? one.value.server.dispose() : null)));
    },
  };
}

async function startPart(part: StackPart): Promise<Started> {
  if (part === 'kafka') {
    const server = await startKafka();
    return { server, address: server.brokers };
  }
  const server = part === 'redis' ? await startRedis() : await startPostgres({ major: majorOf(part) });
  return { server, address: server.url };
}

function majorOf(part: StackPart): PostgresMajor {
  return Number(part.slice('postgres-'.length)) as PostgresMajor;
}
