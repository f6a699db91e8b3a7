/**
 * Promise: what real systems send comes back as it was sent. Every example of GitHub's webhooks, sent as an event of
 * its own, in an array and as NDJSON, is read back by its id and in the list as the same JSON value.
 */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { expect, it } from 'vitest';
import type { EventDetail, EventResult } from '../../src/http/contract.ts';
import {
  createTempDir,
  expectEverythingAddsUp,
  projectRoot,
  type RunningServer,
  startServer,
  storedEvents,
} from './harness.ts';

interface Example {
  readonly eventType: string;
  readonly payload: object;
}

function readExamples(): Example[] {
  const directory = join(projectRoot, 'node_modules', '@octokit', 'webhooks-examples');
  return globSync('*/index.json', { cwd: directory })
    .sort()
    .flatMap((file) => {
      const hooks = JSON.parse(readFileSync(join(directory, file), 'utf8')) as { name: string; examples: object[] }[];
      return hooks.flatMap(({ name, examples }) =>
        examples.map((payload) => ({ eventType: `github.${name}`, payload })),
      );
    });
}

const wayNames = ['single', 'array', 'ndjson'] as const;
type Way = (typeof wayNames)[number];

/** Answers the ids in the order of the examples. */
async function sendAll(server: RunningServer, way: Way, examples: readonly Example[]): Promise<string[]> {
  const size = way === 'single' ? 1 : 50;
  const ids: string[] = [];
  for (let from = 0; from < examples.length; from += size) {
    const bodies = examples
      .slice(from, from + size)
      .map(({ eventType, payload }) => JSON.stringify({ event_type: eventType, source: way, payload }));
    const body = { single: bodies[0]!, array: `[${bodies.join(',')}]`, ndjson: bodies.join('\n') }[way];
    const contentType = way === 'ndjson' ? 'application/x-ndjson' : 'application/json';
    const init = { method: 'POST', headers: { 'content-type': contentType }, body };
    const answer = await server.request<EventResult & { results?: EventResult[] }>('/api/events', init);
    expect(answer.status, answer.text.slice(0, 500)).toBe(202);
    for (const result of answer.body.results ?? [answer.body]) {
      if (result.status !== 'accepted') throw new Error(`not accepted: ${JSON.stringify(result)}`);
      ids.push(result.id);
    }
  }
  return ids;
}

it('gives every payload back as it was sent', async () => {
  const examples = readExamples();
  expect(examples.length).toBeGreaterThan(500);
  const server = await startServer({ dataDir: createTempDir('real-payloads') });

  const sent = new Map<string, Example & { way: Way }>();
  for (const way of wayNames) {
    const ids = await sendAll(server, way, examples);
    expect(ids).toHaveLength(examples.length);
    for (const [index, id] of ids.entries()) sent.set(id, { ...examples[index]!, way });
  }
  expect(sent.size).toBe(3 * examples.length);
  const ledger = await expectEverythingAddsUp(server);
  expect(ledger).toMatchObject({ stored: sent.size, duplicate: 0, failed: 0 });

  for (const [id, { eventType, payload, way }] of sent) {
    const event: EventDetail = await server.get(`/api/events/${id}`);
    expect(event).toMatchObject({ id, status: 'stored', event_type: eventType, source: way });
    if (!isDeepStrictEqual(event.payload, payload)) expect(event.payload, eventType).toEqual(payload);
  }
  const listed = await storedEvents(server);
  expect(listed).toHaveLength(sent.size);
  expect(listed.filter(({ id, payload }) => !isDeepStrictEqual(payload, sent.get(id)?.payload))).toEqual([]);
});
