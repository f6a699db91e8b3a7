import { crc32 } from 'node:zlib';
import type { AppendedAt, RecordToAppend } from '../event-log.ts';

/**
 * The bytes of the embedded log. A segment file is a header, then one group for each append, one after another:
 *
 *   segment   header, padded to whole pages of 4 KiB │ the same once more │ group │ group │ … │ zeros
 *   group     32 bytes of header │ record batches, or where the partitions start and end
 *   batch     32 bytes of header │ the length of each record │ the records      (records of one append and partition)
 *
 * Every header and every batch carries a CRC-32. A group's header also carries its segment's salt and a number that
 * goes up by one: so neither what is left over from an append that failed, nor bytes that a client chose, pass for a
 * group. Numbers are big-endian; offsets and times are doubles, which hold whole numbers up to 2^53.
 */
export interface SegmentHeader {
  readonly logId: string;
  /** Segments are numbered from 1, without a gap. */
  readonly number: number;
  /** So many bytes of the segment before count: behind them may be what an append that failed has left. */
  readonly previousBytes: number;
  /** Number of the first group. */
  readonly sequence: number;
  readonly salt: Buffer;
  /** Of each partition, as they were when the segment was begun. */
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  /** Where the first group begins: behind the header's copies. */
  readonly groupsAt: number;
}

export interface GroupHeader {
  readonly bytes: number;
  readonly sequence: number;
  /** A group without batches tells where the partitions start and end. */
  readonly batches: number;
}

export interface BatchHeader {
  readonly bytes: number;
  readonly partition: number;
  readonly count: number;
  /** Offset of the first record. */
  readonly base: number;
}

export interface RecordBatch extends BatchHeader {
  readonly timestamp: number;
  /** All of the batch, as it was given. */
  readonly whole: Buffer;
  /** Where the records' values begin in it, and one more: where the last one ends. */
  readonly valuesAt: readonly number[];
}

/** Where a group's records go, and their bytes. */
export interface EncodedGroup {
  readonly bytes: Buffer;
  readonly positions: readonly AppendedAt[];
  /** Of all partitions, after the group. */
  readonly ends: readonly number[];
}

const magic = Buffer.from('ESPLOG\0');
/** How often the header stands there. A rotten byte in the only one would take all groups of the segment with it. */
const copies = 2;
const copiesAt = magic.length;
const fixedHeaderBytes = 72;
export const pageBytes = 4096;
const logIdBytes = 16;
export const saltBytes = 8;

const groupMagic = 0x45535047;
export const groupHeaderBytes = 32;
export const batchHeaderBytes = 32;
export const lengthBytes = 4;
export const offsetBytes = 8;

/** Of one copy. */
export function segmentHeaderBytes(partitions: number): number {
  return Math.ceil((fixedHeaderBytes + partitions * 2 * offsetBytes) / pageBytes) * pageBytes;
}

/** Where the first group of a new segment begins. */
export function newGroupsAt(partitions: number): number {
  return copies * segmentHeaderBytes(partitions);
}

/** All copies. */
export function encodeSegmentHeader(header: Omit<SegmentHeader, 'groupsAt'>): Buffer {
  const partitions = header.ends.length;
  const bytes = Buffer.alloc(segmentHeaderBytes(partitions));
  magic.copy(bytes, 0);
  bytes[copiesAt] = copies;
  bytes.writeUInt32BE(bytes.length, 12);
  bytes.writeUInt32BE(partitions, 16);
  bytes.write(header.logId.replaceAll('-', ''), 20, logIdBytes, 'hex');
  bytes.writeDoubleBE(header.number, 36);
  bytes.writeDoubleBE(header.previousBytes, 44);
  bytes.writeDoubleBE(header.sequence, 52);
  header.salt.copy(bytes, 60, 0, saltBytes);
  writeOffsets(bytes, fixedHeaderBytes, header.starts);
  writeOffsets(bytes, fixedHeaderBytes + partitions * offsetBytes, header.ends);
  bytes.writeUInt32BE(headerChecksum(bytes), 8);
  return Buffer.concat(new Array<Buffer>(copies).fill(bytes));
}

/** The number of copies lies in front of it, so it goes in by itself. A first version had one copy, and left it out. */
function headerChecksum(copy: Buffer): number {
  return crc32(copy.subarray(12), copy[copiesAt]! - 1);
}

/** How long a copy of the header is, from its first page; null for bytes that are not one of this format. */
export function segmentHeaderBytesOf(page: Buffer): number | null {
  if (page.length < fixedHeaderBytes || !page.subarray(0, magic.length).equals(magic)) return null;
  const count = page[copiesAt]!;
  return count >= 1 && count <= copies ? page.readUInt32BE(12) : null;
}

