import { eventIdLength, writeNewEventId } from './identity.ts';
import { headAfterId, idAt, recordStart } from './record-codec.ts';
import { bytesPerUnitMax } from './recorded-event.ts';

/** An event as it was read from a request's bytes; one object that is filled anew for each. */
export interface EventToWrite {
  /** Null: a new one, of an event without a source. */
  id: string | null;
  eventType: string;
  clientId: string | null;
  source: string | null;
  key: string | null;
  occurredAt: string | null;
  /** Milliseconds since the epoch. */
  receivedAt: number;
  redriveOf: null;
  /** Where in the bytes the payload stands. */
  payloadStart: number;
  payloadEnd: number;
  /** The payload where it is not taken as it was sent, else null. */
  payloadJson: string | null;
}

/** Where a request's records are written to, one behind another. */
export interface RecordRoom {
  bytes: Buffer;
  used: number;
  /** Bytes of the pieces before this one. */
  filled: number;
  /**
   * By event type, what stands between id and payload, of events with nothing but these and received at one time. Null
   * where there is only one event to write.
   */
  heads: Map<string, Buffer> | null;
}

/**
 * A record holds the whole piece of memory that it stands in: this bounds what one that waits for long may hold of
 * others.
 */
const roomBytesMax = 64 * 1024;
const roomBytesMin = 4 * 1024;
/** Records are about so much longer than the events as they were sent. */
const growth = 1.5;
/** A request may have another type in each event. */
const headsMax = 100;

const start = Buffer.from(recordStart);
const nothing = Buffer.alloc(0);

/** Of one request, whose events have been received at one time. */
export function createRecordRoom(isForMany: boolean): RecordRoom {
  return { bytes: nothing, used: 0, filled: 0, heads: isForMany ? new Map() : null };
}

/**
 * What `encodeRecord` makes of the event, written straight from the request's bytes: strings of its own for each id,
 * record and payload took a fifth of the time of taking in a batch.
 *
 * @returns a view of the room
 */
export function writeRecord(event: EventToWrite, sent: Buffer, room: RecordRoom): Buffer {
  const head = headIn(room, event);
  const { id, payloadStart, payloadEnd, payloadJson } = event;
  const payloadBytes = payloadJson === null ? payloadEnd - payloadStart : Buffer.byteLength(payloadJson);
  const bytesMax = idAt + eventIdLength + head.length * bytesPerUnitMax + payloadBytes + 1;
  if (bytesMax > room.bytes.length - room.used) {
    room.filled += room.used;
    const bytes = roomBytes(room, bytesMax, sent.length - payloadEnd);
    // Of many, in memory of its own, which can be given back.
    room.bytes = room.heads === null ? Buffer.allocUnsafe(bytes) : Buffer.allocUnsafeSlow(bytes);
    room.used = 0;
  }
  const { bytes, used } = room;
  let at = used;
  // Byte by byte: a call into the engine takes longer.
  for (let nth = 0; nth < start.length; nth += 1) bytes[at++] = start[nth]!;
  if (id === null) writeNewEventId(event.receivedAt, bytes, at);
  else bytes.write(id, at, 'latin1');
  at += eventIdLength;
  at += typeof head === 'string' ? bytes.write(head, at) : head.copy(bytes, at);
  at += payloadJson === null ? sent.copy(bytes, at, payloadStart, payloadEnd) : bytes.write(payloadJson, at);
  bytes[at] = 0x7d;
  room.used = at + 1;
  return bytes.subarray(used, at + 1);
}

/** What is taken beyond the record is no more than was filled before: whatever follows may be no events at all. */
function roomBytes({ heads, filled }: RecordRoom, bytesMax: number, bytesLeft: number): number {
  if (heads === null) return bytesMax;
  const expected = bytesMax + Math.ceil(bytesLeft * growth);
  return Math.max(bytesMax, Math.min(roomBytesMax, expected, Math.max(roomBytesMin, filled)));
}

function headIn({ heads }: RecordRoom, event: EventToWrite): string | Buffer {
  const isPlain = event.clientId === null && event.source === null && event.key === null && event.occurredAt === null;
  if (heads === null || !isPlain) return headAfterId(event);
  const known = heads.get(event.eventType);
  if (known !== undefined) return known;
  const made = Buffer.from(headAfterId(event));
  if (heads.size < headsMax) heads.set(event.eventType, made);
  return made;
}
