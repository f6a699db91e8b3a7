import { eventIdLength } from '../domain/identity.ts';
import { type JsonProblem, syntaxMessage } from '../domain/json-problem.ts';
import { createJsonScanner, jsonKindAt, skipSpace } from '../domain/json-scan.ts';
import { expectedAt } from '../domain/json-syntax-error.ts';
import type { LineStart } from '../domain/json-text.ts';
import { limits } from '../domain/limits.ts';
import { partitionOf, partitionOfBytes } from '../domain/partitioner.ts';
import { idAt } from '../domain/record-codec.ts';
import { createRecordRoom, writeRecord } from '../domain/record-writer.ts';
import type { RecordToAppend } from '../event-log/event-log.ts';
import type { Refusal } from './ingest-answer.ts';
import type { Body } from './read-body.ts';
import { type EventRead, type MakeId, moreProblems, type Rejected, readEvent } from './read-event.ts';
import { refuse } from './refuse.ts';
import type { StickyPartitioner } from './sticky-partitioner.ts';

/** Of each event the record that may be appended, or why it may not. */
export type Item = RecordToAppend | Rejected;

export type RequestEvents =
  | { readonly kind: 'one'; readonly record: RecordToAppend }
  | { readonly kind: 'many'; readonly items: readonly Item[] }
  | Refusal;

export function isRecord(item: Item): item is RecordToAppend {
  return 'value' in item;
}

export interface ReadContext {
  /** Milliseconds since the epoch, the same for every event of the request. */
  readonly receivedAt: number;
  /** Null: events without an id get new ones. */
  readonly makeId: MakeId | null;
  readonly partitions: number;
  readonly sticky: StickyPartitioner;
  readonly eventBytesMax: number;
  readonly eventsMax: number;
}

/** How many problems of this request may still be listed; of each rejected event the first one always is. */
let problemsLeft = 0;

const scanner = createJsonScanner();
let room = createRecordRoom(false);
const openBrace = 0x7b;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const comma = 0x2c;
const newlineCode = 0x0a;

/** The bytes of a request → its events. Nothing is appended before this has seen the last of them. */
export function readRequest({ bytes, format }: Body, context: ReadContext): RequestEvents {
  problemsLeft = limits.problemsListedMax;
  const start = skipSpace(bytes, 0, bytes.length);
  if (start === bytes.length) return refuse('empty_body', 'The body is blank: send at least one event.');
  if (format === 'ndjson') return readLines(bytes, context);
  const code = bytes[start];
  if (code === openBracket) return readArray(bytes, start, context);
  if (code === openBrace) return readOne(bytes, start, context);
  const end = scanner.value(bytes, start, bytes.length);
  if (end < 0 || skipSpace(bytes, end, bytes.length) < bytes.length) return brokenJson(bytes, end);
  const message = `the body must be an event (a JSON object) or an array of them, got ${jsonKindAt(bytes, start)}`;
  return invalid(rejected('wrong_type', message), 0);
}

function readOne(bytes: Buffer, start: number, context: ReadContext): RequestEvents {
  const end = scanner.value(bytes, start, bytes.length);
  if (end < 0 || skipSpace(bytes, end, bytes.length) < bytes.length) return brokenJson(bytes, end);
  room = createRecordRoom(false);
  const item = readItem(bytes, start, end, context);
  if (isRecord(item)) return { kind: 'one', record: item };
  const [first] = item.problems;
  if (first?.code === 'event_too_large')
    return refuse('body_too_large', sentence(first.message), { events: 1, problems: item.problems });
  return invalid(item, 1);
}

function readArray(bytes: Buffer, start: number, context: ReadContext): RequestEvents {
  const items: Item[] = [];
  room = createRecordRoom(true);
  let at = skipSpace(bytes, start + 1, bytes.length);
  const isEmpty = at < bytes.length && bytes[at] === closeBracket;
  if (isEmpty) at += 1;
  while (!isEmpty) {
    if (items.length === context.eventsMax) return tooMany(context.eventsMax);
    const isObject = bytes[at] === openBrace;
    const end = scanner.value(bytes, at, bytes.length);
    if (end < 0) return brokenJson(bytes, end);
    items.push(isObject ? readItem(bytes, at, end, context) : notAnObject(bytes, at, ''));
    at = skipSpace(bytes, end, bytes.length);
    const next = bytes[at];
    at += 1;
    if (next === closeBracket) break;
    if (next !== comma) return brokenAt(bytes, at - 1, '"," or "]"');
    at = skipSpace(bytes, at, bytes.length);
  }
  const rest = skipSpace(bytes, at, bytes.length);
  if (rest < bytes.length) return brokenJson(bytes, at);
  if (isEmpty) return invalid(rejected('no_events', 'the array is empty: send at least one event'), 0);
  return many(items);
}

