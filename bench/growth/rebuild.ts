import type { Setup } from '../measurement.ts';
import { startProduct } from '../parts/product.ts';
import type { ServerInstallation } from '../parts/servers.ts';
import { waitFor } from '../parts/wait.ts';
import { withRedis } from './redis.ts';

export interface RebuildResult {
  /** `POST /api/metrics/rebuild`, as `esp rebuild-metrics` asks it. */
  readonly commandMs: readonly number[];
  /** From FLUSHALL until the metrics count every event again, with a worker running and nothing coming in. */
  readonly healedMs: number;
  /** What Redis then holds more than before. */
  readonly redisBytes: number;
  readonly total: number;
}

export async function measureRebuild(setup: Setup, installation: ServerInstallation): Promise<RebuildResult> {
  const { settings } = installation;
  await using product = await startProduct({ settings, profileDir: setup.profileDir });
  const ledger = await product.settled();
  const counts = async () => (await product.metrics()).all_time.total === ledger.stored;
  await waitFor('the metrics to count everything', counts);
  const commandMs: number[] = [];
  for (let round = 0; round < setup.rounds; round += 1) {
    const startedAt = performance.now();
    const answer = await fetch(`http://127.0.0.1:${product.port}/api/metrics/rebuild`, { method: 'POST' });
    if (!answer.ok) throw new Error(`a rebuild was answered ${answer.status}: ${await answer.text()}`);
    commandMs.push(performance.now() - startedAt);
  }
  return await withRedis(settings.REDIS_URL!, async (redis) => {
    await redis.flush();
    const before = await redis.usedBytes();
    const flushedAt = performance.now();
    await waitFor('the metrics to be made anew', counts, { timeoutMs: 120_000 });
    const healedMs = performance.now() - flushedAt;
    setup.progress(`rebuilt in ${Math.round(Math.max(...commandMs))} ms, healed in ${Math.round(healedMs)} ms`);
    return { commandMs, healedMs, redisBytes: (await redis.usedBytes()) - before, total: ledger.stored };
  });
}
