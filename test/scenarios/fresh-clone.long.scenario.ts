// In a fresh clone `npm start` is all there is to do: it installs, builds the dashboard, and serves. The next one only
// serves.
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createTempDir, makeEvent, ownPath, projectRoot, runCommand, startServer } from './harness.ts';

it('installs, builds, serves; and again without installing or building', { timeout: 600_000 }, async () => {
  const parent = createTempDir('clone');
  const clone = join(parent, 'clone');
  expect(await runCommand(['git', 'clone', '--quiet', projectRoot, clone])).toMatchObject({ code: 0 });
  const options = {
    dataDir: join(parent, 'data'),
    cwd: clone,
    // As on a machine that has nothing but some Node and npm.
    env: { PATH: ownPath() },
    command: ['npm', 'start'],
    timeoutMs: 300_000,
  };

  const first = await startServer(options);
  expect(first.output()).toContain('Installed in');
  expect((await first.request('/dashboard/')).text).toContain('<div id="root"');
  expect((await first.send([makeEvent(1)])).status).toBe(202);
  expect(await first.stop()).toEqual({ code: 0, signal: null });

  const second = await startServer(options);
  expect(second.output()).not.toMatch(/Install|Build/);
  expect((await second.settled()).stored).toBe(1);
  expect(await second.stop()).toEqual({ code: 0, signal: null });
  const status = await runCommand(['git', 'status', '--porcelain'], { cwd: clone });
  expect(status.stdout).toBe('');
});
