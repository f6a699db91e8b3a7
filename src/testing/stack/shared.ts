/**
 * What tests of the project `production` ask for: servers that all of them share, and names of their own on them. A
 * test that kills, freezes or fills a server starts one of its own instead (startKafka, startPostgres, startRedis).
 */
import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';
import { makeDatabase } from './postgres.ts';
import type { PostgresMajor, StackPart } from './requirements.ts';
import type { SharedServer } from './shared-stack.ts';
import './vitest.setup.ts';

/** `127.0.0.1:PORT` of the Kafka broker that all tests share. */
export async function sharedBrokers(): Promise<string> {
  return (await obtain('kafka')).address;
}

/** URL of the Redis server that all tests share; see freshPrefix. */
export async function sharedRedisUrl(): Promise<string> {
  return (await obtain('redis')).address;
}

/** URL of a new, empty database on the PostgreSQL server that all tests share. */
export async function freshDatabase({ major = 18 }: { readonly major?: PostgresMajor } = {}): Promise<string> {
  const { address } = await obtain(`postgres-${major}`);
  const name = freshName('test').replaceAll('-', '_');
  await makeDatabase(address, name);
  const url = new URL(address);
  url.pathname = `/${name}`;
  return url.href;
}

/** Of a topic that nobody else uses; making it is the test's own work. */
export function freshTopicName(label = 'events'): string {
  return freshName(label);
}

/** For the keys of a test in the shared Redis. */
export function freshPrefix(label = 'test'): string {
  return `${freshName(label)}:`;
}

function freshName(label: string): string {
  return `${label}-${randomBytes(6).toString('hex')}`;
}

async function obtain(part: StackPart): Promise<SharedServer> {
  const response = await fetch(new URL(part, `${inject('stackUrl')}/`));
  if (!response.ok) throw new Error(`no ${part} for the tests: ${await response.text()}`);
  return (await response.json()) as SharedServer;
}
