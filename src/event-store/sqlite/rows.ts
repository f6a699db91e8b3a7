import type { DatabaseSync } from 'node:sqlite';
import type { StoredEvent } from '../../domain/event.ts';
import { type CurrentLog, type EventFields, storedEventOf } from '../rows.ts';
import { firstRow } from './connection.ts';

/** Of each character of ASCII its value as a hexadecimal digit; 16 where it is none. */
const digitValues = Uint8Array.from({ length: 128 }, (_, code) => {
  const value = Number.parseInt(String.fromCharCode(code), 16);
  return Number.isNaN(value) ? 16 : value;
});
/** Where the two digits of each byte stand in a UUID. */
const digitPlaces = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
const dash = 0x2d;

export const idLength = 16;

const noBytes = new Uint8Array(0);

/** A UUID as its 16 bytes; anything else as none, which no row has. */
export function idToBytes(id: string): Uint8Array {
  return writeIdBytes(new Uint8Array(idLength), id);
}

/**
 * Writes the bytes of a UUID into `buffer`, and returns that; for anything else returns an array without any. A buffer
 * may be used again once the statement has run: a new array that is bound to one is allocated and freed outside of
 * JavaScript's heap, which took the worker 4 % of its time.
 *
 * By hand, at a quarter of what Buffer takes for it, since every event needs it twice.
 */
export function writeIdBytes(buffer: Uint8Array, id: string): Uint8Array {
  let odd = (id.charCodeAt(8) ^ dash) | (id.charCodeAt(13) ^ dash) | (id.charCodeAt(18) ^ dash);
  odd |= (id.charCodeAt(23) ^ dash) | (id.length ^ 36);
  for (let index = 0; index < idLength; index++) {
    const high = id.charCodeAt(digitPlaces[index]!);
    const low = id.charCodeAt(digitPlaces[index]! + 1);
    const value = (digitValues[high & 0x7f]! << 4) | digitValues[low & 0x7f]!;
    odd |= (high | low) >> 7;
    odd |= (digitValues[high & 0x7f]! | digitValues[low & 0x7f]!) >> 4;
    buffer[index] = value;
  }
  return odd === 0 ? buffer : noBytes;
}

export function bytesToId(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

export const eventColumns =
  'row_no, id, log_no, partition, log_offset, received_at, stored_at, counted_as_other, event_type, client_id, source, ' +
  'key, occurred_at, redrive_of, content_hash, payload';

export interface EventRow extends EventFields {
  readonly row_no: number;
  readonly id: Uint8Array;
  readonly counted_as_other: number;
}

export function toStoredEvent(row: EventRow): StoredEvent {
  return storedEventOf(row, bytesToId(row.id), row.counted_as_other === 1);
}

/** Answers the log that was adopted last, or null before the first claim. */
export function createCurrentLog(db: DatabaseSync): () => CurrentLog | null {
  const select = db.prepare('SELECT log_no, log_id FROM logs ORDER BY log_no DESC LIMIT 1');
  return () => firstRow<CurrentLog>(select);
}
