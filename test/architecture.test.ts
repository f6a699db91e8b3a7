// The rules that the code keeps, as tests. A failure names the file, the line and the rule.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { layerOf, layers } from './architecture/layers.ts';
import {
  findCycle,
  findFiles,
  parseSource,
  readSource,
  root,
  type SourceFile,
  type Use,
} from './architecture/source-files.ts';

const code = /\.(ts|tsx|mjs|js)$/;
const shipped = findFiles(['src'], code).map(readSource);
const dashboard = findFiles(['dashboard/src'], code).map(readSource);
const around = findFiles(['test', 'scripts', 'bench', 'bin'], code).map(readSource);
const everything = [...shipped, ...dashboard, ...around];
const isTest = ({ path }: SourceFile) => layerOf(path)?.name === 'tests';

/** Every use that the rule forbids, as `file:line what`. */
function violations(
  files: readonly SourceFile[],
  pick: (file: SourceFile) => readonly Use[],
  forbidden: (what: string, file: SourceFile) => boolean,
): string[] {
  return files.flatMap((file) =>
    pick(file)
      .filter(({ what }) => forbidden(what, file))
      .map(({ what, line }) => `${file.path}:${line} ${what.trim().slice(0, 80)}`),
  );
}

describe('layers', () => {
  it('every file of src and dashboard belongs to a layer', () => {
    expect([...shipped, ...dashboard].filter(({ path }) => !layerOf(path)).map(({ path }) => path)).toEqual([]);
  });

  it.each(layers.map(({ name }) => name))('%s imports only what it may', (name) => {
    const found = [...shipped, ...dashboard]
      .filter(({ path }) => layerOf(path)?.name === name)
      .flatMap(forbiddenImports);
    expect(found).toEqual([]);
  });

  it('nothing that ships imports test code', () => {
    const found = [...shipped, ...dashboard]
      .filter((file) => !isTest(file))
      .flatMap(({ path, imports }) =>
        imports
          .filter(
            ({ file }) => file !== null && (layerOf(file)?.name === 'tests' || /^(test|bench|scripts)\//.test(file)),
          )
          .map(({ specifier, line }) => `${path}:${line} imports ${specifier}`),
      );
    expect(found).toEqual([]);
  });

  it('a forbidden import is found', () => {
    const file = parseSource('src/domain/event.ts', "import { a } from '../ingest/ingest.ts';\nimport('pg');\n");
    expect(forbiddenImports(file)).toEqual([
      'src/domain/event.ts:1 is domain and may not import ../ingest/ingest.ts (ingest)',
      'src/domain/event.ts:2 is domain and may not import the package pg',
    ]);
  });
});

function forbiddenImports({ path, imports }: SourceFile): string[] {
  const layer = layerOf(path);
  if (!layer || layer.imports.includes('*')) return [];
  return imports.flatMap(({ specifier, file, typeOnly, line }) => {
    if (file === null) {
      const allowed = layer.packages.some((wanted) =>
        typeof wanted === 'string' ? wanted === specifier : wanted.test(specifier),
      );
      return allowed ? [] : [`${path}:${line} is ${layer.name} and may not import the package ${specifier}`];
    }
    if (/\.(css|svg)$/.test(file) && layer.name === 'dashboard') return [];
    const target = layerOf(file)?.name ?? 'no layer';
    if (layer.imports.includes(target) || (typeOnly && layer.typesOf?.includes(target))) return [];
    return [`${path}:${line} is ${layer.name} and may not import ${specifier} (${target})`];
  });
}

describe('shape', () => {
  it('no import cycles, of types neither', () => {
    const files = [...shipped, ...dashboard];
    const graph = new Map(files.map(({ path, imports }) => [path, imports.flatMap(({ file }) => file ?? [])]));
    expect(findCycle(graph)?.join(' → ') ?? null).toBeNull();
  });

  it('a cycle is found', () => {
    const graph = new Map([
      ['a', ['b']],
      ['b', ['c']],
      ['c', ['b']],
    ]);
    expect(findCycle(graph)).toEqual(['b', 'c', 'b']);
  });

  it('imports name files that exist', () => {
    const known = new Set(everything.map(({ path }) => path));
    const found = everything.flatMap(({ path, imports }) =>
      imports
        .filter(({ file }) => file !== null && code.test(file) && !file.startsWith('dist/') && !known.has(file))
        .map(({ specifier, line }) => `${path}:${line} ${specifier}`),
    );
    expect(found).toEqual([]);
  });

  it('every package that is installed with the product is used by it', () => {
    const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      dependencies: Readonly<Record<string, string>>;
    };
    const imported = new Set(shipped.flatMap(({ imports }) => imports.map(({ specifier }) => specifier)));
    const isUsed = (name: string) => [...imported].some((each) => each === name || each.startsWith(`${name}/`));
    expect(Object.keys(dependencies).filter((name) => !isUsed(name))).toEqual([]);
  });

  it('no barrel files but the package entry', () => {
    const found = [...shipped, ...dashboard].filter(({ path, isBarrel }) => path !== 'src/index.ts' && isBarrel);
    expect(found.map(({ path }) => path)).toEqual([]);
  });

  it('no file is longer than 400 lines', () => {
    const found = everything.filter(({ lines }) => lines > 400).map(({ path, lines }) => `${path} has ${lines}`);
    expect(found).toEqual([]);
  });

  it('file names are kebab-case with dotted roles', () => {
    const name = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)*\.(ts|tsx|mjs|js)$/;
    expect(everything.map(({ path }) => path).filter((path) => !name.test(path.split('/').at(-1)!))).toEqual([]);
  });

  it('no folder is a drawer for the rest', () => {
    const drawer = /(^|\/)(helpers?|utils?|common|misc|lib|shared)\//;
    expect(everything.map(({ path }) => path).filter((path) => drawer.test(path))).toEqual([]);
  });
});

