/**
 * Promise: 202 is sent only after the event is on stable storage. In what the server asks of the system, the write that
 * holds the event goes to a file that was opened to be flushed with each write, or is followed by a flush of that file;
 * and that has ended, well, before the write of the answer begins.
 */
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createTempDir, requireHere, startCommand, startServer, waitFor } from './harness.ts';

const traced = 'openat,write,writev,pwrite64,pwritev,pwritev2,fdatasync,fsync,sendto,sendmsg';

it('flushes the event before it writes the answer', async (context) => {
  const canTrace = spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0;
  requireHere(context, canTrace, 'strace, and the right to use it');
  const directory = createTempDir('flushed');
  const tracePath = join(directory, 'trace');
  // -D: the server, not strace, is the process started here, so that it is the one that is signalled and waited for.
  const strace = ['strace', '-D', '-f', '-yy', '-s', '65536', '-e', `trace=${traced}`, '-o', tracePath];
  const server = await startServer({ dataDir: join(directory, 'data'), command: [...strace, ...startCommand] });

  const post = async () => {
    const id = randomUUID();
    const answer = await server.request('/api/events', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ event_type: 'order.placed', id, payload: {} }),
    });
    expect(answer.status).toBe(202);
    return id;
  };
  const ids: string[] = [];
  for (let n = 0; n < 5; n += 1) ids.push(await post());
  // Several at once share a flush; each of them must have waited for it.
  ids.push(...(await Promise.all(Array.from({ length: 30 }, post))));

  expect(await server.stop()).toEqual({ code: 0, signal: null });
  const ended = `${server.pid} +++ exited with 0 +++`;
  const trace = await waitFor('the end of the trace', () => {
    const text = readFileSync(tracePath, 'utf8').replaceAll(/^(\d+) +/gm, '$1 ');
    return text.includes(ended) && text;
  });
  const calls = parseTrace(trace);
  const flushing = new Set(
    calls.filter(({ name, text }) => name === 'openat' && /\.segment".*O_DSYNC/.test(text)).map(({ result }) => result),
  );
  for (const id of ids) expect(orderOf(calls, id, flushing), id).toEqual({ written: true, flushed: true });
});

interface Call {
  readonly name: string;
  /** Descriptor with what it stands for, such as `24</data/log/000000000001.segment>`. */
  readonly target: string;
  readonly text: string;
  /** What it answered: a count of bytes, 0, or a descriptor with its path. */
  readonly result: string;
  /** Lines of the trace. */
  readonly begunAt: number;
  readonly endedAt: number;
}

/** Whether the event was written to the log, and flushed, all before its answer began. */
function orderOf(calls: readonly Call[], id: string, flushing: ReadonlySet<string>) {
  const toLog = calls.filter(({ target, result }) => target.includes('.segment>') && !result.startsWith('-1'));
  const answer = calls.find(
    ({ target, text }) => target.includes('<TCP') && text.includes('HTTP/1.1 202') && text.includes(id),
  );
  const written = toLog.find(({ name, text }) => name.includes('write') && text.includes(id));
  if (!answer || !written) return { answered: answer !== undefined, written: written !== undefined };
  const flush = flushing.has(written.target)
    ? written
    : toLog.find(
        ({ name, target, begunAt }) =>
          /^f(data)?sync$/.test(name) && target === written.target && begunAt > written.endedAt,
      );
  return { written: true, flushed: flush !== undefined && flush.endedAt < answer.begunAt };
}

/** strace writes a call that another thread's call cuts into as two lines, `<unfinished ...>` and `<... resumed>`. */
function parseTrace(trace: string): Call[] {
  const calls: Call[] = [];
  const unfinished = new Map<string, { name: string; text: string; begunAt: number }>();
  for (const [at, line] of trace.split('\n').entries()) {
    const [, thread = '', rest = ''] = /^(\d+) (.*)$/s.exec(line) ?? [];
    const resumed = /^<\.\.\. (\w+) resumed>(.*)$/s.exec(rest);
    const begun = /^(\w+)\(/.exec(rest);
    if (resumed) {
      const head = unfinished.get(thread);
      if (head && head.name === resumed[1]) calls.push(finish(head.name, head.text + resumed[2], head.begunAt, at));
      unfinished.delete(thread);
    } else if (begun && rest.endsWith('<unfinished ...>')) {
      unfinished.set(thread, { name: begun[1]!, text: rest.slice(0, -'<unfinished ...>'.length), begunAt: at });
    } else if (begun) {
      calls.push(finish(begun[1]!, rest, at, at));
    }
  }
  return calls;
}

function finish(name: string, text: string, begunAt: number, endedAt: number): Call {
  const target = /^\w+\((\d+<.*?>)[,) ]/.exec(text)?.[1] ?? '';
  const result = /\) += (-?\d+(?:<[^>]*>)?)[^=]*$/.exec(text)?.[1] ?? '';
  return { name, target, text, result, begunAt, endedAt };
}
