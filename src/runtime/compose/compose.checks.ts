import { checkPostgres, type PostgresReport } from '../../event-store/postgres/check.ts';
import { checkRedis } from '../../metrics-store/redis/check.ts';
import type { ProductionConfig } from '../config/config.production.ts';
import type { Finding } from './finding.ts';

/** What `esp doctor` asks of PostgreSQL and Redis. */
export type { PostgresReport };

/** @throws StartupError, UnavailableError */
export function checkDatabase({ databaseUrl }: ProductionConfig): Promise<PostgresReport> {
  return checkPostgres({ url: databaseUrl });
}

export function checkMetricsServer({ redis }: ProductionConfig): Promise<readonly Finding[]> {
  return checkRedis({ ...redis, now: Date.now });
}
