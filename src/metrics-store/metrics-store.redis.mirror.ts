import { UnavailableError } from '../domain/failure.ts';
import { addAll } from './counters.ts';
import { createMetricsGrid, createTypeNumbers, type MetricsGrid } from './metrics-grid.ts';
import {
  type GenerationKeys,
  type Head,
  isSameWatermark,
  type Keys,
  noType,
  parseHead,
  parseStepName,
} from './metrics-store.redis.keys.ts';
import type { RedisLink } from './metrics-store.redis.link.ts';
import { latenciesFrom, pick, stepFields, totalFields, totalsPerType, unpack } from './metrics-store.redis.packed.ts';
import { followScript, runScript } from './metrics-store.redis.scripts.ts';
import { decodeEntry } from './metrics-store.redis.update.ts';

/**
 * A reader's copy of all partitions, brought up to date by every read in one round trip: each partition answers that nothing
 * has changed, or the updates that this reader lacks, or (the first time, after a rebuild, or after minutes without a read)
 * is read whole. So a read costs what has changed since the one before, however many types and steps there are, and is never
 * of a partition half applied.
 */
export interface Mirror {
  /** All partitions summed, as Redis has them at some moment during the call. Not to be kept. */
  current(): Promise<MetricsGrid>;
  /** One partition as Redis has it, read whole and past the copy; null where it has none. */
  readWhole(partition: number): Promise<Pick<PartitionState, 'watermark' | 'grid'> | null>;
}

interface PartitionState {
  readonly generation: string;
  sequence: number;
  watermark: Head['watermark'];
  readonly grid: MetricsGrid;
}

export interface MirrorOptions {
  readonly link: Pick<RedisLink, 'send'>;
  readonly keys: Keys;
  readonly now: () => number;
}

