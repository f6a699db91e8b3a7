import { eventStoreContract } from '../../testing/event-store.contract.ts';
import { makePostgresHarness, useDatabase } from '../../testing/postgres-store.ts';

const url = useDatabase();

eventStoreContract('event store on PostgreSQL', () => makePostgresHarness(url()));
