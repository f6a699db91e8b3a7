import { endOfString, endOfWord, skipSpace } from './json-text.ts';

/** A place where two JSON texts differ. A literal as it was written, or null where there is nothing. */
export interface JsonDifference {
  /** Members and indices from the outside in, as in `payload.items.0.price`. */
  readonly path: string;
  readonly before: string | null;
  readonly after: string | null;
}

/**
 * Where two valid JSON texts differ, literal by literal: in the order of the first one, then what the second one has
 * besides.
 */
export function differencesOf(before: string, after: string): readonly JsonDifference[] {
  const [old, now] = [literalsOf(before), literalsOf(after)];
  const paths = new Set([...old.keys(), ...now.keys()]);
  return [...paths]
    .map((path) => ({ path, before: old.get(path) ?? null, after: now.get(path) ?? null }))
    .filter((found) => found.before !== found.after);
}

/** Path → literal: strings, numbers and words, and objects and arrays where they are empty. */
function literalsOf(text: string): ReadonlyMap<string, string> {
  const literals = new Map<string, string>();

  /** @returns the index behind the value at `start` */
  function read(start: number, path: string): number {
    const first = text[start];
    if (first === '{' || first === '[') return readInside(start, path, first === '{' ? '}' : ']');
    const end = first === '"' ? endOfString(text, start) : endOfWord(text, start);
    literals.set(path, text.slice(start, end));
    return end;
  }

  function readInside(start: number, path: string, close: string): number {
    let index = skipSpace(text, start + 1);
    if (text[index] === close) literals.set(path, text[start]! + close);
    for (let nth = 0; text[index] !== close; nth += 1) {
      let name = String(nth);
      if (close === '}') {
        const end = endOfString(text, index);
        name = JSON.parse(text.slice(index, end)) as string;
        index = skipSpace(text, skipSpace(text, end) + 1);
      }
      index = skipSpace(text, read(index, path === '' ? name : `${path}.${name}`));
      if (text[index] === ',') index = skipSpace(text, index + 1);
    }
    return index + 1;
  }

  read(skipSpace(text, 0), '');
  return literals;
}
