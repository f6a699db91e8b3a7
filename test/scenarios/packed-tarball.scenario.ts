// The packed tarball works in an empty project: `npm install`, `npx esp start`, an event in, and out again; and inside a
// program, as docs/embedding.md has it.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { EventDetail } from '../../src/http/contract.ts';
import { createTempDir, ownPath, runCommand, startServer, waitFor } from './harness.ts';

it('installs, starts, stores, and stops', { timeout: 300_000 }, async () => {
  const project = createTempDir('packed');
  const env = { PATH: ownPath() };

  const packed = await runCommand(['npm', 'pack', '--json', '--pack-destination', project], { env });
  expect(packed.code, packed.stderr).toBe(0);
  const tarball = readdirSync(project).find((name) => name.endsWith('.tgz'))!;
  const list = await runCommand(['tar', '-tzf', join(project, tarball)]);
  const files = list.stdout.trim().split('\n');
  for (const wanted of ['bin/esp.js', 'dist/cli/main.js', 'dist/index.d.ts', 'dashboard/dist/index.html', 'LICENSE']) {
    expect(files).toContain(`package/${wanted}`);
  }
  expect(files.filter((name) => /\.test\.|\/testing\/|^package\/(src|test|bench)\//.test(name))).toEqual([]);

  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'empty', private: true }));
  const flags = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'];
  const installed = await runCommand(['npm', 'install', ...flags, `./${tarball}`], { env, cwd: project });
  expect(installed.code, installed.stderr).toBe(0);

  // By the machine's Node, which may be too old: then the bin looks for the one that came along.
  const bin = join(project, 'node_modules', 'event-stream-processor', 'bin', 'esp.js');
  const version = await runCommand(['node', bin, '--version'], { env, cwd: project });
  expect(version).toMatchObject({ code: 0, stderr: '' });
  expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect(await runCommand(['node', bin, 'nonsense'], { env, cwd: project })).toMatchObject({ code: 2 });

  const [, example] = /```js\n(.*?)```/s.exec(readFileSync('docs/embedding.md', 'utf8'))!;
  writeFileSync(join(project, 'embedding.mjs'), example!);
  const embedding = await runCommand([process.execPath, 'embedding.mjs'], { env, cwd: project });
  expect(embedding).toMatchObject({ code: 0, stderr: '' });
  expect(embedding.stdout).toMatch(/status: 'stored'/);

  // What the program has stored is there.
  const dataDir = join(project, 'events');
  const server = await startServer({ dataDir, env, cwd: project, command: ['npx', 'esp', 'start'] });
  const sent = await server.request<{ id: string }>('/api/events?wait=stored', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"event_type":"packed","payload":{"n":12345678901234567890}}',
  });
  expect(sent).toMatchObject({ status: 200, body: { status: 'stored' } });
  const stored = await server.request<EventDetail>(`/api/events/${sent.body.id}`);
  expect(stored.text).toContain('"payload":{"n":12345678901234567890}');
  expect((await server.request('/dashboard/')).text).toContain('<div id="root"');

  // npx itself ends at once; the server it started must not stay behind.
  await server.stop('SIGTERM');
  const directly = await waitFor('the directory to be free', () =>
    startServer({ dataDir, env, cwd: project, command: ['node', bin, 'start'] }),
  );
  expect((await directly.request(`/api/events/${sent.body.id}`)).status).toBe(200);
  expect(await directly.stop('SIGTERM')).toEqual({ code: 0, signal: null });
});
