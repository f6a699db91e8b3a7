/**
 * Promise: a log whose file is deleted under the server is noticed within seconds, also where nothing is sent: it is
 * not ready, and takes nothing; what was answered 202 is known at the next start to be missing.
 */
import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { segmentPath } from '../../src/event-log/segment/files.ts';
import type { ReadinessView } from '../../src/http/contract.ts';
import {
  createTempDir,
  expectEverythingAddsUp,
  makeEvent,
  type RunningServer,
  startServer,
  waitFor,
} from './harness.ts';

const reasonAt = (server: RunningServer, code: string) =>
  waitFor(`/health/ready to say ${code}`, async () => {
    const { status, body } = await server.request<ReadinessView>('/health/ready');
    return status === 503 && body.reasons.find((reason) => reason.code === code);
  });

describe('a log that is gone while the server runs', () => {
  it('is told when it was deleted, and at the next start', async () => {
    const dataDir = createTempDir('deleted-log');
    const server = await startServer({ dataDir });
    expect((await server.send([makeEvent(1)])).status).toBe(202);
    await server.settled();
    rmSync(segmentPath(join(dataDir, 'log'), 1));
    expect((await reasonAt(server, 'log_unavailable')).message).toMatch(/000000000001.segment was deleted/);
    expect((await server.send([makeEvent(2)])).status).toBe(503);
    expect(await server.stop()).toMatchObject({ code: 0 });
    const next = await startServer({ dataDir, waitUntilReady: false });
    await reasonAt(next, 'log_replaced');
  });

  it('is told when it was moved away, and it goes on when it is back', async () => {
    const dataDir = createTempDir('moved-log');
    const server = await startServer({ dataDir });
    expect((await server.send([makeEvent(1)])).status).toBe(202);
    const [directory, elsewhere] = [join(dataDir, 'log'), join(dataDir, 'elsewhere')];
    renameSync(directory, elsewhere);
    await reasonAt(server, 'log_unavailable');
    expect((await server.send([makeEvent(2)])).status).toBe(503);
    renameSync(elsewhere, directory);
    await waitFor('it to be ready again', async () => (await server.request('/health/ready')).status === 200);
    expect((await server.send([makeEvent(2)])).status).toBe(202);
    expect(await expectEverythingAddsUp(server)).toMatchObject({ stored: 2 });
  });
});
