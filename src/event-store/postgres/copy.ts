import { contentHashBytes } from '../../domain/content.ts';
import type { EventContent } from '../../domain/event.ts';
import { giveBack } from '../../domain/give-back.ts';
import type { InboxEntry } from '../../domain/inbox.ts';
import { bytesPerUnitMax, payloadBytesMax, writePayload } from '../../domain/recorded-event.ts';
import { writeUtf8 } from '../../domain/utf8.ts';
import type { Candidate, CommitRequest, EventsToStore } from '../batch.ts';
import { writeContentHash } from '../recorded-candidate.ts';
import { inboxColumns } from '../rows.ts';
import { eventColumns } from './rows.ts';
import { refuseValue, writeUuid } from './uuid.ts';

/**
 * Rows in the binary form of COPY (PostgreSQL's documentation, COPY, file formats): nothing has to be escaped, and
 * numbers and ids need not be read from text. One buffer for all of them.
 */
export interface CopyData {
  readonly command: string;
  readonly data: Uint8Array;
}

type BatchStamp = Pick<CommitRequest, 'logNo' | 'partition' | 'storedAt'>;

const eventFields = eventColumns.split(', ').length;

/** @throws RejectedByStoreError where a value is none of its column's type */
export function copyOfEvents(
  { logNo, partition, storedAt }: BatchStamp,
  { events, countedAsOther }: EventsToStore,
): CopyData {
  const writer = createCopyWriter(events.length * 512);
  for (const candidate of events) {
    const { event, offset } = candidate;
    writer.beginRow(eventFields);
    writer.uuid(event.id);
    writer.int4(logNo);
    writer.int4(partition);
    writer.int8(offset);
    writer.int8(event.receivedAt);
    writer.int8(storedAt);
    writer.bool(countedAsOther.has(event.eventType));
    writer.text(event.eventType);
    writer.text(event.clientId);
    writer.text(event.source);
    writer.text(event.key);
    writer.text(event.occurredAt);
    writer.text(event.redriveOf);
    writer.contentHash(candidate);
    writer.payload(event);
  }
  return { command: `COPY events (${eventColumns}) FROM STDIN (FORMAT binary)`, data: writer.end() };
}

const inboxFields = inboxColumns.split(', ').length;

export function copyOfInbox(entries: readonly InboxEntry[]): CopyData {
  const writer = createCopyWriter(entries.length * 1_024);
  for (const entry of entries) {
    const { position } = entry;
    writer.beginRow(inboxFields);
    writer.text(entry.id);
    writer.text(entry.consumer);
    writer.int4(position.logNo);
    writer.int4(position.partition);
    writer.int8(position.offset);
    writer.text(entry.state);
    writer.text(entry.code);
    // For a person: it may quote what no text column can hold.
    writer.text(entry.message.replaceAll('\0', '\u{fffd}'));
    writer.int4(entry.attempt);
    writer.text(entry.eventId);
    writer.text(entry.eventType);
    writer.text(entry.key);
    writer.int8(entry.receivedAt);
    writer.int8(entry.failedAt);
    writer.text(entry.countedAs);
    writer.text(entry.jobId);
    writer.jsonb(entry.resolution === null ? null : JSON.stringify(entry.resolution));
    writer.int8(entry.settledAt);
    writer.bytes(entry.value);
  }
  return { command: `COPY inbox (${inboxColumns}) FROM STDIN (FORMAT binary)`, data: writer.end() };
}

/** Signature, flags and the length of an extension that there is none of. */
const head = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const jsonbVersion = 1;
/** Room for what a row has besides texts and bytes: the lengths of its fields, and those of fixed length. */
const fixedBytesMax = 256;

function createCopyWriter(bytesExpected: number) {
  let buffer = Buffer.allocUnsafe(head.byteLength + bytesExpected + fixedBytesMax);
  let at = head.copy(buffer);

  /** For this many bytes and for whatever else the row may have. */
  function reserve(bytes: number): void {
    const needed = at + bytes + fixedBytesMax;
    if (needed <= buffer.byteLength) return;
    const larger = Buffer.allocUnsafe(Math.max(buffer.byteLength * 2, needed));
    buffer.copy(larger, 0, 0, at);
    giveBack(buffer);
    buffer = larger;
  }

  function length(value: number): void {
    buffer[at] = value >>> 24;
    buffer[at + 1] = value >>> 16;
    buffer[at + 2] = value >>> 8;
    buffer[at + 3] = value;
    at += 4;
  }

  function chars(text: string): void {
    reserve(text.length * bytesPerUnitMax);
    at = writeUtf8(text, buffer, at);
  }

  function text(value: string | null, prefix: number | null = null): void {
    if (value === null) {
      length(-1);
      return;
    }
    const lengthAt = at;
    at += 4;
    if (prefix !== null) buffer[at++] = prefix;
    chars(value);
    const end = at;
    at = lengthAt;
    length(end - lengthAt - 4);
    at = end;
  }

  return {
    beginRow(fields: number): void {
      reserve(0);
      buffer[at++] = fields >>> 8;
      buffer[at++] = fields;
    },
    int4(value: number): void {
      if ((value | 0) !== value) refuseValue(value);
      length(4);
      length(value);
    },
    int8(value: number | null): void {
      if (value === null) {
        length(-1);
        return;
      }
      if (!Number.isSafeInteger(value)) refuseValue(value);
      length(8);
      length(Math.floor(value / 2 ** 32));
      length(value);
    },
    bool(value: boolean): void {
      length(1);
      buffer[at++] = value ? 1 : 0;
    },
    uuid(value: string): void {
      length(16);
      writeUuid(value, buffer, at);
      at += 16;
    },
    contentHash(candidate: Candidate): void {
      length(contentHashBytes);
      writeContentHash(candidate, buffer, at);
      at += contentHashBytes;
    },
    text,
    payload(event: Pick<EventContent, 'payloadJson'>): void {
      reserve(payloadBytesMax(event));
      const lengthAt = at;
      buffer[at + 4] = jsonbVersion;
      const end = lengthAt + 5 + writePayload(event, buffer, lengthAt + 5);
      length(end - lengthAt - 4);
      at = end;
    },
    jsonb: (value: string | null) => text(value, jsonbVersion),
    bytes(value: Uint8Array): void {
      length(value.byteLength);
      reserve(value.byteLength);
      buffer.set(value, at);
      at += value.byteLength;
    },
    end(): Uint8Array {
      reserve(0);
      // A row of −1 fields.
      buffer[at++] = 0xff;
      buffer[at++] = 0xff;
      return buffer.subarray(0, at);
    },
  };
}
