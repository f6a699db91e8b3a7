import { createRecordsBatch } from '@platformatic/kafka';
import { describe, expect, it } from 'vitest';
import { limits } from '../../../domain/limits.ts';
import type { LogRecord } from '../../log-record.ts';
import { batchHeaderBytes, checksum, encodeBatch } from './encode-batch.ts';
import { type Fetched, type FetchedRecords, readFetched } from './fetched.ts';

const transactional = 1 << 4;
const control = 1 << 5;

interface BatchOf {
  readonly at: number;
  readonly producerId?: bigint;
  readonly attributes?: number;
  readonly key?: Buffer;
  readonly timestamp?: number;
}

function batchOf(
  texts: readonly string[],
  { at, producerId, attributes = 0, key, timestamp = 1_000 }: BatchOf,
): Buffer {
  const records = texts.map((text) => ({ value: Buffer.from(text), ...(key === undefined ? {} : { key }) }));
  const bytes = encodeBatch(records, timestamp);
  bytes.writeBigInt64BE(BigInt(at), 0);
  bytes.writeInt16BE(attributes, 21);
  if (producerId !== undefined) bytes.writeBigInt64BE(producerId, 43);
  bytes.writeUInt32BE(checksum(bytes.subarray(21)), 17);
  return bytes;
}

const inTransaction = (texts: readonly string[], at: number, producerId: bigint) =>
  batchOf(texts, { at, producerId, attributes: transactional });

function marker(at: number, producerId: bigint, type: 'abort' | 'commit'): Buffer {
  const key = Buffer.from([0, 0, 0, type === 'abort' ? 0 : 1]);
  return batchOf(['marker'], { at, producerId, attributes: transactional | control, key });
}

function read(
  batches: readonly Buffer[],
  from: number,
  aborted: FetchedRecords['aborted'] = [],
  release?: () => void,
): Fetched {
  const records = Buffer.concat(batches);
  return readFetched({ partition: 3, lastStableOffset: 1_000n, aborted, records }, from, release);
}

/** All of them; they can be taken once. */
function recordsOf({ records }: Fetched): LogRecord[] {
  return records.flatMap((batch) => Array.from({ length: batch.count }, () => batch.take()));
}

const textsOf = (fetched: Fetched) => recordsOf(fetched).map(({ value }) => Buffer.from(value).toString());