describe('calls that have one place', () => {
  const product = shipped.filter((file) => !isTest(file));

  it('nothing writes to the console', () => {
    const found = violations(
      [...product, ...dashboard],
      ({ members }) => members,
      (what) => what.startsWith('console.'),
    );
    expect(found).toEqual([]);
  });

  it('only runtime/config/config.ts reads the environment', () => {
    const found = violations(
      product,
      ({ members }) => members,
      (what, { path }) => what === 'process.env' && path !== 'src/runtime/config/config.ts',
    );
    expect(found).toEqual([]);
  });

  it('nothing imports node:http, which would load an HTTP client as well', () => {
    const found = product.flatMap(({ path, imports }) =>
      imports
        .filter(({ specifier, typeOnly }) => /^node:https?$/.test(specifier) && !typeOnly)
        .map(({ line }) => `${path}:${line}: process.getBuiltinModule gives it without`),
    );
    expect(found).toEqual([]);
  });

  it('only the command line ends the process', () => {
    const found = violations(
      product,
      ({ members }) => members,
      (what, { path }) =>
        ['process.exit', 'process.abort', 'process.kill'].includes(what) && !path.startsWith('src/cli/'),
    );
    expect(found).toEqual([]);
  });

  it('the domain has no clock and, but for making ids, no chance of its own', () => {
    const impure = ['Date.now', 'performance.now', 'Math.random', 'process.hrtime'];
    const domain = product.filter(({ path }) => path.startsWith('src/domain/') && path !== 'src/domain/identity.ts');
    expect(
      violations(
        domain,
        ({ members }) => members,
        (what) => impure.includes(what),
      ),
    ).toEqual([]);
  });

  it('a banned call is found', () => {
    const file = parseSource('src/http/app.ts', 'const a = process.env.HOME;\nconsole.error(a);\n');
    expect(file.members.map(({ what, line }) => `${what} ${line}`)).toContain('process.env 1');
    expect(file.members.map(({ what, line }) => `${what} ${line}`)).toContain('console.error 2');
  });
});

describe('habits', () => {
  it('no any', () => {
    expect(
      violations(
        everything,
        ({ anys }) => anys,
        () => true,
      ),
    ).toEqual([]);
  });

  it('no check is switched off without a reason', () => {
    const off =
      /@ts-(ignore|nocheck)|@ts-expect-error\s*$|biome-ignore(-all)?\s+\S+\s*$|biome-ignore(-all)?\s+\S+:\s*$/;
    expect(
      violations(
        everything,
        ({ comments }) => comments,
        (what) => off.test(what.trim()),
      ),
    ).toEqual([]);
  });

  it('nothing is left for later', () => {
    const later = new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX', 'HA' + 'CK'].join('|')})\\b`);
    const texts = findFiles(['.'], /\.(ts|tsx|mjs|js|css|html|sql|md|json|yml)$/).filter(
      (path) => path !== 'package-lock.json',
    );
    const found = texts.flatMap((path) =>
      readFileSync(join(root, path), 'utf8')
        .split('\n')
        .flatMap((line, index) => (later.test(line) ? [`${path}:${index + 1} ${line.trim().slice(0, 80)}`] : [])),
    );
    expect(found).toEqual([]);
  });

  it('tests wait for conditions, not for time to pass', () => {
    const tests = [...everything.filter(isTest), ...around.filter(({ path }) => path.startsWith('test/'))];
    const found = tests.flatMap(({ path, sleeps }) =>
      sleeps.filter(({ ms }) => ms >= 100).map(({ what, line }) => `${path}:${line} ${what}`),
    );
    expect(found).toEqual([]);
  });

  it('a sleep is found, a deadline is none', () => {
    const text = 'await delay(300);\nsetTimeout(resolve, 500);\nsetTimeout(() => reject(late), 5_000);\n';
    expect(parseSource('test/x.test.ts', text).sleeps.map(({ line }) => line)).toEqual([1, 2]);
  });
});
