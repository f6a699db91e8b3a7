import { randomBytes } from 'node:crypto';
import type { MetricsWatermark } from '../metrics-store.ts';

/**
 * What is kept in Redis, of each partition under one hash tag, so that a cluster keeps it on one node:
 *
 *   {prefix:P}:head      the generation that counts, its watermark, and how many updates it has taken
 *   {prefix:P}:recent    the newest events, by received_at
 *   {prefix:P}:G:…       a generation: what one rebuild wrote and updates have added to since
 *     types     event type → number
 *     totals    by type: stored, duplicate, failed
 *     journal   the newest updates, for readers to catch up by
 *     steps     every step there is, by the time it expires
 *     L:S       step S of length L (both in seconds): counts, latencies, and stored by type
 *
 * and under keys of their own
 *   prefix:partitions    the numbers of all partitions
 *   prefix:changes       the channel of live updates
 */
export function createKeys(prefix: string) {
  const partitionKey = (partition: number) => `{${prefix}:${partition}}`;
  return {
    partitions: `${prefix}:partitions`,
    channel: `${prefix}:changes`,
    head: (partition: number) => `${partitionKey(partition)}:head`,
    recent: (partition: number) => `${partitionKey(partition)}:recent`,
    generation(partition: number, generation: string) {
      const base = `${partitionKey(partition)}:${generation}`;
      return {
        types: `${base}:types`,
        totals: `${base}:totals`,
        journal: `${base}:journal`,
        steps: `${base}:steps`,
        /** @param name as `steps` holds it */
        step: (name: string) => `${base}:${name}`,
      };
    },
  };
}

export type Keys = ReturnType<typeof createKeys>;
export type GenerationKeys = ReturnType<Keys['generation']>;

/** Random, never counted up: a copy of Redis from yesterday must not come to a number that was used since. */
export function freshGeneration(): string {
  return randomBytes(9).toString('base64url');
}

export function stepName(stepMs: number, at: number): string {
  return `${stepMs / 1000}:${at / 1000}`;
}

export function parseStepName(name: string): { readonly stepMs: number; readonly at: number } {
  const [step, at] = name.split(':');
  return { stepMs: Number(step) * 1000, at: Number(at) * 1000 };
}

/**
 * The value of a partition's head, one string that is replaced as a whole. The token comes last: it may hold anything.
 */
export interface Head {
  readonly generation: string;
  /** Updates since the rebuild that made the generation. */
  readonly sequence: number;
  readonly recentBytes: number;
  readonly watermark: MetricsWatermark;
}

/** Null of nothing, and of what no version of this program wrote: then there is nothing to build upon. */
export function parseHead(text: string | null): Head | null {
  const [, generation, sequence, , recentBytes, logNo, nextOffset, commitToken] =
    /^(\S+) (\d+) (\d+) (\d+) (\d+) (\d+) (.*)$/s.exec(text ?? '') ?? [];
  if (generation === undefined || commitToken === undefined) return null;
  return {
    generation,
    sequence: Number(sequence),
    recentBytes: Number(recentBytes),
    watermark: { logNo: Number(logNo), nextOffset: Number(nextOffset), commitToken },
  };
}

export function formatHead(generation: string, recentBytes: number, watermark: MetricsWatermark): string {
  return `${generation} 0 0 ${recentBytes} ${watermark.logNo} ${watermark.nextOffset} ${watermark.commitToken}`;
}

export function isSameWatermark(a: MetricsWatermark, b: MetricsWatermark): boolean {
  return a.logNo === b.logNo && a.nextOffset === b.nextOffset && a.commitToken === b.commitToken;
}

/** The field that keeps the hash of types there while it has none. */
export const noType = '';
