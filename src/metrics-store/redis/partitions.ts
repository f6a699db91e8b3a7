import { UnavailableError } from '../../domain/failure.ts';
import { limits } from '../../domain/limits.ts';
import { isKept, metricsSteps } from '../../domain/metrics-steps.ts';
import { createMetricsGrid, createTypeNumbers, type MetricsGrid, type TypeNumbers } from '../metrics-grid.ts';
import type { MetricsWatermark } from '../metrics-store.ts';
import { decodeEntry } from './journal.ts';
import { type GenerationKeys, type Head, isSameWatermark, type Keys, noType, parseHead, stepName } from './keys.ts';
import type { RedisLink } from './link.ts';
import { followScript, runScript } from './scripts.ts';
import { type GenerationTypes, typesNamed, unpackInto, withTypesIn } from './values.ts';

/** What this process knows of a partition: all of it, as of a watermark. */
export interface PartitionState {
  readonly generation: string;
  types: GenerationTypes;
  sequence: number;
  watermark: MetricsWatermark;
  readonly grid: MetricsGrid;
  /** When this process last published events of it, by performance.now(); −Infinity: not yet. */
  publishedAt: number;
}

export interface Advance {
  readonly change: MetricsGrid;
  readonly types: GenerationTypes;
  readonly watermark: MetricsWatermark;
}

/**
 * A process's copies of partitions: all of them in one that reads, its own in one that writes. A copy is never trusted:
 * a read asks Redis in one round trip whether it is still where the partition is, a write is taken only if it is. What
 * it lacks it gets as the updates since, or (the first time, after a rebuild, or after minutes without a look) by
 * reading the partition whole. So reading and writing cost what has changed, however many types and steps there are.
 */
export interface Partitions {
  readonly types: TypeNumbers;
  get(partition: number): PartitionState | undefined;
  /** One task of a partition after another. */
  inTurn<Result>(partition: number, task: () => Promise<Result>): Promise<Result>;
  /** Brings the copy to where Redis is; undefined where there is nothing. Only in turn. */
  follow(partition: number): Promise<PartitionState | undefined>;
  /** After an update of this process: the copy is where Redis is now, unless it was replaced meanwhile. */
  advance(partition: number, state: PartitionState, by: Advance): void;
  /** After a rebuild by this process. */
  replace(partition: number, state: PartitionState): void;
  forget(partition: number): void;
  /**
   * False where Redis has lost a value that this process has written and that has not had its time: one that evicts
   * does so without a word, and what has no copy would read too little.
   */
  isWhole(partition: number, generation: string): Promise<boolean>;
  /** As it is in Redis, past the copy; null where there is nothing. */
  readWhole(partition: number): Promise<Pick<PartitionState, 'watermark' | 'grid'> | null>;
  /** All partitions summed, each as it was in Redis at some moment of this call. Not to be kept. */
  merged(): Promise<MetricsGrid>;
}

export interface PartitionsOptions {
  readonly link: Pick<RedisLink, 'send'>;
  readonly keys: Keys;
  readonly now: () => number;
}

