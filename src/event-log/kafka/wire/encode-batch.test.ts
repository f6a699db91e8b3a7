import { crc32c, Reader, type RecordsBatch, readRecordsBatches } from '@platformatic/kafka';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../../testing/random.ts';
import { batchHeaderBytes, encodeBatch, encodedRecordBytes, type RecordToEncode } from './encode-batch.ts';

const timestamp = Date.UTC(2026, 1, 3, 4, 5, 6, 789);

/** The client library reads it: another's understanding of the format. */
function readByLibrary(bytes: Buffer): RecordsBatch {
  const [batch, ...others] = readRecordsBatches(Reader.from(Buffer.from(bytes)));
  expect(others).toEqual([]);
  return batch!;
}

describe('encoding a batch', () => {
  it('writes what the client library reads', () => {
    const records: RecordToEncode[] = [
      { value: Buffer.from('no key, no headers') },
      { value: Buffer.alloc(0), key: Buffer.from('key') },
      {
        value: Buffer.from('ünïcode'),
        key: Buffer.alloc(0),
        headers: [[Buffer.from('reason'), Buffer.from('conflict')]],
      },
      { value: Buffer.alloc(70_000, 'x'), key: null },
    ];
    const batch = readByLibrary(encodeBatch(records, timestamp));
    expect(batch).toMatchObject({ firstOffset: 0n, magic: 2, attributes: 0, lastOffsetDelta: 3, producerId: -1n });
    expect([batch.firstTimestamp, batch.maxTimestamp]).toEqual([BigInt(timestamp), BigInt(timestamp)]);
    expect(batch.records.map(({ offsetDelta }) => offsetDelta)).toEqual([0, 1, 2, 3]);
    expect(batch.records.map(({ value }) => value)).toEqual(records.map(({ value }) => value));
    expect(batch.records.map(({ key }) => key?.toString() ?? null)).toEqual([null, 'key', '', null]);
    expect(batch.records[2]!.headers.map((pair) => pair.map(String))).toEqual([['reason', 'conflict']]);
  });

  it('states the length and the checksum of what it wrote', () => {
    const bytes = encodeBatch([{ value: Buffer.from('one') }, { value: Buffer.from('two') }], timestamp);
    expect(bytes.readInt32BE(8)).toBe(bytes.length - 12);
    expect(bytes.readUInt32BE(17)).toBe(crc32c(bytes.subarray(21)));
  });

  it('never takes more than was reckoned, whatever the sizes', () => {
    const random = createRandom(7);
    for (let round = 0; round < 200; round += 1) {
      const bytes = (max: number) => Buffer.alloc(Math.floor(random.next() ** 3 * max), 'b');
      const records: RecordToEncode[] = Array.from({ length: 1 + random.below(150) }, () => ({
        value: bytes(20_000),
        key: random.next() < 0.5 ? null : bytes(300),
        headers: Array.from({ length: random.below(3) }, () => [bytes(50), bytes(500)] as const),
      }));
      const encoded = encodeBatch(records, timestamp);
      const reckoned = batchHeaderBytes + records.reduce((sum, record) => sum + encodedRecordBytes(record), 0);
      expect(encoded.length).toBeLessThanOrEqual(reckoned);
      const read = readByLibrary(encoded).records;
      expect(read.map(({ value }) => value?.length)).toEqual(records.map(({ value }) => value.length));
      expect(read.map(({ headers }) => headers.length)).toEqual(records.map(({ headers }) => headers!.length));
    }
  });
});
