import { stepLengths } from '../../src/domain/metrics-steps.ts';
import { rollupSteps, stepStart } from '../../src/domain/rollup.ts';
import type { MetricsSnapshot } from '../../src/metrics-store/metrics-store.ts';
import { createRedisMetricsStore } from '../../src/metrics-store/redis/metrics-store.redis.ts';
import type { ServerInstallation } from '../parts/servers.ts';
import { typeName } from './fill.ts';
import { withRedis } from './redis.ts';

/** Bytes that one more event type takes in Redis, in one partition, where it occurs in every step of a day. */
export interface RedisMemory {
  /** Events of the type in each step of 10 s → bytes. */
  readonly bytesPerType: readonly { readonly eventsPerStep: number; readonly bytes: number }[];
}

/** A counter takes 1 to 3 bytes of a step: below 128, 16,384 and 2,097,152 events in it. */
const eventsPerStep = [1, 100, 10_000];
const typesBefore = 1_000;
const typesAfter = 2_000;
const { fineMs, hourMs } = rollupSteps;

export async function measureRedisMemory({ settings }: ServerInstallation): Promise<RedisMemory> {
  const url = settings.REDIS_URL!;
  return withRedis(url, async ({ usedBytes }) => {
    const bytesOf = async (types: number, events: number): Promise<number> => {
      const before = await usedBytes();
      const prefix = `${settings.ESP_REDIS_PREFIX}-memory-${events}-${types}`;
      const store = await createRedisMetricsStore({ url, prefix, now: Date.now });
      await store.rebuild(dayOf(types, events, Date.now()), null);
      await store.close();
      return (await usedBytes()) - before;
    };
    const bytesPerType: RedisMemory['bytesPerType'][number][] = [];
    for (const events of eventsPerStep) {
      const more = (await bytesOf(typesAfter, events)) - (await bytesOf(typesBefore, events));
      bytesPerType.push({ eventsPerStep: events, bytes: more / (typesAfter - typesBefore) });
    }
    return { bytesPerType };
  });
}

/** A partition with every type in every step that a window of a day, or a shorter one, reaches. */
function dayOf(types: number, events: number, now: number): MetricsSnapshot {
  const names = Array.from({ length: types }, (_, number) => typeName(number));
  const lengthOf = stepLengths(now);
  const stepsOfDay = new Map<string, { stepMs: number; at: number }>();
  for (let at = now; at > now - 25 * hourMs; at -= fineMs) {
    const stepMs = lengthOf(at);
    const start = stepStart(at, stepMs);
    stepsOfDay.set(`${stepMs}:${start}`, { stepMs, at: start });
  }
  const counts = [...stepsOfDay.values()].map((step) => ({
    ...step,
    stored: new Float64Array(types).fill(events * (step.stepMs / fineMs)),
    duplicate: 0,
    failed: 0,
  }));
  const totals = names.map((eventType) => ({ eventType, stored: events * 8_640, duplicate: 0, failed: 0 }));
  const watermark = { logNo: 1, nextOffset: 1, commitToken: 'filled' };
  return { partition: 0, watermark, totals, types: names, counts, latencies: [] };
}
