import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

// What V8 does not know it passes over without a word.
it('sets flags that V8 has', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--v8-options']);
  expect(stdout).toContain('--heap-growing-percent');
  expect(stdout).toContain('--allocation-site-pretenuring');
});
