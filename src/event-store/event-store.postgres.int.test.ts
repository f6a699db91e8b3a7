import { vi } from 'vitest';
import { eventStoreContract } from '../testing/event-store.contract.ts';
import { makePostgresHarness, usePostgres } from '../testing/postgres-store.ts';

// Hundreds of transactions, each flushed to a disk that other tests use too.
vi.setConfig({ testTimeout: 60_000 });

const server = usePostgres();

eventStoreContract('event store on PostgreSQL', () => makePostgresHarness(server()));
