import { UnavailableError } from '../domain/failure.ts';
import type { AppendedAt, LogReader } from '../event-log/event-log.ts';
import { boundsOf, textOf } from './event-log.contract.harness.ts';

/**
 * What a log may be held to, whatever its disk does: it knows what was answered and what was shown, and nothing of
 * files.
 */
export interface LogModel {
  /** Answers the number of the call. */
  appending(texts: readonly string[]): number;
  /** Texts of earlier calls, which were not answered then, must not show up from now on. */
  appended(call: number, positions: readonly AppendedAt[], texts: readonly string[]): void;
  trimming(partition: number, below: number): void;
  trimmed(partition: number, below: number): void;
  /** Reads everything there is. `isNew`: whoever it belongs to has just been started. */
  check(log: LogReader, isNew: boolean): Promise<void>;
  /** Reads one record, while anything else goes on. */
  peek(log: LogReader, partition: number, share: number): Promise<void>;
}

export function createLogModel(partitions: number): LogModel {
  /** By partition and offset. */
  const known = Array.from({ length: partitions }, () => [] as (string | undefined)[]);
  const starts = new Array<number>(partitions).fill(0);
  const startsAtMost = new Array<number>(partitions).fill(0);
  const ends = new Array<number>(partitions).fill(0);
  /** Of appends that were not answered: they may be in the log, but once. */
  const unsure = new Map<string, number>();
  const answered = new Set<string>();
  let calls = 0;
  let logId: string | null = null;

  function fail(message: string): never {
    throw new Error(message);
  }

  function learn(partition: number, offset: number, text: string | null): void {
    const place = `partition ${partition} offset ${offset}`;
    if (text === null) fail(`${place} is gone: ${known[partition]![offset] ?? 'of an append that was not answered'}`);
    const before = known[partition]![offset];
    if (before !== undefined) {
      if (before !== text) fail(`${place} was ${before} and is ${text} now`);
      return;
    }
    if (!unsure.delete(text)) fail(`${place} shows ${text}, which was given up or has another place`);
    known[partition]![offset] = text;
  }

  return {
    appending(texts) {
      calls += 1;
      for (const text of texts) unsure.set(text, calls);
      return calls;
    },
    appended(call, positions, texts) {
      for (const [index, { partition, offset }] of positions.entries()) {
        const place = `${partition} ${offset}`;
        if (answered.has(place)) fail(`partition ${partition} offset ${offset} was given twice`);
        answered.add(place);
        learn(partition, offset, texts[index]!);
        ends[partition] = Math.max(ends[partition]!, offset + 1);
      }
      for (const [text, madeBy] of unsure) if (madeBy < call) unsure.delete(text);
    },
    trimming(partition, below) {
      startsAtMost[partition] = Math.max(startsAtMost[partition]!, below);
    },
    trimmed(partition, below) {
      starts[partition] = Math.max(starts[partition]!, Math.min(below, ends[partition]!));
    },
    async check(log, isNew) {
      const description = await log.describe();
      logId ??= description.logId;
      if (description.logId !== logId) fail('it is another log');
      for (const { partition, start, end } of description.partitions) {
        if (start < starts[partition]!)
          fail(`partition ${partition} starts at ${start} again, it was trimmed to ${starts[partition]}`);
        if (start > startsAtMost[partition]!)
          fail(`partition ${partition} starts at ${start}, it was trimmed to ${startsAtMost[partition]}`);
        if (end < ends[partition]!) fail(`partition ${partition} ends at ${end}, it has ended at ${ends[partition]}`);
        if (!isNew && end > ends[partition]!)
          fail(`partition ${partition} ends at ${end}, ${ends[partition]} were answered`);
        for (let offset = start; offset < end; offset += 1)
          learn(partition, offset, textOf(await log.recordAt(partition, offset)));
        ends[partition] = end;
      }
      // What a start has not found must not turn up later.
      if (isNew) unsure.clear();
    },
    async peek(log, partition, share) {
      const { start, end } = await boundsOf(log, partition);
      const offset = start + Math.floor((end - start) * share);
      if (end < ends[partition]!) fail(`partition ${partition} ends at ${end}, it has ended at ${ends[partition]}`);
      ends[partition] = end;
      if (offset >= end) return;
      try {
        const text = textOf(await log.recordAt(partition, offset));
        if (text === null && (await boundsOf(log, partition)).start > offset) return;
        learn(partition, offset, text);
      } catch (error) {
        // A fault of this one read; damage there is none.
        if (!(error instanceof UnavailableError) || error.code !== 'log_unavailable') throw error;
      }
    },
  };
}
