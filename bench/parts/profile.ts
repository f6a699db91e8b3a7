import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { projectRoot } from './product.ts';

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  readonly children?: readonly number[];
}

interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const entriesShown = 15;
/** What a thread does besides running anybody's code. */
const withoutCaller = new Set(['(program)', '(garbage collector)', '(idle)']);

/**
 * Where each thread's time went, of every profile in the directory. Starting up is in it, so a round should be long.
 */
export function profileText(directory: string): string {
  const files = readdirSync(directory).filter((name) => name.endsWith('.cpuprofile'));
  return files
    .map((name) => `${name}\n${threadText(JSON.parse(readFileSync(join(directory, name), 'utf8')))}`)
    .join('\n\n');
}

function threadText(profile: CpuProfile): string {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map(
    profile.nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node] as const)),
  );
  const functions = timeBy(profile, (id) => functionOf(nodes.get(id)!));
  const owners = timeBy(profile, (id) => ownerOf(nodes.get(id)!, parents));
  const idle = owners.get('(idle)') ?? 0;
  const busy = [...owners.values()].reduce((a, b) => a + b, 0) - idle;
  const top = (times: ReadonlyMap<string, number>) =>
    [...times]
      .filter(([name]) => name !== '(idle)')
      .sort(([, a], [, b]) => b - a)
      .slice(0, entriesShown)
      .map(([name, time]) => `  ${((time / busy) * 100).toFixed(1).padStart(5)} %  ${name}`)
      .join('\n');
  return (
    `  busy ${(busy / 1e6).toFixed(1)} s, idle ${(idle / 1e6).toFixed(1)} s\n` +
    `  by file or package, with what it calls in Node:\n${top(owners)}\n  by function alone:\n${top(functions)}`
  );
}

function timeBy({ samples, timeDeltas }: CpuProfile, nameOf: (id: number) => string): Map<string, number> {
  const microseconds = new Map<string, number>();
  for (let index = 0; index < samples.length; index += 1) {
    const name = nameOf(samples[index]!);
    microseconds.set(name, (microseconds.get(name) ?? 0) + timeDeltas[index]!);
  }
  return microseconds;
}

function functionOf({ callFrame: { functionName, url, lineNumber } }: ProfileNode): string {
  const name = functionName || '(anonymous)';
  return url === '' ? name : `${name}  ${placeOf(url)}:${lineNumber + 1}`;
}

/** The nearest caller that is a file of the product or a package. */
function ownerOf(node: ProfileNode, parents: ReadonlyMap<number, ProfileNode>): string {
  if (withoutCaller.has(node.callFrame.functionName)) return node.callFrame.functionName;
  for (let at: ProfileNode | undefined = node; at; at = parents.get(at.id)) {
    const place = placeOf(at.callFrame.url);
    const inPackage = /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(place);
    if (inPackage) return `npm ${inPackage[1]}`;
    if (place.startsWith('src/')) return place;
  }
  return 'Node';
}

function placeOf(url: string): string {
  const path = url.startsWith('file://') ? fileURLToPath(url) : url;
  return path.startsWith(projectRoot) ? relative(projectRoot, path) : path;
}
