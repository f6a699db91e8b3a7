/**
 * What the product's ingest on Kafka is measured against in TypeScript: Fastify with its own JSON parsing, and the
 * producer of
 * @platformatic/kafka with acks=all (not idempotent, uncompressed), as the two are put together by somebody who knows
 * them. One send is in flight; what arrives meanwhile is the next group. Each event gets an id and goes, in the
 * envelope of the product's records, to the partition that the product would choose; 202 is answered when the broker
 * has all of the request.
 *
 * It takes single events and arrays. It leaves out: NDJSON, every check but that event_type and payload are there,
 * clients' ids, sources, keys and times, a bounded queue, deadlines, metrics, whether the topic is still the one it
 * was.
 */
import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { ProduceAcks, Producer } from '@platformatic/kafka';
import Fastify from 'fastify';
import { limits } from '../../src/domain/limits.ts';
import { partitionOf } from '../../src/domain/partitioner.ts';
import { answerParent } from '../parts/child.ts';

export interface FastifyPlan {
  readonly brokers: string;
  readonly topic: string;
  readonly partitions: number;
}

interface Message {
  readonly topic: string;
  readonly partition: number;
  readonly value: Buffer;
}

interface Waiting {
  readonly messages: readonly Message[];
  resolve(): void;
  reject(error: unknown): void;
}

const groupMessagesMax = 10_000;

function createGroups(brokers: string) {
  const producer = new Producer({ clientId: 'fastify', bootstrapBrokers: [brokers], acks: ProduceAcks.ALL });
  let waiting: Waiting[] = [];
  let isSending = false;

  async function sendAll(): Promise<void> {
    isSending = true;
    while (waiting.length > 0) {
      const group: Waiting[] = [];
      for (let count = 0; waiting.length > group.length && count < groupMessagesMax; ) {
        const next = waiting[group.length]!;
        group.push(next);
        count += next.messages.length;
      }
      waiting = waiting.slice(group.length);
      try {
        await producer.send({ messages: group.flatMap(({ messages }) => messages) });
        for (const { resolve } of group) resolve();
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    isSending = false;
  }

  return {
    append(messages: readonly Message[]): Promise<void> {
      return new Promise((resolve, reject) => {
        waiting.push({ messages, resolve, reject });
        if (!isSending) void sendAll();
      });
    },
  };
}

/** Answers the port. */
answerParent(async ({ brokers, topic, partitions }: FastifyPlan) => {
  const groups = createGroups(brokers);
  const app = Fastify({ bodyLimit: limits.requestBytesMax, keepAliveTimeout: limits.keepAliveTimeoutMs });
  app.post('/api/events', async (request, reply) => {
    const isMany = Array.isArray(request.body);
    const events = (isMany ? request.body : [request.body]) as { event_type?: string; payload?: object }[];
    const receivedAt = new Date().toISOString();
    const results = [];
    const messages: Message[] = [];
    for (const { event_type, payload } of events) {
      if (!event_type || !payload) return reply.code(400).send({ detail: 'event_type and payload must be there' });
      const id = randomUUID();
      results.push({ id, status: 'accepted' });
      const value = Buffer.from(JSON.stringify({ id, event_type, received_at: receivedAt, payload }));
      messages.push({ topic, partition: partitionOf(id, partitions), value });
    }
    await groups.append(messages);
    return reply.code(202).send(isMany ? { accepted: results.length, rejected: 0, retry: 0, results } : results[0]);
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  return (app.server.address() as AddressInfo).port;
});