/** @param bytes one copy. Null for bytes that are not what `encodeSegmentHeader` wrote. */
export function decodeSegmentHeader(bytes: Buffer): SegmentHeader | null {
  if (segmentHeaderBytesOf(bytes) !== bytes.length || headerChecksum(bytes) !== bytes.readUInt32BE(8)) return null;
  const partitions = bytes.readUInt32BE(16);
  const hex = bytes.toString('hex', 20, 20 + logIdBytes);
  return {
    logId: hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
    number: bytes.readDoubleBE(36),
    previousBytes: bytes.readDoubleBE(44),
    sequence: bytes.readDoubleBE(52),
    salt: Buffer.from(bytes.subarray(60, 60 + saltBytes)),
    starts: readOffsets(bytes, fixedHeaderBytes, partitions),
    ends: readOffsets(bytes, fixedHeaderBytes + partitions * offsetBytes, partitions),
    groupsAt: bytes.length * bytes[copiesAt]!,
  };
}

export interface GroupPlace {
  readonly salt: Buffer;
  readonly sequence: number;
}

interface PlannedBatch {
  readonly partition: number;
  readonly base: number;
  count: number;
  bytes: number;
  at: number;
  lengthAt: number;
  valueAt: number;
}

/**
 * Places every record behind its partition's end. Records of one partition stand together, in batches of at most
 * `batchBytesMax`; a larger record stands alone.
 *
 * @param room gives the bytes to write to, which need not be zeros
 */
export function encodeGroup(
  records: readonly RecordToAppend[],
  { salt, sequence }: GroupPlace,
  ends: readonly number[],
  timestamp: number,
  batchBytesMax: number,
  room: (bytes: number) => Buffer,
): EncodedGroup {
  const { batches, batchOf, positions, nextEnds } = planBatches(records, ends, batchBytesMax);
  let total = groupHeaderBytes;
  for (const batch of batches) {
    batch.at = total;
    batch.lengthAt = total + batchHeaderBytes;
    batch.valueAt = batch.lengthAt + batch.count * lengthBytes;
    total += batch.bytes;
  }
  const bytes = room(total);
  for (let index = 0; index < records.length; index += 1) {
    const { value } = records[index]!;
    const batch = batchOf[index]!;
    bytes.writeUInt32BE(value.length, batch.lengthAt);
    bytes.set(value, batch.valueAt);
    batch.lengthAt += lengthBytes;
    batch.valueAt += value.length;
  }
  for (const batch of batches) writeBatchHeader(bytes, batch, timestamp);
  writeGroupHeader(bytes, { bytes: total, sequence, batches: batches.length }, salt);
  return { bytes, positions, ends: nextEnds };
}

function planBatches(records: readonly RecordToAppend[], ends: readonly number[], batchBytesMax: number) {
  const nextEnds = [...ends];
  const positions = new Array<AppendedAt>(records.length);
  const batchOf = new Array<PlannedBatch>(records.length);
  const batches: PlannedBatch[] = [];
  const open = new Array<PlannedBatch | undefined>(ends.length);
  for (let index = 0; index < records.length; index += 1) {
    const { partition, value } = records[index]!;
    const added = lengthBytes + value.length;
    const offset = nextEnds[partition]!;
    let batch = open[partition];
    if (batch === undefined || batch.bytes + added > batchBytesMax) {
      batch = { partition, base: offset, count: 0, bytes: batchHeaderBytes, at: 0, lengthAt: 0, valueAt: 0 };
      open[partition] = batch;
      batches.push(batch);
    }
    batch.count += 1;
    batch.bytes += added;
    batchOf[index] = batch;
    positions[index] = { partition, offset };
    nextEnds[partition] = offset + 1;
  }
  return { batches, batchOf, positions, nextEnds };
}

function writeBatchHeader(bytes: Buffer, { at, ...batch }: PlannedBatch, timestamp: number): void {
  bytes.writeUInt32BE(batch.bytes, at + 4);
  bytes.writeUInt32BE(batch.partition, at + 8);
  bytes.writeUInt32BE(batch.count, at + 12);
  bytes.writeDoubleBE(batch.base, at + 16);
  bytes.writeDoubleBE(timestamp, at + 24);
  bytes.writeUInt32BE(crc32(bytes.subarray(at + 4, at + batch.bytes)), at);
}

export function writeGroupHeader(bytes: Buffer, header: GroupHeader, salt: Buffer): void {
  bytes.writeUInt32BE(groupMagic, 0);
  bytes.writeUInt32BE(header.bytes, 8);
  bytes.writeUInt32BE(header.batches, 12);
  bytes.writeDoubleBE(header.sequence, 16);
  salt.copy(bytes, 24, 0, saltBytes);
  bytes.writeUInt32BE(crc32(bytes.subarray(8, groupHeaderBytes)), 4);
}

/** The group of this segment that begins at `at`; null where none does. */
export function decodeGroupHeader(bytes: Buffer, at: number, salt: Buffer): GroupHeader | null {
  if (at + groupHeaderBytes > bytes.length || bytes.readUInt32BE(at) !== groupMagic) return null;
  const checked = bytes.subarray(at + 8, at + groupHeaderBytes);
  if (crc32(checked) !== bytes.readUInt32BE(at + 4) || salt.compare(checked, 16, 16 + saltBytes) !== 0) return null;
  return { bytes: checked.readUInt32BE(0), batches: checked.readUInt32BE(4), sequence: checked.readDoubleBE(8) };
}

