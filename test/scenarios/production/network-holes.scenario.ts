// Promise: silence on the network (no reset, no answer) in front of PostgreSQL, Redis or Kafka, under load, stops
// nothing else. While PostgreSQL or Redis is silent, ingest answers 202 as ever; while Kafka is, clients get 503 with
// Retry-After within the deadline. When the silence ends everything that was answered 202 is stored once and counted;
// nothing failed, nothing was restarted.
import { it } from 'vitest';
import { networkHoles } from './network-holes.ts';

it('of some seconds', () => networkHoles({ silentMs: 4_000, isTogether: true }));
