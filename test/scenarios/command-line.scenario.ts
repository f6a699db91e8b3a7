// The command line says what really happened, and its exit code agrees: 0 done, 1 failed, 2 wrong use.
import { once } from 'node:events';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { LedgerView } from '../../src/http/contract.ts';
import { createTempDir, freePort, type RunningServer, runEsp, startServer, waitFor } from './harness.ts';

/** An address at which nothing answers. */
async function nobody() {
  return { ESP_URL: `http://127.0.0.1:${await freePort()}` };
}

function against(server: RunningServer) {
  return { ESP_URL: server.url, ESP_DATA_DIR: server.dataDir };
}

/** Standard output as JSON. */
async function runJson<Value>(args: readonly string[], options: Parameters<typeof runEsp>[1]): Promise<Value> {
  const { stdout } = await runEsp([...args, '--json'], options);
  return JSON.parse(stdout) as Value;
}

describe('esp', () => {
  it('explains itself and its commands, with examples', async () => {
    const { code, stdout } = await runEsp(['--help']);
    expect(code).toBe(0);
    const commands = ['start', 'send', 'seed', 'tail', 'failed', 'verify', 'doctor', 'rebuild-metrics'];
    for (const command of commands) {
      expect(stdout).toContain(`\n  ${command} `);
      const help = await runEsp([command, ...(command === 'failed' ? ['list'] : []), '--help']);
      expect(help).toMatchObject({ code: 0, stderr: '' });
      expect(help.stdout).toContain('$ esp ');
    }
  });

  it.each([
    { args: [], says: 'Usage: esp' },
    { args: ['strat'], says: 'Did you mean start?' },
    { args: ['seed', '--rate', 'fast'], says: '--rate' },
    { args: ['failed', 'show'], says: "missing required argument 'id'" },
    { args: ['failed', 'redrive'], says: 'name the events' },
    { args: ['send', '/nowhere/events.ndjson'], says: '/nowhere/events.ndjson' },
    { args: ['start', '--port', '99999'], says: 'PORT: ' },
  ])('answers $args with 2 and what is wrong', async ({ args, says }) => {
    const { code, stdout, stderr } = await runEsp(args, { env: await nobody() });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(says);
  });

  it('names every variable that is wrong, at once', async () => {
    const { code, stderr } = await runEsp(['start'], { env: { PORT: 'x', ESP_PARTITIONS: '0', KAFKA_BROKERS: 'a:1' } });
    expect(code).toBe(2);
    for (const variable of ['PORT: ', 'ESP_PARTITIONS: ', 'DATABASE_URL, REDIS_URL: '])
      expect(stderr).toContain(variable);
  });

  it.each(['migrate', 'verify', 'doctor', 'topics', 'topics create'])(
    'ends at the first Ctrl-C, whatever it waits for: %s',
    async (command) => {
      // Takes connections, and never says a word.
      const silent = createServer();
      onTestFinished(() => void silent.close());
      await once(silent.listen(0, '127.0.0.1'), 'listening');
      const address = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
      const connected = once(silent, 'connection').then(([socket]: Socket[]) => socket!.resume());
      const outcome = await runEsp(command.split(' '), {
        interruptWhen: connected,
        env: {
          KAFKA_BROKERS: address,
          DATABASE_URL: `postgres://esp@${address}/esp`,
          REDIS_URL: `redis://${address}`,
        },
      });
      expect(outcome).toMatchObject({ code: 130, stdout: '', stderr: 'interrupted\n' });
    },
  );

  it('says how to start a server where none answers', async () => {
    const env = await nobody();
    for (const args of [['tail'], ['seed', '--count', '1'], ['failed', 'list'], ['rebuild-metrics']]) {
      const { code, stderr } = await runEsp(args, { env });
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr: `nothing answers at ${env.ESP_URL}; start it with npm start, or set ESP_URL\n`,
      });
    }
  });

  it('counts what it seeds as the server does, and the same seed again changes nothing', async () => {
    const server = await startServer({ dataDir: createTempDir() });
    const seed = ['seed', '--count', '3000', '--rate', '0', '--seed', '42'];
    type Summary = Record<'sent' | 'accepted' | 'rejected' | 'duplicates_sent' | 'conflicts_sent', number>;

    const first = await runJson<Summary>(seed, { env: against(server) });
    expect(first.sent).toBe(3000);
    expect(first.accepted + first.rejected).toBe(3000);
    const ledger = await server.settled();
    expect(ledger).toMatchObject({
      appended: first.accepted,
      duplicate: first.duplicates_sent,
      failed: first.conflicts_sent,
      balanced: true,
    });

    const again = await runJson<Summary>(seed, { env: against(server) });
    expect(again).toMatchObject({ accepted: first.accepted, rejected: first.rejected });
    expect((await server.settled()).stored).toBe(ledger.stored);
  });

  it('sends files of any form and names each line that was refused', async () => {
    const server = await startServer({ dataDir: createTempDir() });
    const env = against(server);
    const event = (n: number) => `{"event_type":"t","payload":{"n":${n}}}`;

    const bad = await runEsp(['send'], { env, input: `${event(1)}\n\nnonsense\n${event(2)}\n{"payload":{}}\n` });
    expect(bad).toMatchObject({ code: 1, stdout: '2 taken, 2 refused\n' });
    expect(bad.stderr).toMatch(/^line 3 refused: .* at column 1 \(invalid_json\)\nline 5 refused: .*event_type.*\n$/);

    const file = join(createTempDir(), 'events.json');
    writeFileSync(file, `[\n${event(3)},\n${event(4)}\n]`);
    expect(await runEsp(['send', file, '--wait'], { env })).toMatchObject({
      code: 0,
      stdout: '2 taken (2 stored, 0 duplicates, 0 failed, 0 still on their way), 0 refused\n',
    });

    // As npm starts it, in the project's folder and not in the user's.
    const npm = { ...env, npm_lifecycle_event: 'esp', INIT_CWD: dirname(file) };
    expect(await runEsp(['send', 'events.json', '--wait'], { env: npm })).toMatchObject({
      code: 0,
      stdout: '2 taken (2 stored, 0 duplicates, 0 failed, 0 still on their way), 0 refused\n',
    });

    writeFileSync(file, gzipSync(event(5)));
    expect((await runEsp(['send', file], { env })).stderr).toContain('this is gzip');
    writeFileSync(file, `[${event(5)}, {"payload":{}}]`);
    expect((await runEsp(['send', file], { env })).stderr).toMatch(/^event 2 refused: /);
    expect(await runEsp(['send', createTempDir()], { env })).toMatchObject({ code: 2, stdout: '' });

    const lines = Array.from({ length: 25_000 }, (_, n) => event(n)).join('\n');
    const many = ['send', '--idempotency-key', 'import'];
    expect(await runEsp(many, { env, input: lines })).toMatchObject({ code: 0, stdout: '25,000 taken, 0 refused\n' });
    const ledger = await server.settled();
    expect(ledger).toMatchObject({ stored: 25_007, duplicate: 0 });
    await runEsp(many, { env, input: lines });
    expect(await server.settled()).toMatchObject({ stored: 25_007, duplicate: 25_000 });
  });

  it('sits out a restart of the server in the middle of a file', async () => {
    const dataDir = createTempDir();
    const port = await freePort();
    const server = await startServer({ dataDir, env: { PORT: port } });
    const lines = Array.from({ length: 60_000 }, (_, n) => `{"id":"e${n}","event_type":"t","payload":{}}`).join('\n');
    const sending = runEsp(['send'], { env: against(server), input: lines });

    await waitFor('a part to be stored', async () => (await server.get<LedgerView>('/api/ledger')).stored > 5_000);
    await server.kill();
    const next = await startServer({ dataDir, env: { PORT: port } });

    expect(await sending).toMatchObject({ code: 0, stdout: '60,000 taken, 0 refused\n' });
    expect(await next.settled()).toMatchObject({ stored: 60_000, failed: 0, lost: 0, balanced: true });
  });

  it('follows events as they are stored', async () => {
    const server = await startServer({ dataDir: createTempDir() });
    const tail = runEsp(['tail', '--type', 'wanted', '--count', '2', '--json'], { env: against(server) });
    const wanted = Array.from({ length: 2 }, (_, n) => ({ event_type: 'wanted', payload: { n } }));
    // What is there before is shown as well, so it does not matter which of the two is first.
    await server.send([{ event_type: 'other', payload: {} }, ...wanted]);
    const { code, stdout } = await tail;
    expect(code).toBe(0);
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).event_type),
    ).toEqual(['wanted', 'wanted']);
  });

  it('lists, shows, redrives and discards failed events', async () => {
    const server = await startServer({ dataDir: createTempDir() });
    const env = against(server);
    const versions = [1, 2, 3].map((n) => ({ id: 'same', event_type: 't', payload: { n } }));
    for (const version of versions) await server.send([version]);
    await server.settled();

    type Listed = { failed_events: { id: string }[] };
    const { failed_events: failed } = await runJson<Listed>(['failed', 'list'], { env });
    expect(failed).toHaveLength(2);
    const [later, earlier] = failed.map(({ id }) => id) as [string, string];
    expect((await runEsp(['failed', 'show', later], { env })).stdout).toContain('"payload":{"n":3}');
    expect(await runEsp(['failed', 'redrive', '--all', '--dry-run'], { env })).toMatchObject({
      code: 0,
      stdout: '2 would be sent again\n',
    });
    expect(await runEsp(['failed', 'redrive', later], { env })).toMatchObject({
      code: 0,
      stdout: '1 of 1 sent again\n',
    });
    expect(await server.settled()).toMatchObject({ stored: 2, failed: 2 });
    expect((await runEsp(['failed', 'show', later], { env })).stdout).toMatch(
      /^settled .*: stored as event [0-9a-f-]{36}$/m,
    );
    expect(await runEsp(['failed', 'redrive', later], { env })).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/^0 sent again, 1 left out/),
    });
    expect(await runEsp(['failed', 'discard', later, earlier], { env })).toMatchObject({
      code: 1,
      stdout: `${earlier} discarded\n`,
      stderr: expect.stringMatching(`^${later} not discarded: `),
    });
    expect(await server.settled()).toMatchObject({ open_in_inbox: 0 });
    expect((await runEsp(['failed', 'list'], { env })).stdout).toBe('no failed event is open\n');
  });

  it('verifies and examines the data with a server and without one', async () => {
    const dataDir = createTempDir();
    const server = await startServer({ dataDir });
    const env = against(server);
    await server.send(Array.from({ length: 100 }, (_, n) => ({ event_type: 't', payload: { n } })));
    await server.settled();

    for (const where of [server.url, dataDir]) {
      if (where === dataDir) await server.stop();
      const verified = await runEsp(['verify'], { env });
      expect(verified).toMatchObject({
        code: 0,
        stdout: `OK: every number agrees with the stored events (${where})\n`,
      });
      const examined = await runEsp(['doctor'], { env });
      expect(examined.stdout).toContain('100 stored, 0 duplicates, 0 failed, 0 on their way');
      expect(examined.code).toBe(0);
    }
  });

  it('does not open the files of a server that it can not reach', async () => {
    const dataDir = createTempDir();
    const server = await startServer({ dataDir });
    const env = { ...(await nobody()), ESP_DATA_DIR: dataDir };
    for (const args of [['verify'], ['doctor'], ['doctor', '--adopt-log'], ['start', '--port', '0']]) {
      const { code, stdout, stderr } = await runEsp(args, { env });
      expect(code).toBe(1);
      expect(stdout + stderr).toContain(String(server.pid));
    }
    expect((await server.request('/health/ready')).status).toBe(200);
  });

  it('has no opinion on data that is not there', async () => {
    const dataDir = join(createTempDir(), 'none');
    const env = { ...(await nobody()), ESP_DATA_DIR: dataDir };
    expect(await runEsp(['doctor'], { env })).toMatchObject({ code: 0 });
    expect(await runEsp(['verify'], { env })).toMatchObject({ code: 1 });
    mkdirSync(dataDir);
    expect(await runEsp(['doctor'], { env })).toMatchObject({ code: 0 });
    // Looking must not make a store: the next to look would take it for one.
    expect(await runEsp(['verify'], { env })).toMatchObject({ code: 1 });
    expect(readdirSync(dataDir)).toEqual([]);
  });
});
