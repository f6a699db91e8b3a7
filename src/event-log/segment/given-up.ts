import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { OffsetRange } from '../../domain/event.ts';
import type { DamagedError } from '../../domain/failure.ts';
import { givenUpName, writeWhole } from './files.ts';

/**
 * What an operator has given up of a log: offsets at which damage is passed over, and counted as lost, where else it
 * would halt the partition. It is a file beside the segments, for a segment is never written to again. A record that
 * can be read is given out all the same, whatever stands here.
 */
export interface GivenUp {
  readonly ranges: readonly OffsetRange[];
  /** One past the last offset that was given up together with this one; null where it was not. */
  endAt(partition: number, offset: number): number | null;
  add(ranges: readonly OffsetRange[]): void;
}

export function createGivenUp(known: readonly OffsetRange[] = []): GivenUp {
  const ranges = [...known];
  return {
    ranges,
    endAt(partition, offset) {
      const range = ranges.find((range) => range.partition === partition && range.from <= offset && offset < range.to);
      return range?.to ?? null;
    },
    add(more) {
      ranges.push(...more);
    },
  };
}

/** How far damage may be passed over that was met at this offset; null where it must halt. */
export function endOfGivenUp(givenUp: GivenUp, { partition, to }: DamagedError, offset: number): number | null {
  const end = givenUp.endAt(partition, offset);
  return end === null ? null : Math.min(end, to);
}

interface GivenUpFile {
  readonly log_id: string;
  readonly given_up: readonly OffsetRange[];
}

/** Null for a file that is damaged, or of another log: then nothing is given up, and damage halts. */
export async function readGivenUp(directory: string, logId: string): Promise<readonly OffsetRange[] | null> {
  const file = await open(join(directory, givenUpName), 'r');
  try {
    return parse((await file.readFile()).toString(), logId);
  } finally {
    await file.close();
  }
}

function parse(text: string, logId: string): readonly OffsetRange[] | null {
  try {
    const { log_id, given_up } = JSON.parse(text) as GivenUpFile;
    return log_id === logId && given_up.every(isRange) ? given_up : null;
  } catch {
    return null;
  }
}

function isRange({ partition, from, to }: OffsetRange): boolean {
  return [partition, from, to].every((number) => Number.isSafeInteger(number) && number >= 0) && from < to;
}

/** Durable when it resolves. */
export async function writeGivenUp(directory: string, logId: string, ranges: readonly OffsetRange[]): Promise<void> {
  const content: GivenUpFile = { log_id: logId, given_up: ranges };
  await writeWhole(directory, givenUpName, Buffer.from(`${JSON.stringify(content)}\n`));
}
