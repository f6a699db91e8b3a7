// Promise: with two APIs and two workers on Kafka, PostgreSQL and Redis, whatever happens to the workers under load
// (one is killed with -9, another stopped, a third added), every event that was answered 202 is stored once, also where
// its id comes again under another key and so in another partition; the ledger balances, and Redis tells what
// PostgreSQL has, to the unit.
import { it } from 'vitest';
import { workersComeAndGo } from './workers-come-and-go.ts';

it('keeps every event once while workers come and go', { timeout: 300_000 }, () => workersComeAndGo(20_000));