/** Where the next group could begin, from `at` on; −1 where none does. */
export function findGroupMagic(bytes: Buffer, at: number): number {
  return bytes.indexOf(groupMagicBytes, at);
}

const groupMagicBytes = Buffer.from('ESPG');

/** Not checked: a batch's own checksum is looked at when its records are read. */
export function readBatchHeader(bytes: Buffer, at: number): BatchHeader {
  return {
    bytes: bytes.readUInt32BE(at + 4),
    partition: bytes.readUInt32BE(at + 8),
    count: bytes.readUInt32BE(at + 12),
    base: bytes.readDoubleBE(at + 16),
  };
}

export interface GroupVisitor {
  /** A batch that is sound, and where in the group it begins. */
  onBatch(batch: BatchHeader, at: number): void;
  /** Bytes that are no sound batch; `told` is what they say of themselves, where their length can be believed. */
  onDamage(at: number, bytes: number, told: BatchHeader | null): void;
}

/**
 * Goes through the batches of a group, whether or not they, or the group's header, are sound. Behind one that is
 * damaged it goes on where its length can be believed: a sound batch follows there, or lengths lead from there to the
 * group's very end.
 */
export function visitBatches(group: Buffer, { onBatch, onDamage }: GroupVisitor): void {
  for (let at = groupHeaderBytes; at < group.length; ) {
    const header = batchHeaderAt(group, at);
    if (header !== null && isSoundBatch(group.subarray(at, at + header.bytes))) {
      onBatch(header, at);
      at += header.bytes;
      continue;
    }
    const told = believedHeaderAt(group, at);
    const bytes = told?.bytes ?? group.length - at;
    onDamage(at, bytes, told);
    at += bytes;
  }
}

/** By its own length, or by what its records' lengths come to. */
function believedHeaderAt(group: Buffer, at: number): BatchHeader | null {
  if (at + batchHeaderBytes > group.length) return null;
  const header = readBatchHeader(group, at);
  for (const bytes of [header.bytes, bytesByRecords(group.subarray(at))]) {
    const end = at + bytes;
    if (bytes < batchHeaderBytes || end > group.length) continue;
    if (leadsToEnd(group, end) || isSoundBatchAt(group, end)) return { ...header, bytes };
  }
  return null;
}

/** Null where no batch can be that lies in the group. */
function batchHeaderAt(group: Buffer, at: number): BatchHeader | null {
  if (at + batchHeaderBytes > group.length) return null;
  const header = readBatchHeader(group, at);
  return header.bytes >= batchHeaderBytes && at + header.bytes <= group.length ? header : null;
}

function isSoundBatchAt(group: Buffer, at: number): boolean {
  const header = batchHeaderAt(group, at);
  return header !== null && isSoundBatch(group.subarray(at, at + header.bytes));
}

function leadsToEnd(group: Buffer, from: number): boolean {
  let at = from;
  for (let header = batchHeaderAt(group, at); header !== null; header = batchHeaderAt(group, at)) at += header.bytes;
  return at === group.length;
}

/** Whether the lengths of a batch's records add up to its own: then its number of records can be believed. */
export function lengthsAddUp(batch: Buffer): boolean {
  return bytesByRecords(batch) === batch.length;
}

/** How long the batch is by its number of records and their lengths; 0 where these are not all there. */
function bytesByRecords(batch: Buffer): number {
  const { count } = readBatchHeader(batch, 0);
  let total = batchHeaderBytes + count * lengthBytes;
  if (total > batch.length) return 0;
  for (let nth = 0; nth < count; nth += 1) total += batch.readUInt32BE(batchHeaderBytes + nth * lengthBytes);
  return total;
}

/** No more than so many records can lie in so many bytes. */
export function recordsMax(bytes: number): number {
  return Math.max(0, Math.floor((bytes - batchHeaderBytes) / lengthBytes));
}

/** Whether these bytes are a whole batch as it was written. */
function isSoundBatch(bytes: Buffer): boolean {
  return bytes.length >= batchHeaderBytes && crc32(bytes.subarray(4)) === bytes.readUInt32BE(0);
}

/** Null for bytes that are not a whole batch as it was written. Copies nothing. */
export function decodeBatch(bytes: Buffer): RecordBatch | null {
  if (!isSoundBatch(bytes)) return null;
  const header = readBatchHeader(bytes, 0);
  let valueAt = batchHeaderBytes + header.count * lengthBytes;
  const valuesAt = [valueAt];
  for (let nth = 0; nth < header.count; nth += 1) {
    valueAt += bytes.readUInt32BE(batchHeaderBytes + nth * lengthBytes);
    valuesAt.push(valueAt);
  }
  return { ...header, timestamp: bytes.readDoubleBE(24), whole: bytes, valuesAt };
}

export function writeOffsets(bytes: Buffer, at: number, offsets: readonly number[]): void {
  for (const [index, offset] of offsets.entries()) bytes.writeDoubleBE(offset, at + index * offsetBytes);
}

export function readOffsets(bytes: Buffer, at: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => bytes.readDoubleBE(at + index * offsetBytes));
}
