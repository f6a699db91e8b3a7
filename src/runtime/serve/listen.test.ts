import { get } from 'node:http';
import { text } from 'node:stream/consumers';
import Fastify from 'fastify';
import { expect, onTestFinished, test } from 'vitest';
import { listen } from './listen.ts';

/** An app that tells its name, as each process would. */
async function start(name: string, port: number, reusePort: boolean) {
  const app = Fastify();
  onTestFinished(() => app.close());
  app.get('/', () => name);
  const listening = await listen(app, { host: '127.0.0.1', port, reusePort, portVariable: 'PORT' });
  return { app, port: listening.port };
}

/** Who answers, each time over a connection of its own. Forty of them all at one of two: once in 10^12 runs. */
async function whoAnswers(port: number): Promise<Set<string>> {
  const names = new Set<string>();
  for (let time = 0; time < 40; time += 1) {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    get({ host: '127.0.0.1', port, agent: false }, (response) => resolve(text(response))).on('error', reject);
    names.add(await promise);
  }
  return names;
}

test('a port that another one has is refused, with the variable to change', async () => {
  const { port } = await start('first', 0, true);
  await expect(start('second', port, false)).rejects.toThrow(`Port ${port} is taken on 127.0.0.1`);
});

test.runIf(process.platform === 'linux')(
  'one port is shared by those that agree to, until one of them ends',
  async () => {
    const first = await start('first', 0, true);
    await start('second', first.port, true);
    expect(await whoAnswers(first.port)).toEqual(new Set(['first', 'second']));
    await first.app.close();
    expect(await whoAnswers(first.port)).toEqual(new Set(['second']));
  },
);

test.runIf(process.platform === 'linux')(
  'threads share a port with each other, and with no other process',
  async () => {
    const apps = [Fastify(), Fastify(), Fastify()] as const;
    for (const app of apps) onTestFinished(() => app.close());
    const at = { host: '127.0.0.1', portVariable: 'PORT' };
    const { port } = await listen(apps[0], { ...at, port: 0, amongThreads: 'first' });
    expect(await listen(apps[1], { ...at, port, amongThreads: 'further' })).toEqual({
      url: `http://localhost:${port}`,
      port,
    });
    await expect(listen(apps[2], { ...at, port, amongThreads: 'first' })).rejects.toThrow(`Port ${port} is taken`);
    // Unless the operator says so.
    await listen(apps[2], { ...at, port, amongThreads: 'first', reusePort: true });
  },
);

test('localhost is one address, so that there is one server', async () => {
  const app = Fastify();
  onTestFinished(() => app.close());
  const { url } = await listen(app, { host: 'localhost', port: 0, portVariable: 'PORT' });
  expect(url).toMatch(/^http:\/\/localhost:\d+$/);
  expect(app.addresses()).toMatchObject([{ address: '127.0.0.1' }]);
});
