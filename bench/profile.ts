import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { projectRoot } from './measure/product.ts';

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const entriesShown = 25;

/** The functions that a thread spent most time in itself, of every profile in the directory. */
export function profileText(directory: string): string {
  const files = readdirSync(directory).filter((name) => name.endsWith('.cpuprofile'));
  return files.map((name) => `${name}\n${topOf(JSON.parse(readFileSync(join(directory, name), 'utf8')))}`).join('\n\n');
}

function topOf({ nodes, samples, timeDeltas }: CpuProfile): string {
  const nameOf = new Map(nodes.map(({ id, callFrame }) => [id, placeOf(callFrame)]));
  const microseconds = new Map<string, number>();
  for (let index = 0; index < samples.length; index += 1) {
    const name = nameOf.get(samples[index]!)!;
    microseconds.set(name, (microseconds.get(name) ?? 0) + timeDeltas[index]!);
  }
  const idle = microseconds.get('(idle)') ?? 0;
  microseconds.delete('(idle)');
  const busy = [...microseconds.values()].reduce((a, b) => a + b, 0);
  const top = [...microseconds].sort(([, a], [, b]) => b - a).slice(0, entriesShown);
  const rows = top.map(([name, time]) => `  ${((time / busy) * 100).toFixed(1).padStart(5)} %  ${name}`);
  return `  busy ${(busy / 1e6).toFixed(1)} s, idle ${(idle / 1e6).toFixed(1)} s\n${rows.join('\n')}`;
}

function placeOf({ functionName, url, lineNumber }: CpuProfile['nodes'][number]['callFrame']): string {
  const name = functionName || '(anonymous)';
  if (url === '') return name;
  const file = url.startsWith('file://') ? relative(projectRoot, new URL(url).pathname) : url;
  return `${name}  ${file}:${lineNumber + 1}`;
}
