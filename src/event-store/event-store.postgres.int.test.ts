import { eventStoreContract } from '../testing/event-store.contract.ts';
import { makePostgresHarness, usePostgres } from '../testing/postgres-store.ts';

const server = usePostgres();

eventStoreContract('event store on PostgreSQL', () => makePostgresHarness(server()));
