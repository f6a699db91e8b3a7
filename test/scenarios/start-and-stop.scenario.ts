// The server starts with one command and stops in order when it is told to: what it accepted is stored, its port and
// its directory are free, and the exit code says so.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { LedgerView } from '../../src/http/contract.ts';
import { createTempDir, freePort, lockStore, makeEvent, requireHere, runEsp, startServer, waitFor } from './harness.ts';

const events = Array.from({ length: 5_000 }, (_, n) => makeEvent(n));

it.each(['SIGTERM', 'SIGINT'] as const)('stores what it accepted before it ends on %s', async (signal) => {
  const dataDir = createTempDir();
  const server = await startServer({ dataDir });
  expect((await server.send(events)).body.accepted).toBe(events.length);
  expect(await server.stop(signal)).toEqual({ code: 0, signal: null });

  const next = await startServer({ dataDir });
  expect(await next.settled()).toMatchObject({ stored: events.length, lost: 0, failed: 0, balanced: true });
});

it('takes a signal that arrives twice at once for one', async () => {
  const server = await startServer({ dataDir: createTempDir() });
  process.kill(server.pid, 'SIGINT');
  process.kill(server.pid, 'SIGTERM');
  expect(await server.exited).toEqual({ code: 0, signal: null });
});

it('answers the request that is under way, and ends the live feed, rather than cut or wait for them', async () => {
  const server = await startServer({ dataDir: createTempDir() });
  const live = await fetch(`${server.url}/api/live`);
  // Appended, and answered once it is stored: which the lock on the store puts off until after the stop.
  const lock = await lockStore(join(server.dataDir, 'store.sqlite'));
  const sending = server.send([makeEvent(1)], '/api/events?wait=stored');
  await waitFor('the request to be under way', async () => {
    return (await server.get<LedgerView>('/api/ledger')).in_flight === 1;
  });
  const stopping = server.stop();
  expect((await sending).status).toBe(202);
  expect(await stopping).toEqual({ code: 0, signal: null });
  expect(await live.text()).toContain('event: snapshot');
  await lock.release();
});

it('starts Node with a bound for young generations and one for arenas, where none is given', async (context) => {
  requireHere(context, existsSync('/proc/self/cmdline'), '/proc');
  const readProc = (pid: number, what: 'cmdline' | 'environ') =>
    readFileSync(`/proc/${pid}/${what}`, 'utf8').split('\0');
  const server = await startServer({ dataDir: createTempDir() });
  expect(readProc(server.pid, 'cmdline')).toContain('--max-semi-space-size=8');
  expect(readProc(server.pid, 'environ')).toContain('MALLOC_ARENA_MAX=2');
  await server.stop();

  const own = await startServer({ dataDir: createTempDir(), env: { MALLOC_ARENA_MAX: '5' } });
  expect(readProc(own.pid, 'environ').filter((variable) => variable.startsWith('MALLOC'))).toEqual([
    'MALLOC_ARENA_MAX=5',
  ]);
  await own.stop();

  const other = { NODE_OPTIONS: '--max-semi-space-size=16' };
  const told = await startServer({ dataDir: createTempDir(), env: other });
  expect(readProc(told.pid, 'cmdline').join(' ')).not.toContain('--max-semi-space-size');
  expect(readProc(told.pid, 'environ')).toContain('MALLOC_ARENA_MAX=2');
});

it('npm start hands its SIGTERM on and leaves nothing behind', async () => {
  const dataDir = createTempDir();
  const port = await freePort();
  const server = await startServer({ dataDir, env: { PORT: port }, command: ['npm', 'start'] });
  expect((await server.send([makeEvent(1)])).status).toBe(202);
  expect(await server.stop()).toEqual({ code: 0, signal: null });

  const next = await startServer({ dataDir, env: { PORT: port } });
  expect((await next.settled()).stored).toBe(1);
});

it('a port that is taken is named', async () => {
  const server = await startServer({ dataDir: createTempDir() });
  const port = new URL(server.url).port;
  const { code, stdout, stderr } = await runEsp(['start'], { env: { PORT: port, ESP_DATA_DIR: createTempDir() } });
  expect(code).toBe(1);
  expect(stderr).toContain(port);
  // Whoever reads logs only is told as well.
  expect(stdout).toMatch(new RegExp(`"level":"error".*"error":"[^"]*${port}.*"msg":"process.unstarted"`));
});

it('on an address that others reach it warns', async () => {
  const open = await startServer({ dataDir: createTempDir(), env: { HOST: '0.0.0.0' } });
  expect(open.output()).toMatch(/"level":"warn".*"host":"0.0.0.0".*"msg":"process.exposed"/);
  const own = await startServer({ dataDir: createTempDir() });
  expect(own.output()).not.toContain('process.exposed');
});
