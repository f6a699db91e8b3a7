import { UnavailableError } from '../../domain/failure.ts';
import { limits } from '../../domain/limits.ts';
import { createMetricsGrid } from '../metrics-grid.ts';
import type { ApplyResult, MetricsUpdate, MetricsWatermark, RecentEvent } from '../metrics-store.ts';
import { messageStart } from './changes.ts';
import { encodeEntry } from './journal.ts';
import { isSameWatermark, type Keys } from './keys.ts';
import type { RedisLink } from './link.ts';
import type { PartitionState, Partitions } from './partitions.ts';
import { applyScript, runScript } from './scripts.ts';
import { type StepValue, stepValues, totalsValue, type Value, withTypesOf } from './values.ts';

export interface Applying {
  readonly link: Pick<RedisLink, 'send'>;
  readonly keys: Keys;
  readonly partitions: Partitions;
  readonly now: () => number;
}

/** Takes an update in one round trip, where this process knows the partition as of the update before. */
export function applyUpdate(applying: Applying, update: MetricsUpdate): Promise<ApplyResult> {
  const { partitions } = applying;
  const { partition, previousToken, watermark } = update;
  return partitions.inTurn(partition, async () => {
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      let state = partitions.get(partition);
      if (state?.watermark.commitToken !== previousToken) state = await partitions.follow(partition);
      if (state === undefined) return 'diverged';
      if (isSameWatermark(state.watermark, watermark)) return 'already_applied';
      if (state.watermark.commitToken !== previousToken) return 'diverged';
      const result = await applyTo(applying, state, update);
      if (result !== 'generation') return result;
      // Rebuilt by another process: what the values were worked out from is no longer what counts.
      partitions.forget(partition);
    }
    return 'diverged';
  });
}

/** How often a partition may be rebuilt under an update before its own rebuild decides. */
const attemptsMax = 3;

async function applyTo(
  { link, keys, partitions, now }: Applying,
  state: PartitionState,
  update: MetricsUpdate,
): Promise<ApplyResult | 'generation'> {
  const { partition, delta } = update;
  const of = keys.generation(partition, state.generation);
  const at = now();
  const change = createMetricsGrid(state.grid.types);
  change.add(delta);
  const types = withTypesOf(state.types, change);
  const steps = stepValues(of, types, change, state.grid, at);
  const values: Value[] = [...steps];
  if (delta.counts.length > 0) values.push(totalsValue(of, types, [state.grid, change]));

  const events = newest(update.recent, eventsMax(performance.now() - state.publishedAt));
  if (events.length > 0) state.publishedAt = performance.now();

  const [outcome, detail] = (await runScript(
    link,
    applyScript,
    [keys.head(partition), keys.recent(partition), of.types, of.journal, of.steps, ...values.map(({ key }) => key)],
    [
      ...[state.generation, update.previousToken, ...watermarkArguments(update.watermark), String(at)],
      ...[encodeEntry(update), ...bounds, keys.channel, messageStart(partition, update.watermark)],
      ...listArguments(types.names, state.types.names.length, steps, events),
      ...values.flatMap(({ value, expiresAt }) => [
        String(value.length),
        expiresAt === null ? '0' : String(expiresAt - at),
      ]),
      // In one piece: every buffer is a write of its own to the socket.
      Buffer.concat(values.map(({ value }) => value)),
    ],
  )) as readonly [ApplyResult | 'generation' | 'broken', string];
  if (outcome === 'broken') {
    partitions.forget(partition);
    throw new UnavailableError('metrics_unavailable', `Redis could not count partition ${partition}: ${detail}`);
  }
  if (outcome === 'applied') partitions.advance(partition, state, { change, types, watermark: update.watermark });
  return outcome;
}

const bounds = [
  limits.metricsJournalEntriesMax,
  limits.metricsJournalBytesMax,
  limits.recentEventsKept,
  limits.metricsRecentBytesMax,
].map(String);

function watermarkArguments({ logNo, nextOffset, commitToken }: MetricsWatermark): string[] {
  return [String(logNo), String(nextOffset), commitToken];
}

/** How many there are of what is new, then they themselves. */
function listArguments(
  types: readonly string[],
  knownTypes: number,
  steps: readonly StepValue[],
  events: readonly PublishedEvent[],
): string[] {
  const newTypes = types.slice(knownTypes).map((name, index) => [name, String(knownTypes + index)] as const);
  const newSteps = steps.filter(({ isNew }) => isNew).map(({ name, expiresAt }) => [String(expiresAt), name] as const);
  return [
    ...[newTypes, newSteps, events].map(({ length }) => String(length)),
    ...newTypes.flat(),
    ...newSteps.flat(),
    ...events.flat(),
  ];
}

type PublishedEvent = readonly [receivedAt: string, json: string];

/** More than the live stream shows in a tick need not be sent, to all processes, again and again. */
function eventsMax(sinceLastMs: number): number {
  const perTick = limits.liveEventsPerTick * (sinceLastMs / limits.recentEveryMs);
  return Math.max(limits.metricsPublishedEventsMin, Math.min(limits.liveEventsPerTick, Math.ceil(perTick)));
}

function newest(recent: readonly RecentEvent[], eventsMost: number): PublishedEvent[] {
  let bytes = 0;
  const texts: PublishedEvent[] = [];
  const byTime = recent.toSorted((a, b) => b.receivedAt - a.receivedAt);
  for (const event of byTime.slice(0, eventsMost)) {
    const text = JSON.stringify(event);
    bytes += Buffer.byteLength(text);
    if (texts.length > 0 && bytes > limits.metricsPublishedBytesMax) break;
    texts.push([String(event.receivedAt), text]);
  }
  return texts;
}
