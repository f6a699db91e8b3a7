/**
 * JSON as text. A payload's numbers may have more digits than a double holds, so payloads are never turned into values
 * here: they are cut out of an answer as they came and laid out token by token.
 */

/** @returns the index behind the string whose opening quote is at `start`. */
export function endOfString(text: string, start: number): number {
  for (let index = start + 1; index < text.length; index += 1) {
    const character = text[index];
    if (character === '\\') index += 1;
    else if (character === '"') return index + 1;
  }
  return text.length;
}

const isSpace = (character: string | undefined) =>
  character === ' ' || character === '\n' || character === '\r' || character === '\t';

export function skipSpace(text: string, start: number): number {
  let index = start;
  while (isSpace(text[index])) index += 1;
  return index;
}

/** @returns the index behind a number or word. */
export function endOfWord(text: string, start: number): number {
  let index = start;
  while (index < text.length && !isSpace(text[index]) && !',:]}'.includes(text[index]!)) index += 1;
  return index;
}

/** @returns the index behind the value that begins at `start`. The text must be valid JSON. */
function endOfValue(text: string, start: number): number {
  if (text[start] === '"') return endOfString(text, start);
  if (text[start] !== '{' && text[start] !== '[') return endOfWord(text, start);
  let depth = 0;
  for (let index = start; index < text.length; ) {
    const character = text[index];
    if (character === '"') {
      index = endOfString(text, index);
      continue;
    }
    if (character === '{' || character === '[') depth += 1;
    if (character === '}' || character === ']') depth -= 1;
    index += 1;
    if (depth === 0) return index;
  }
  return text.length;
}

/** Calls `found` with the bounds of the value of every member called `name`, but not of those inside such a value. */
function forEachMember(text: string, name: string, found: (start: number, end: number, depth: number) => void): void {
  const key = JSON.stringify(name);
  let depth = 0;
  for (let index = 0; index < text.length; ) {
    const character = text[index];
    if (character !== '"') {
      if (character === '{' || character === '[') depth += 1;
      if (character === '}' || character === ']') depth -= 1;
      index += 1;
      continue;
    }
    const end = endOfString(text, index);
    const colon = skipSpace(text, end);
    const isKey = text[colon] === ':' && text.slice(index, end) === key;
    index = end;
    if (!isKey) continue;
    const start = skipSpace(text, colon + 1);
    index = endOfValue(text, start);
    found(start, index, depth);
  }
}

/**
 * Parses an answer of the API, with every `payload` left as its raw JSON text (null stays null).
 * @throws SyntaxError if the text is not JSON
 */
export function parseWithRawPayloads(text: string): unknown {
  const parts: string[] = [];
  let copied = 0;
  forEachMember(text, 'payload', (start, end) => {
    const raw = text.slice(start, end);
    parts.push(text.slice(copied, start), raw === 'null' ? raw : JSON.stringify(raw));
    copied = end;
  });
  parts.push(text.slice(copied));
  return JSON.parse(parts.join(''));
}

/**
 * @returns the raw text of the record's own `payload` (of several the last, as JSON has it), or null if there is none.
 */
export function payloadTextOf(recordText: string): string | null {
  if (problemOfJson(recordText) !== null) return null;
  let payload: string | null = null;
  forEachMember(recordText, 'payload', (start, end, depth) => {
    if (depth === 1) payload = recordText.slice(start, end);
  });
  return payload;
}

/** @returns why the text is not JSON, or null if it is. Only judged: the parsed value, with its doubles, is dropped. */
export function problemOfJson(text: string): string | null {
  try {
    JSON.parse(text);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** @returns why the text is not a JSON object, or null if it is. */
export function problemOfJsonObject(text: string): string | null {
  if (text.trim() === '') return 'The payload is empty. It must be a JSON object.';
  const problem = problemOfJson(text);
  if (problem !== null) return problem;
  return text.trimStart().startsWith('{') ? null : 'The payload must be a JSON object.';
}

export type JsonTokenKind = 'key' | 'string' | 'number' | 'word' | 'mark';

export interface JsonToken {
  readonly kind: JsonTokenKind;
  readonly text: string;
}

/** One line of laid-out JSON. */
export interface JsonLine {
  readonly depth: number;
  readonly tokens: readonly JsonToken[];
}

function readToken(text: string, start: number): { token: JsonToken; end: number } {
  const character = text[start]!;
  if ('{}[],:'.includes(character)) return { token: { kind: 'mark', text: character }, end: start + 1 };
  if (character === '"') {
    const end = endOfString(text, start);
    const kind = text[skipSpace(text, end)] === ':' ? 'key' : 'string';
    return { token: { kind, text: text.slice(start, end) }, end };
  }
  const end = endOfWord(text, start);
  const word = text.slice(start, end);
  return { token: { kind: /^[-\d]/.test(word) ? 'number' : 'word', text: word }, end };
}

/** Lays out valid JSON text, two spaces a level, every literal as it was written. */
export function layOutJson(text: string): readonly JsonLine[] {
  const lines: JsonLine[] = [];
  let depth = 0;
  let tokens: JsonToken[] = [];
  const endLine = (nextDepth: number) => {
    if (tokens.length > 0) lines.push({ depth, tokens });
    tokens = [];
    depth = nextDepth;
  };
  for (let index = skipSpace(text, 0); index < text.length; ) {
    const { token, end } = readToken(text, index);
    index = skipSpace(text, end);
    if (token.kind !== 'mark') tokens.push(token);
    else if (token.text === ':') tokens.push({ kind: 'mark', text: ': ' });
    else if (token.text === ',') {
      tokens.push(token);
      endLine(depth);
    } else if (token.text === '{' || token.text === '[') {
      const isEmpty = text[index] === '}' || text[index] === ']';
      tokens.push(isEmpty ? { kind: 'mark', text: token.text + text[index] } : token);
      if (isEmpty) index = skipSpace(text, index + 1);
      else endLine(depth + 1);
    } else {
      endLine(depth - 1);
      tokens.push(token);
    }
  }
  endLine(0);
  return lines;
}

/** The same as one text, for copying and for the editor. */
export function formatJsonText(text: string): string {
  return layOutJson(text)
    .map(({ depth, tokens }) => '  '.repeat(depth) + tokens.map((token) => token.text).join(''))
    .join('\n');
}
