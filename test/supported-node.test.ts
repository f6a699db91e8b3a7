import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { isSupportedNode, supportedNode } from '../bin/supported-node.js';

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

describe('the Node that the program runs on', () => {
  it.each(['24.20.0', '24.21.3', '26.6.0', '26.10.0', '27.0.0', '30.1.2', process.versions.node])(
    'may be %s',
    (version) => {
      expect(isSupportedNode(version)).toBe(true);
    },
  );

  it.each(['18.20.1', '22.30.0', '24.6.0', '24.19.9', '25.9.0', '26.5.1'])('is another one than %s', (version) => {
    expect(isSupportedNode(version)).toBe(false);
  });

  it('is told the same by the manifest, and comes along', () => {
    expect([manifest.engines.node, supportedNode]).toEqual([
      '^24.20.0 || >=26.6.0',
      '24.20 or a newer 24, or 26.6 or newer',
    ]);
    const pinned = Object.entries<string>(manifest.optionalDependencies).filter(([name]) => /^node-/.test(name));
    expect(pinned.length).toBeGreaterThan(0);
    for (const [, version] of pinned) expect(isSupportedNode(version)).toBe(true);
  });
});