describe('what a fetch has brought', () => {
  it('is the records from the offset on, and where to go on', () => {
    const fetched = read([batchOf(['a', 'b', 'c'], { at: 10 }), batchOf(['d'], { at: 13 })], 11);
    expect(fetched.records.map(({ count }) => count)).toEqual([2, 1]);
    expect(
      recordsOf(fetched).map(({ partition, offset, value }) => [partition, offset, Buffer.from(value).toString()]),
    ).toEqual([
      [3, 11, 'b'],
      [3, 12, 'c'],
      [3, 13, 'd'],
    ]);
    expect(fetched).toMatchObject({ nextOffset: 14, end: 1_000 });
    for (const batch of fetched.records) expect(batch).toMatchObject({ count: 0, bytes: 0 });
  });

  it('is nothing where there is nothing', () => {
    expect(read([], 7)).toMatchObject({ records: [], nextOffset: 7, end: 1_000 });
    const nothing = { partition: 0, lastStableOffset: 7n, aborted: [], records: null };
    expect(readFetched(nothing, 7)).toMatchObject({ records: [], nextOffset: 7 });
  });

  it('goes past markers without taking them for records, also a last one', () => {
    const fetched = read([inTransaction(['a'], 0, 5n), marker(1, 5n, 'commit')], 0);
    expect(textsOf(fetched)).toEqual(['a']);
    expect(fetched.nextOffset).toBe(2);
  });

  it('leaves out aborted transactions, several of one producer too, and nothing else', () => {
    const batches = [
      inTransaction(['aborted 1'], 0, 5n),
      inTransaction(['committed by another'], 1, 6n),
      batchOf(['no transaction'], { at: 2 }),
      marker(3, 5n, 'abort'),
      inTransaction(['committed'], 4, 5n),
      marker(5, 5n, 'commit'),
      marker(6, 6n, 'commit'),
      inTransaction(['aborted 2'], 7, 5n),
      inTransaction(['aborted 2 as well'], 8, 5n),
      marker(9, 5n, 'abort'),
      inTransaction(['committed at last'], 10, 5n),
    ];
    const aborted = [
      { producerId: 5n, firstOffset: 7n },
      { producerId: 5n, firstOffset: 0n },
    ];
    const fetched = read(batches, 0, aborted);
    expect(textsOf(fetched)).toEqual(['committed by another', 'no transaction', 'committed', 'committed at last']);
    expect(fetched.nextOffset).toBe(11);
    // One that began before what was asked for, and one whose marker is in the next fetch.
    expect(textsOf(read(batches.slice(8), 8, [{ producerId: 5n, firstOffset: 7n }]))).toEqual(['committed at last']);
    expect(textsOf(read(batches.slice(0, 2), 0, aborted))).toEqual(['committed by another']);
  });

  it('takes no more batches than fill the share of a partition once they are unpacked', () => {
    const value = Buffer.alloc(limits.kafkaPartitionBytesMax / 2);
    const packed = Array.from({ length: 5 }, (_, nth) => {
      const { buffer } = createRecordsBatch([{ topic: 'events', value }], { compression: 'gzip' });
      const batch = Buffer.from(buffer);
      batch.writeBigInt64BE(BigInt(nth), 0);
      return batch;
    });
    const first = read(packed, 0);
    expect(recordsOf(first).map(({ offset }) => offset)).toEqual([0, 1]);
    expect(first.nextOffset).toBe(2);
    expect(recordsOf(read(packed.slice(2), 2)).map(({ offset }) => offset)).toEqual([2, 3]);
  });

  it('says at once that nothing stands in the bytes of the answer, and else leaves that to who takes it', () => {
    const { buffer } = createRecordsBatch([{ topic: 'events', value: Buffer.from('a') }], { compression: 'gzip' });
    const packed = Buffer.from(buffer);
    const released: string[] = [];
    const readAs = (name: string, batches: readonly Buffer[], aborted: FetchedRecords['aborted'] = []) =>
      read(batches, 0, aborted, () => released.push(name));
    readAs('nothing', []).release();
    readAs('aborted', [inTransaction(['a'], 0, 5n)], [{ producerId: 5n, firstOffset: 0n }]).release();
    readAs('packed', [packed]).release();
    expect(released).toEqual(['nothing', 'aborted', 'packed']);
    const plain = readAs('plain', [packed, batchOf(['b'], { at: 1 })]);
    expect(released).toHaveLength(3);
    plain.release();
    expect(released).toEqual(['nothing', 'aborted', 'packed', 'plain']);
  });

  it('has no bytes where a record has no value', () => {
    const batch = batchOf(['', 'behind'], { at: 0 });
    // Behind length, attributes, two deltas and the length of no key: −1, zigzag-encoded.
    batch[batchHeaderBytes + 5] = 1;
    batch.writeUInt32BE(checksum(batch.subarray(21)), 17);
    const [none, behind] = recordsOf(read([batch], 0));
    expect(none!.end - none!.start).toBe(0);
    expect(Buffer.from(behind!.value).toString()).toBe('behind');
  });

  it('does not believe a time that can not be', () => {
    const before = Date.now();
    const [future, none] = recordsOf(
      read([batchOf(['future'], { at: 0, timestamp: 2 ** 52 }), batchOf(['none'], { at: 1, timestamp: -1 })], 0),
    );
    expect(future!.timestamp).toBeGreaterThanOrEqual(before);
    expect(future!.timestamp).toBeLessThanOrEqual(Date.now());
    expect(none!.timestamp).toBe(0);
  });

  it('says which offset of which partition can not be read, once nothing lies before it', () => {
    const damaged = batchOf(['a'], { at: 5 });
    damaged[damaged.length - 2]! ^= 1;
    expect(() => read([damaged], 5)).toThrow(expect.objectContaining({ name: 'DamagedError', partition: 3, from: 5 }));
    expect(() => read([damaged], 5)).toThrow(
      "Partition 3: the record at offset 5 can't be read, Kafka sends a record batch whose checksum differs.",
    );
    const before = read([batchOf(['x', 'y'], { at: 3 }), damaged, batchOf(['z'], { at: 6 })], 4);
    expect(textsOf(before)).toEqual(['y']);
    expect(before.nextOffset).toBe(5);
  });
});
