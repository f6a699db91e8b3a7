import { describe, expect, it } from 'vitest';
import { type ApiAnswer, type ApiClient, type ApiRequest, UnreachableError } from './api-client.ts';
import { createDelivery } from './deliver.ts';

const lines = ['{"event_type":"a","payload":{}}', '{"event_type":"b","payload":{}}'].map((line) => Buffer.from(line));
const accepted = (id: string) => ({ id, status: 'accepted' });
const retry = (id: string) => ({ id, status: 'retry' });
const receipt = (...results: object[]) => ({
  status: 202,
  body: { results, retry: results.filter((result) => 'status' in result && result.status === 'retry').length },
});
const busy = { status: 503, body: { code: 'queue_full', title: 'full', detail: 'later' }, retryAfter: '0.001' };
const refused = new UnreachableError('http://x', Object.assign(new Error('no'), { code: 'ECONNREFUSED' }));
const broken = new UnreachableError('http://x', Object.assign(new Error('cut'), { code: 'ECONNRESET' }));

type Step = { status: number; body: object; retryAfter?: string } | UnreachableError;

/** A server that answers as it is told, and remembers what it was sent. */
function serve(steps: readonly Step[], { patienceMs = 2_000, waitsForStart = false } = {}) {
  const requests: { path: string; request: ApiRequest }[] = [];
  const client: Pick<ApiClient, 'request' | 'url'> = {
    url: 'http://x',
    async request(path, request = {}): Promise<ApiAnswer> {
      const step = steps[requests.length];
      requests.push({ path, request });
      if (step === undefined) throw new Error('one request too many');
      if (step instanceof UnreachableError) throw step;
      const headers = new Headers(step.retryAfter ? { 'retry-after': step.retryAfter } : {});
      return { status: step.status, headers, text: JSON.stringify(step.body) };
    },
  };
  const deliver = createDelivery({
    client,
    patienceMs,
    waitsForStart,
    waitStored: false,
    signal: new AbortController().signal,
    random: () => 0,
  });
  return { requests, deliver };
}

describe('deliver', () => {
  it('sends lines as NDJSON under the key and answers the results', async () => {
    const { requests, deliver } = serve([receipt(accepted('1'), accepted('2'))]);
    expect(await deliver(lines, 'key-1')).toEqual({ results: [accepted('1'), accepted('2')], retries: 0 });
    expect(requests[0]?.path).toBe('/api/events');
    expect(Buffer.from(requests[0]!.request.body!.bytes).toString()).toBe(`${lines[0]}\n${lines[1]}\n`);
    expect(requests[0]?.request.headers).toEqual({ 'idempotency-key': 'key-1' });
  });

  it.each<[string, Step]>([
    ['the server is busy', busy],
    ['a part was not confirmed', receipt(accepted('1'), retry('2'))],
    ['the connection broke', broken],
  ])('sends the same again under the same key when %s', async (_name, step) => {
    const { requests, deliver } = serve([step, receipt(accepted('1'), accepted('2'))]);
    expect((await deliver(lines, 'key-1')).retries).toBe(1);
    expect(requests[1]).toEqual(requests[0]);
  });

  it('sits a restart out once it has been answered, but not a server that was never there', async () => {
    const { deliver } = serve([receipt(accepted('1')), refused, receipt(accepted('2'))]);
    await deliver(lines.slice(0, 1), 'key-1');
    expect((await deliver(lines.slice(0, 1), 'key-2')).results).toEqual([accepted('2')]);
    await expect(serve([refused]).deliver(lines, 'key-1')).rejects.toThrow(/nothing answers at http:\/\/x/);
    const patient = serve([refused, receipt(accepted('1'), accepted('2'))], { waitsForStart: true });
    expect((await patient.deliver(lines, 'key-1')).retries).toBe(1);
  });

  it('gives up with the last reason when patience ends', async () => {
    const { deliver } = serve([{ ...busy, retryAfter: '0.05' }, busy], { patienceMs: 40 });
    await expect(deliver(lines, 'key-1')).rejects.toThrow(/full: later \(queue_full\)/);
  });

  it('tells which event is wrong when all of them are', async () => {
    const errors = [
      { path: '/1/payload', code: 'type', message: 'must be an object' },
      { path: '/0', code: 'required', message: 'event_type is missing' },
    ];
    const problem = { code: 'invalid_event', title: 'not valid', detail: 'nothing is', errors };
    const { deliver } = serve([{ status: 422, body: problem }]);
    expect((await deliver(lines, 'key-1')).results).toEqual([
      { status: 'rejected', error: { ...errors[1], path: '' } },
      { status: 'rejected', error: { ...errors[0], path: '/payload' } },
    ]);
  });

  it.each([413, 503])('does not repeat what can never be taken (%d)', async (status) => {
    const problem = { code: 'body_too_large', title: 'too large', detail: 'send less', retriable: false };
    const { requests, deliver } = serve([{ status, body: problem }]);
    await expect(deliver(lines, 'key-1')).rejects.toThrow('too large: send less (body_too_large)');
    expect(requests).toHaveLength(1);
  });
});
