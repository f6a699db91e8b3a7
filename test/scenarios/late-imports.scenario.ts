// Promise: an embedded server never loads the clients of Kafka, PostgreSQL and Redis, nor what is built on them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createTempDir, projectRoot, startServer } from './harness.ts';

it('an embedded server, which has stored an event, has loaded no client of an outside part', async () => {
  const directory = createTempDir();
  const imports = join(directory, 'imports');
  const preloaded = join(projectRoot, 'test', 'scenarios', 'imports.mjs');
  const server = await startServer({
    dataDir: join(directory, 'data'),
    command: [process.execPath, '--import', preloaded, join(projectRoot, 'bin', 'esp.js'), 'start'],
    env: { ESP_TEST_IMPORTS: imports },
  });
  await server.send([{ event_type: 'a', payload: {} }]);
  expect((await server.settled()).stored).toBe(1);
  await server.stop();

  const loaded = readFileSync(imports, 'utf8').split('\n');
  // It has seen both threads.
  for (const name of ['event-log/segment/writer.ts', 'worker-thread.ts', 'event-store/sqlite/commit.ts']) {
    expect(
      loaded.filter((url) => url.endsWith(name)),
      name,
    ).not.toEqual([]);
  }
  const outside =
    /node_modules\/(@platformatic|pg|pg-[a-z-]+|redis|@redis|ioredis|@ioredis)\/|\.(kafka|postgres|redis)\b|compose\.production/;
  expect(loaded.filter((url) => outside.test(url))).toEqual([]);
});