export function createPartitions({ link, keys, now }: PartitionsOptions): Partitions {
  const types = createTypeNumbers();
  const states = new Map<number, PartitionState>();
  const turns = new Map<number, Promise<unknown>>();
  const load = createLoader(link, keys, types);
  /** Made anew after a partition was replaced. */
  let sum: MetricsGrid | null = null;
  let expiredAt = now();
  let running: Promise<void> | null = null;
  let next: Promise<void> | null = null;

  function inTurn<Result>(partition: number, task: () => Promise<Result>): Promise<Result> {
    const turn = (turns.get(partition) ?? Promise.resolve()).then(task, task);
    const settled = turn.catch(() => undefined);
    turns.set(partition, settled);
    return turn;
  }

  function replace(partition: number, state: PartitionState): void {
    states.set(partition, state);
    sum = null;
  }

  function forget(partition: number): void {
    if (states.delete(partition)) sum = null;
  }

  function advance(partition: number, state: PartitionState, { change, types: known, watermark }: Advance): void {
    if (states.get(partition) !== state) return;
    state.grid.merge(change);
    sum?.merge(change);
    state.types = known;
    state.watermark = watermark;
    state.sequence += 1;
  }

  async function follow(partition: number): Promise<PartitionState | undefined> {
    for (;;) {
      const state = states.get(partition);
      const { head, updates } = await ask(partition, state);
      // Replaced by a rebuild of this process meanwhile.
      if (states.get(partition) !== state) continue;
      if (head === null) forget(partition);
      else if (state === undefined || updates === null || !catchUp(state, head, updates)) {
        const loaded = await load(partition, head);
        if (states.get(partition) === state) replace(partition, loaded);
      }
      return states.get(partition);
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
    // Each has few types, of perhaps thousands: added one by one, and not as a grid that is as wide as all of them.
    for (const { delta, watermark } of entries) {
      state.types = withTypesIn(state.types, delta, types);
      state.grid.add(delta);
      sum?.add(delta);
      state.watermark = watermark;
      state.sequence += 1;
    }
    return true;
  }

  async function isWhole(partition: number, generation: string): Promise<boolean> {
    const state = states.get(partition);
    if (state?.generation !== generation) return true;
    const of = keys.generation(partition, state.generation);
    const names = lastingSteps(state.grid, now() + expiryRoomMs);
    const written = [of.types, of.totals, ...(names.length > 0 ? [of.steps] : []), ...names.map(of.step)];
    return (await link.send(of.totals, ['EXISTS', ...written])) === written.length;
  }

  async function refresh(): Promise<void> {
    const before = [...states.keys()];
    const [members] = await Promise.all([
      link.send(keys.partitions, ['SMEMBERS', keys.partitions]),
      ...before.map((partition) => inTurn(partition, () => follow(partition))),
    ]);
    const numbers = (members as readonly string[]).map(Number);
    const fresh = numbers.filter((partition) => !before.includes(partition));
    await Promise.all(fresh.map((partition) => inTurn(partition, () => follow(partition))));
  }

  /** One at a time. A read shares the refresh that begins after it was asked for, never one that has begun before. */
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

  function expireSometimes(): void {
    const at = now();
    // Set back: steps that windows reach again were forgotten. Reading them anew is all it takes.
    if (at < expiredAt - limits.clockBackMaxMs) {
      states.clear();
      sum = null;
      expiredAt = at;
    }
    if (at - expiredAt < expireEveryMs) return;
    expiredAt = at;
    sum?.expire(at);
    for (const { grid } of states.values()) grid.expire(at);
  }

  return {
    types,
    get: (partition) => states.get(partition),
    inTurn,
    follow,
    advance,
    replace,
    forget,
    isWhole,
    async readWhole(partition) {
      const { head } = await ask(partition, undefined);
      return head === null ? null : load(partition, head);
    },
    async merged() {
      expireSometimes();
      await refreshed();
      if (sum === null) {
        sum = createMetricsGrid(types);
        for (const { grid } of states.values()) sum.merge(grid);
      }
      return sum;
    },
  };
}

/** Redis counts down by itself: near its end a step may have gone a little sooner than is reckoned here. */
const expiryRoomMs = 60_000;

/** Names of the steps that are kept beyond this time. */
function lastingSteps({ steps }: MetricsGrid, until: number): readonly string[] {
  return metricsSteps.flatMap((kind) =>
    [...steps.get(kind.stepMs)!.keys()].filter((at) => isKept(at, kind, until)).map((at) => stepName(kind.stepMs, at)),
  );
}

/** Old steps are looked for this often: they do no harm meanwhile, no window reads them. */
const expireEveryMs = 60_000;
/**
 * A partition is rebuilt, or gets a step that it had not, in the millisecond between two questions: rare, and rarer
 * twice.
 */
const loadAttemptsMax = 10;

/** Reads partitions whole. */
function createLoader(link: Pick<RedisLink, 'send'>, keys: Keys, types: TypeNumbers) {
  async function stepNames(of: GenerationKeys): Promise<readonly string[]> {
    return (await link.send(of.steps, ['ZRANGE', of.steps, '0', '-1'])) as readonly string[];
  }

  /** Names by number. Numbers are only ever added, so a later answer is good for earlier counts. */
  async function typeNames(of: GenerationKeys): Promise<readonly string[]> {
    const pairs = (await link.send(of.types, ['HGETALL', of.types])) as readonly string[];
    const names: string[] = [];
    for (let index = 0; index < pairs.length; index += 2) {
      if (pairs[index] !== noType) names[Number(pairs[index + 1])] = pairs[index]!;
    }
    return names;
  }

  return async function load(partition: number, found: Head): Promise<PartitionState> {
    const headKey = keys.head(partition);
    let head = found;
    for (let attempt = 0; attempt < loadAttemptsMax; attempt += 1) {
      const of = keys.generation(partition, head.generation);
      const steps = await stepNames(of);
      // One command, so that nothing can change between its keys.
      const get = ['MGET', headKey, of.totals, ...steps.map(of.step)];
      const [headText, totals, ...values] = (await link.send(headKey, get, {
        binary: true,
      })) as readonly (Buffer | null)[];
      const [stepsNow, names] = await Promise.all([stepNames(of), typeNames(of)]);
      const read = parseHead(headText?.toString() ?? null);
      const asked = new Set(steps);
      if (read?.generation === head.generation && stepsNow.every((name) => asked.has(name))) {
        const grid = createMetricsGrid(types);
        const known = typesNamed(names, types);
        const ofSteps = steps.map((name, index) => ({ name, value: values[index] ?? null }));
        unpackInto(grid, known, totals ?? null, ofSteps);
        const { generation, sequence, watermark } = read;
        return { generation, types: known, sequence, watermark, grid, publishedAt: Number.NEGATIVE_INFINITY };
      }
      head = read ?? head;
    }
    throw new UnavailableError(
      'metrics_unavailable',
      `partition ${partition} changed while it was read, again and again`,
    );
  };
}
