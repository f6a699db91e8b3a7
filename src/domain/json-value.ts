import { sameNumber } from './json-number.ts';

/**
 * JSON texts compared as values: key order, white space, escapes and the spelling of numbers don't count; of a
 * duplicate key the last one does. Both must be well-formed, as stored payloads are.
 */
export function isSameJson(a: string, b: string): boolean {
  return a === b || (maySameAsDoubles(a, b) && isSameValue(firstExactly(a), parse(b)));
}

/**
 * The engine's own parser is ten times as fast, and what differs as doubles differs as decimals. Not so where there are
 * escapes: once V8 (14.6, in Node 26.10) has parsed an object whose key is a backslash, it may take a key such as `\n`
 * for that one.
 */
function maySameAsDoubles(a: string, b: string): boolean {
  return a.includes('\\') || b.includes('\\') || isSameAsDoubles(firstAsDoubles(a), JSON.parse(b));
}

const firstAsDoubles = rememberingLast((text) => JSON.parse(text) as object);
const firstExactly = rememberingLast(parse);

/**
 * Of one event that many others are compared with, such as ten thousand small ones under the id of a large one, the
 * text is read once. A weak reference lasts as long as the batch, which is decided in one go, and holds nothing
 * afterwards.
 */
function rememberingLast<Read extends object>(read: (text: string) => Read): (text: string) => Read {
  let remembered = new WeakRef<{ readonly text: string; readonly value: Read }>(Object.create(null));
  return (text) => {
    const last = remembered.deref();
    if (last?.text === text) return last.value;
    const value = read(text);
    remembered = new WeakRef({ text, value });
    return value;
  };
}

function isSameAsDoubles(a: unknown, b: unknown): boolean {
  const pairs: [unknown, unknown][] = [[a, b]];
  for (let pair = pairs.pop(); pair; pair = pairs.pop()) {
    const [left, right] = pair;
    if (left === right) continue;
    if (Array.isArray(left) && Array.isArray(right)) {
      if (left.length !== right.length) return false;
      for (const [index, item] of left.entries()) pairs.push([item, right[index]]);
    } else if (isObject(left) && isObject(right)) {
      const keys = Object.keys(left);
      if (keys.length !== Object.keys(right).length) return false;
      for (const key of keys) {
        if (!Object.hasOwn(right, key)) return false;
        pairs.push([left[key], right[key]]);
      }
    } else return false;
  }
  return true;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

type Value =
  | { readonly kind: 'scalar'; readonly token: string }
  | { readonly kind: 'number'; readonly token: string }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'array'; readonly items: Value[] }
  | { readonly kind: 'object'; readonly fields: Map<string, Value> };

/**
 * Pairs that are still to be compared stand on a list, not on the call stack: how deep a text nests is its writer's
 * choice.
 */
function isSameValue(a: Value, b: Value): boolean {
  const pairs: [Value, Value][] = [[a, b]];
  for (let pair = pairs.pop(); pair; pair = pairs.pop()) {
    const [left, right] = pair;
    if (left.kind === 'array' && right.kind === 'array') {
      if (left.items.length !== right.items.length) return false;
      for (const [index, item] of left.items.entries()) pairs.push([item, right.items[index]!]);
    } else if (left.kind === 'object' && right.kind === 'object') {
      if (left.fields.size !== right.fields.size) return false;
      for (const [key, value] of left.fields) {
        const other = right.fields.get(key);
        if (!other) return false;
        pairs.push([value, other]);
      }
    } else if (!isSameScalar(left, right)) return false;
  }
  return true;
}

function isSameScalar(left: Value, right: Value): boolean {
  if (left.kind === 'number' && right.kind === 'number') return sameNumber(left.token, right.token);
  if (left.kind === 'string' && right.kind === 'string') return left.value === right.value;
  return left.kind === 'scalar' && right.kind === 'scalar' && left.token === right.token;
}

const token = /[\s,:]*([{}[\]]|"[^"\\]*(?:\\.[^"\\]*)*"|[-+.\w]+)/gy;

function parse(text: string): Value {
  const root: Value = { kind: 'array', items: [] };
  const open: Value[] = [root];
  let key: string | null = null;
  for (const [, found = ''] of text.matchAll(token)) {
    const top = open.at(-1)!;
    if (found === '}' || found === ']') {
      open.pop();
      continue;
    }
    if (top.kind === 'object' && key === null) {
      key = JSON.parse(found) as string;
      continue;
    }
    const value = valueFrom(found);
    if (top.kind === 'array') top.items.push(value);
    else if (top.kind === 'object') top.fields.set(key!, value);
    key = null;
    if (value.kind === 'array' || value.kind === 'object') open.push(value);
  }
  return root.items[0]!;
}

function valueFrom(found: string): Value {
  const first = found[0]!;
  if (first === '{') return { kind: 'object', fields: new Map() };
  if (first === '[') return { kind: 'array', items: [] };
  if (first === '"') return { kind: 'string', value: JSON.parse(found) as string };
  if (first === '-' || (first >= '0' && first <= '9')) return { kind: 'number', token: found };
  return { kind: 'scalar', token: found };
}
