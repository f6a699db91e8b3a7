import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { type ESTree, parseSync, Visitor } from 'vite';

export const root = join(import.meta.dirname, '..', '..');

export interface Import {
  /** As it is written. */
  readonly specifier: string;
  /** Path from the root where it names a file of the project; null for a package. */
  readonly file: string | null;
  /** `import type`, or a type's `import('…')`. */
  readonly typeOnly: boolean;
  readonly line: number;
}

/** Something in a file that a rule may forbid, with the line it stands in. */
export interface Use {
  readonly what: string;
  readonly line: number;
}

export interface SourceFile {
  /** From the root, with forward slashes. */
  readonly path: string;
  readonly text: string;
  readonly lines: number;
  readonly imports: readonly Import[];
  /** Member accesses such as `process.env` and `Math.random`, and globals such as `console`. */
  readonly members: readonly Use[];
  /** Every `any`. */
  readonly anys: readonly Use[];
  /** Waits of a fixed time. */
  readonly sleeps: readonly (Use & { readonly ms: number })[];
  readonly comments: readonly Use[];
  /** Nothing but `export … from`. */
  readonly isBarrel: boolean;
}

const skipped = new Set(['node_modules', 'dist', 'data', 'results', '.git', '.cache', 'coverage']);

/** Every file below these folders (or these files) whose name ends so. */
export function findFiles(places: readonly string[], ending: RegExp): string[] {
  const found: string[] = [];
  function walk(directory: string): void {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      const path = join(directory, entry.name);
      if (entry.isDirectory()) {
        if (!skipped.has(entry.name)) walk(path);
      } else if (ending.test(entry.name)) {
        found.push(relative(root, path).replaceAll(sep, '/'));
      }
    }
  }
  for (const place of places) walk(join(root, place));
  return found.sort();
}

export function readSource(path: string): SourceFile {
  const text = readFileSync(join(root, path), 'utf8');
  return parseSource(path, text);
}

export function parseSource(path: string, text: string): SourceFile {
  const { program, comments, errors } = parseSync(path, text, { sourceType: 'module' });
  if (errors.length > 0) throw new Error(`${path} can not be parsed: ${errors[0]?.message}`);
  const lineOf = createLineFinder(text);
  const imports: Import[] = [];
  const members: Use[] = [];
  const anys: Use[] = [];
  const sleeps: (Use & { ms: number })[] = [];

  function addImport(specifier: unknown, typeOnly: boolean, start: number): void {
    if (typeof specifier !== 'string') return;
    const file = specifier.startsWith('.') ? resolveFrom(path, specifier) : null;
    imports.push({ specifier, file, typeOnly, line: lineOf(start) });
  }

  new Visitor({
    ImportDeclaration(node) {
      addImport(node.source.value, node.importKind === 'type', node.start);
    },
    ExportNamedDeclaration(node) {
      if (node.source) addImport(node.source.value, node.exportKind === 'type', node.start);
    },
    ExportAllDeclaration(node) {
      addImport(node.source.value, node.exportKind === 'type', node.start);
    },
    ImportExpression(node) {
      if (node.source.type === 'Literal') addImport(node.source.value, false, node.start);
    },
    TSImportType(node) {
      addImport(node.source.value, true, node.start);
    },
    MemberExpression(node) {
      if (node.object.type !== 'Identifier' || node.property.type !== 'Identifier' || node.computed) return;
      members.push({ what: `${node.object.name}.${node.property.name}`, line: lineOf(node.start) });
    },
    TSAnyKeyword(node) {
      anys.push({ what: 'any', line: lineOf(node.start) });
    },
    CallExpression(node) {
      const ms = sleepOf(node);
      if (ms !== null) sleeps.push({ what: text.slice(node.start, node.end), ms, line: lineOf(node.start) });
    },
  }).visit(program);

  return {
    path,
    text,
    lines: text.split('\n').length - (text.endsWith('\n') ? 1 : 0),
    imports,
    members,
    anys,
    sleeps,
    comments: comments.map(({ value, start }) => ({ what: value, line: lineOf(start) })),
    isBarrel: program.body.length > 0 && program.body.every(isReExport),
  };
}

function isReExport(node: ESTree.Program['body'][number]): boolean {
  return node.type === 'ExportAllDeclaration' || (node.type === 'ExportNamedDeclaration' && node.source !== null);
}

/**
 * `delay(300)`, and `setTimeout(resolve, 300)`: the code goes on after a fixed time. A deadline, which is a function
 * that fails or ends something, is not one.
 */
function sleepOf(node: ESTree.CallExpression): number | null {
  if (node.callee.type !== 'Identifier') return null;
  const [first, second] = node.arguments;
  const names = ['delay', 'sleep', 'wait', 'pause', 'setTimeout'];
  if (!names.includes(node.callee.name)) return null;
  if (first?.type === 'Literal' && typeof first.value === 'number') return first.value;
  if (node.callee.name !== 'setTimeout' || first?.type !== 'Identifier') return null;
  return second?.type === 'Literal' && typeof second.value === 'number' ? second.value : null;
}

function resolveFrom(path: string, specifier: string): string {
  return relative(root, join(root, dirname(path), specifier)).replaceAll(sep, '/');
}

function createLineFinder(text: string): (offset: number) => number {
  const starts = [0];
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return low + 1;
  };
}

/** One cycle of a graph as the path that leads round it, or null. */
export function findCycle(graph: ReadonlyMap<string, readonly string[]>): readonly string[] | null {
  const done = new Set<string>();
  const path: string[] = [];
  function visit(node: string): readonly string[] | null {
    const from = path.indexOf(node);
    if (from !== -1) return [...path.slice(from), node];
    if (done.has(node)) return null;
    path.push(node);
    for (const next of graph.get(node) ?? []) {
      const cycle = visit(next);
      if (cycle) return cycle;
    }
    path.pop();
    done.add(node);
    return null;
  }
  for (const node of graph.keys()) {
    const cycle = visit(node);
    if (cycle) return cycle;
  }
  return null;
}