function readLines(bytes: Buffer, context: ReadContext): RequestEvents {
  const items: Item[] = [];
  room = createRecordRoom(true);
  for (let from = nextLine(bytes, { line: 1, start: 0 }); from !== null; ) {
    if (items.length === context.eventsMax) return tooMany(context.eventsMax);
    const newline = bytes.indexOf(newlineCode, from.start);
    const lineEnd = newline < 0 ? bytes.length : newline;
    items.push(readLine(bytes, skipSpace(bytes, from.start, lineEnd), lineEnd, from, context));
    from = nextLine(bytes, { line: from.line + 1, start: lineEnd + 1 });
  }
  return many(items);
}

/**
 * The first line from there on that is not blank, or null. Byte by byte: a request may have eight million blank lines.
 */
function nextLine(bytes: Uint8Array, from: LineStart): LineStart | null {
  let { line, start } = from;
  for (let at = start; at < bytes.length; at++) {
    const code = bytes[at];
    if (code === newlineCode) {
      line += 1;
      start = at + 1;
    } else if (code !== 0x20 && code !== 0x09 && code !== 0x0d) return { line, start };
  }
  return null;
}

function readLine(bytes: Buffer, start: number, lineEnd: number, from: LineStart, context: ReadContext): Item {
  const { line } = from;
  const isObject = bytes[start] === openBrace;
  const end = scanner.value(bytes, start, lineEnd);
  if (end < 0) return rejected('invalid_json', syntaxMessage(scanner, bytes, from));
  const rest = skipSpace(bytes, end, lineEnd);
  if (rest < lineEnd) return rejected('invalid_json', `line ${line}: text goes on after the event; one event a line`);
  return isObject ? readItem(bytes, start, end, context) : notAnObject(bytes, start, `line ${line}: `);
}

/** The object that has just been scanned. */
function readItem(bytes: Buffer, start: number, end: number, context: ReadContext): Item {
  const length = end - start;
  if (length > context.eventBytesMax) {
    return rejected('event_too_large', `the event has ${length} bytes; at most ${context.eventBytesMax} are taken`);
  }
  const event = readEvent(scanner, bytes, start, end, context.receivedAt, context.makeId, Math.max(1, problemsLeft));
  if ('problems' in event) {
    problemsLeft -= event.problems.length;
    return event;
  }
  const value = writeRecord(event, bytes, room);
  return { partition: partitionFor(event, value, context), value };
}

/**
 * Events of one key stand in one partition; without a key, what a client may send again stands where its repeat will.
 */
function partitionFor({ key, hasNewId }: EventRead, value: Uint8Array, { partitions, sticky }: ReadContext): number {
  if (key !== null) return partitionOf(key, partitions);
  if (hasNewId) return sticky.partitionFor(value.byteLength, partitions);
  return partitionOfBytes(value, idAt, eventIdLength, partitions);
}

function many(items: readonly Item[]): RequestEvents {
  if (items.some(isRecord)) return { kind: 'many', items };
  const problems: JsonProblem[] = [];
  let problemCount = 0;
  for (const [index, item] of items.entries()) {
    if (isRecord(item)) continue;
    problemCount += item.problemCount;
    for (const problem of item.problems) {
      if (problems.length < limits.problemsListedMax) problems.push({ ...problem, path: `/${index}${problem.path}` });
    }
  }
  return invalid({ problems, problemCount }, items.length);
}

function invalid({ problems, problemCount }: Rejected, events: number): Refusal {
  const { path, message } = problems[0]!;
  const where = path === '' ? '' : ` (at ${path})`;
  const others = problemCount > 1 ? `, and ${moreProblems(problemCount - 1)}` : '';
  const listed = problemCount > problems.length ? `; errors lists the first ${problems.length}` : '';
  return refuse('invalid_event', sentence(`${message}${where}${others}${listed}`), { events, problems });
}

/** @param end −1 where the scanner stopped, else where the value ended that more text follows */
function brokenJson(bytes: Uint8Array, end: number): Refusal {
  if (end < 0) return broken(syntaxMessage(scanner, bytes));
  return brokenAt(bytes, skipSpace(bytes, end, bytes.length), 'nothing more after the value');
}

function brokenAt(bytes: Uint8Array, at: number, expected: string): Refusal {
  return broken(syntaxMessage({ syntaxError: expectedAt(bytes, at, bytes.length, expected) }, bytes));
}

function broken(message: string): Refusal {
  return refuse('invalid_json', sentence(message), { problems: [{ path: '', code: 'invalid_json', message }] });
}

function tooMany(eventsMax: number): Refusal {
  return refuse('too_many_events', `A request may hold ${eventsMax} events: send them in parts.`);
}

function notAnObject(bytes: Uint8Array, start: number, prefix: string): Rejected {
  return rejected('wrong_type', `${prefix}an event must be a JSON object, got ${jsonKindAt(bytes, start)}`);
}

function rejected(code: string, message: string): Rejected {
  return { problems: [{ path: '', code, message }], problemCount: 1 };
}

/** A field's name at the beginning stays as it is spelt. */
function sentence(message: string): string {
  if (/^(id|key|source|payload|\w+_\w+)\b/.test(message)) return `${message}.`;
  return `${message.charAt(0).toUpperCase()}${message.slice(1)}.`;
}
