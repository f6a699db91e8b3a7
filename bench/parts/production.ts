import type { Setup } from '../measurement.ts';
import { type Account, accountOf } from './account.ts';
import { type Product, startProduct } from './product.ts';
import { connectDatabase, type ServerInstallation, withDatabase } from './servers.ts';
import { waitFor } from './wait.ts';

const settledMs = 300_000;
const pollMs = 20;

export function startPart(
  command: 'api' | 'worker',
  { settings }: ServerInstallation,
  { profileDir }: Pick<Setup, 'profileDir'>,
  more: Readonly<Record<string, string>> = {},
): Promise<Product> {
  // Neither is ready without the other, and a worker that is waited for has stored already.
  return startProduct({ command, settings: { ...settings, ...more }, profileDir, waitUntilReady: false });
}

/** Outcomes that the database has, of all records; asked there, and not of the product. */
export interface OutcomesWatch extends AsyncDisposable {
  count(): Promise<number>;
  /** Waits until there are so many. */
  reached(events: number, timeoutMs?: number): Promise<void>;
}

/** Over one connection: to make one for each look costs the database more than what it is looked at for. */
export async function watchOutcomes({ databaseUrl }: ServerInstallation): Promise<OutcomesWatch> {
  const client = await connectDatabase(databaseUrl);
  const count = async () => {
    const { rows } = await client.query('SELECT coalesce(sum(next_offset - base), 0) AS count FROM progress');
    return Number(rows[0].count);
  };
  return {
    count,
    reached: async (events, timeoutMs = settledMs) => {
      await waitFor('everything to be stored', async () => (await count()) >= events, { timeoutMs, everyMs: pollMs });
    },
    [Symbol.asyncDispose]: () => client.end(),
  };
}

/** As `takeAccount`, from PostgreSQL; that the metrics on Redis count the same is part of the ledger's agreeing. */
export async function takeServerAccount(
  { databaseUrl }: ServerInstallation,
  api: Product,
  accepted: { readonly events: number; readonly ids: Set<string>; readonly duplicates?: number },
): Promise<Account> {
  const idsChecked = accepted.ids.size;
  const stored = await withDatabase(databaseUrl, async (client) => {
    if (idsChecked > 0) {
      const { rows } = await client.query<{ id: string }>('SELECT id FROM events');
      for (const { id } of rows) accepted.ids.delete(id.replaceAll('-', ''));
    }
    const { rows } = await client.query('SELECT count(*) AS count FROM events');
    return Number(rows[0].count);
  });
  const ledger = await api.settled();
  // The metrics follow the store by a moment.
  const counted = await waitFor(
    'the metrics to count every event',
    async () => (await api.metrics()).all_time.total >= stored && (await api.metrics()).all_time.total,
  ).catch(() => null);
  return accountOf({
    accepted: accepted.events,
    duplicates: accepted.duplicates ?? 0,
    stored,
    idsChecked,
    idsMissing: accepted.ids.size,
    ledger,
    inMetrics: counted,
  });
}

/** For what was taken in while no worker ran: starts one, waits until all of it is stored, and takes the account. */
export async function storeAndCount(
  setup: Pick<Setup, 'profileDir'>,
  installation: ServerInstallation,
  api: Product,
  accepted: { readonly events: number; readonly ids: Set<string> },
): Promise<Account> {
  await using stack = new AsyncDisposableStack();
  stack.use(await startPart('worker', installation, setup));
  const outcomes = stack.use(await watchOutcomes(installation));
  await outcomes.reached(accepted.events);
  return await takeServerAccount(installation, api, accepted);
}
