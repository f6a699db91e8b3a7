import { checkPostgres, type PostgresReport } from '../event-store/event-store.postgres.check.ts';
import { createRedisMetricsStore } from '../metrics-store/metrics-store.redis.ts';
import type { ProductionConfig } from './config.production.ts';

/** What `esp doctor` asks of PostgreSQL and Redis. */
export type { PostgresReport };

/** @throws StartupError, UnavailableError */
export function checkDatabase({ databaseUrl }: ProductionConfig): Promise<PostgresReport> {
  return checkPostgres({ url: databaseUrl });
}

/** @throws StartupError, UnavailableError */
export async function checkMetricsServer({ redis }: ProductionConfig): Promise<void> {
  const metrics = await createRedisMetricsStore({ ...redis, now: Date.now });
  try {
    await metrics.watermark(0);
  } finally {
    await metrics.close();
  }
}