export function createMirror({ link, keys, now }: MirrorOptions): Mirror {
  const types = createTypeNumbers();
  const partitions = new Map<number, PartitionState>();
  /** Made anew after a partition was read whole. */
  let merged: MetricsGrid | null = null;
  let expiredAt = now();
  let running: Promise<void> | null = null;
  let next: Promise<void> | null = null;

  async function follow(partition: number): Promise<void> {
    const state = partitions.get(partition);
    const { head, updates } = await ask(partition, state);
    if (head === null) {
      if (partitions.delete(partition)) merged = null;
      return;
    }
    if (state === undefined || updates === null || !catchUp(state, head, updates)) {
      partitions.set(partition, await load(partition, head));
      merged = null;
    }
  }

  async function ask(partition: number, state: PartitionState | undefined) {
    const generation = state?.generation ?? '';
    const [head = null, what, ...updates] = (await runScript(
      link,
      followScript,
      [keys.head(partition), keys.generation(partition, generation).journal],
      [generation, String(state?.sequence ?? 0)],
    )) as readonly string[];
    return { head: parseHead(head), updates: what === 'updates' ? updates : null };
  }

  /** False: these updates do not lead from here to there, as after a failover to an older copy. */
  function catchUp(state: PartitionState, head: Head, updates: readonly string[]): boolean {
    const entries = updates.toReversed().map(decodeEntry);
    let watermark = state.watermark;
    for (const entry of entries) {
      if (entry.previousToken !== watermark.commitToken) return false;
      watermark = entry.watermark;
    }
    if (!isSameWatermark(watermark, head.watermark)) return false;
    for (const { delta } of entries) {
      state.grid.add(delta);
      merged?.add(delta);
    }
    state.watermark = watermark;
    state.sequence = head.sequence;
    return true;
  }

  async function load(partition: number, found: Head): Promise<PartitionState> {
    let head = found;
    for (let attempt = 0; attempt < loadAttemptsMax; attempt += 1) {
      const of = keys.generation(partition, head.generation);
      const steps = await stepsOf(of);
      // One command, so that nothing can change between its keys.
      const [headNow, totals, ...values] = (await link.send(
        keys.head(partition),
        ['MGET', keys.head(partition), of.totals, ...steps.flatMap((name) => [of.latencies(name), of.counts(name)])],
        { binary: true },
      )) as readonly (Buffer | null)[];
      const [stepsNow, names] = await Promise.all([stepsOf(of), typesOf(of)]);
      const read = parseHead(headNow?.toString() ?? null);
      const known = new Set(steps);
      if (read?.generation === head.generation && stepsNow.every((name) => known.has(name))) {
        const { generation, sequence, watermark } = read;
        return { generation, sequence, watermark, grid: decodeGrid(names, totals ?? null, steps, values) };
      }
      // A step was added, or the partition rebuilt, between the questions.
      head = read ?? head;
    }
    throw new UnavailableError(
      'metrics_unavailable',
      `partition ${partition} changed while it was read, again and again`,
    );
  }

  async function stepsOf(of: GenerationKeys): Promise<readonly string[]> {
    return (await link.send(of.steps, ['ZRANGE', of.steps, '0', '-1'])) as readonly string[];
  }

  /** Names by number. Numbers are only ever added, so a later answer is good for earlier counts. */
  async function typesOf(of: GenerationKeys): Promise<readonly string[]> {
    const pairs = (await link.send(of.types, ['HGETALL', of.types])) as readonly string[];
    const names: string[] = [];
    for (let index = 0; index < pairs.length; index += 2) {
      if (pairs[index] !== noType) names[Number(pairs[index + 1])] = pairs[index]!;
    }
    return names;
  }

  function decodeGrid(
    names: readonly string[],
    totals: Buffer | null,
    steps: readonly string[],
    values: readonly (Buffer | null)[],
  ): MetricsGrid {
    const grid = createMetricsGrid(types);
    const numbers = names.map((name) => types.numberOf(name));
    const renumbered = (counts: Float64Array) => {
      const sorted = new Float64Array(types.names.length);
      for (let number = 0; number < counts.length; number += 1) {
        if (counts[number] !== 0) sorted[numbers[number]!] = counts[number]!;
      }
      return { values: sorted };
    };
    if (totals !== null) {
      const all = unpack(totals);
      for (const field of ['stored', 'duplicate', 'failed'] as const) {
        addAll(grid.totals[field], renumbered(pick(all, totalFields[field], totalsPerType).values));
      }
    }
    for (const [index, name] of steps.entries()) {
      const [latencies, counts] = [values[2 * index], values[2 * index + 1]];
      if (latencies == null) continue;
      const { stepMs, at } = parseStepName(name);
      const step = grid.step(stepMs, at);
      const fields = unpack(latencies);
      for (const field of ['stored', 'duplicate', 'failed', 'clockSkewed'] as const) {
        step[field] = fields[stepFields[field]] ?? 0;
      }
      addAll(step.latencies, pick(fields, latenciesFrom, 1));
      if (counts != null) addAll(step.types, renumbered(unpack(counts)));
    }
    return grid;
  }

  async function refresh(): Promise<void> {
    const members = link.send(keys.partitions, ['SMEMBERS', keys.partitions]);
    const before = [...partitions.keys()];
    const [found] = await Promise.all([members, ...before.map(follow)]);
    const numbers = (found as readonly string[]).map(Number);
    await Promise.all(numbers.filter((partition) => !before.includes(partition)).map(follow));
    for (const partition of before) {
      if (!numbers.includes(partition) && partitions.delete(partition)) merged = null;
    }
  }

  function expireSometimes(at: number): void {
    if (at - expiredAt < expireEveryMs) return;
    expiredAt = at;
    merged?.expire(at);
    for (const { grid } of partitions.values()) grid.expire(at);
  }

  /** One at a time. A read shares the refresh that begins after it was asked for, never one that may have begun before. */
  function refreshed(): Promise<void> {
    if (running === null) {
      running = refresh().finally(() => {
        running = null;
      });
      return running;
    }
    next ??= running
      .catch(() => undefined)
      .then(() => {
        next = null;
        return refreshed();
      });
    return next;
  }

  return {
    async current() {
      await refreshed();
      expireSometimes(now());
      if (merged === null) {
        merged = createMetricsGrid(types);
        for (const { grid } of partitions.values()) merged.merge(grid);
      }
      return merged;
    },
    async readWhole(partition) {
      const { head } = await ask(partition, undefined);
      return head === null ? null : load(partition, head);
    },
  };
}

const loadAttemptsMax = 10;
/** Old steps are looked for this often: they do no harm meanwhile, no window reads them. */
const expireEveryMs = 60_000;
