import { brotliCompressSync, constants, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { accepted, createIngestHarness, eventsIn, minimal, refused, withPayload } from '../testing/ingest-harness.ts';
import type { IngestAnswer } from './ingest-answer.ts';

describe('content types', () => {
  test.each([
    'application/json',
    'application/json; charset=utf-8',
    'Application/JSON;charset="UTF-8"',
    'application/json; profile=x',
    'application/x-ndjson;charset=utf8',
    'application/jsonl',
  ])('%s is taken', async (contentType) => {
    const { submit } = createIngestHarness();
    expect(['accepted', 'many']).toContain((await submit(minimal, { contentType })).kind);
  });

  test.each([
    undefined,
    '',
    'text/plain',
    'application/jsonx',
    'application/json; charset=latin1',
    'application/x-www-form-urlencoded',
  ])('%s is refused with the names of those taken', async (contentType) => {
    const { submit } = createIngestHarness();
    const refusal = refused(await submit(minimal, { contentType }));
    expect(refusal.code).toBe('unsupported_media_type');
    if (!contentType?.includes('charset')) {
      for (const type of ['application/json', 'application/x-ndjson', 'application/jsonl'])
        expect(refusal.detail).toContain(type);
    }
  });
});

describe('content encodings', () => {
  test.each([
    ['gzip', gzipSync],
    ['X-Gzip', gzipSync],
    ['br', brotliCompressSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync],
    ['zstd', zstdCompressSync],
    ['identity', (bytes: Buffer) => bytes],
  ])('%s is taken', async (contentEncoding, compress) => {
    const { log, submit } = createIngestHarness();
    accepted(await submit(compress(Buffer.from(withPayload('{"a":"ä"}'))), { contentEncoding }));
    expect(eventsIn(log)[0]?.payloadJson).toBe('{"a":"ä"}');
  });

  test.each(['gzip, br', 'compress', 'aes128gcm'])('%s is refused', async (contentEncoding) => {
    const { submit } = createIngestHarness();
    expect(refused(await submit(minimal, { contentEncoding })).code).toBe('unsupported_encoding');
  });

  test.each(['gzip', 'br', 'deflate', 'zstd'])('what is not %s is refused', async (contentEncoding) => {
    const { submit } = createIngestHarness();
    expect(refused(await submit(minimal, { contentEncoding })).code).toBe('invalid_encoding');
  });

  test.each([
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
    ['deflate', deflateSync],
    ['zstd', zstdCompressSync],
  ])('%s that is cut off, or goes on after its end, is refused', async (contentEncoding, compress) => {
    const { log, submit } = createIngestHarness();
    const whole = compress(Buffer.from(withPayload(`{"a":"${'xyz'.repeat(100)}"}`)));
    expect(refused(await submit(whole.subarray(0, -3), { contentEncoding })).code).toBe('invalid_encoding');
    const trailed = Buffer.concat([whole, Buffer.from('trailing')]);
    expect(refused(await submit(trailed, { contentEncoding })).code).toBe('invalid_encoding');
    expect(log.appended()).toEqual([]);
  });

  test.each([
    ['gzip', gzipSync],
    ['br', (bytes: Buffer) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } })],
    ['deflate', deflateSync],
    ['zstd', zstdCompressSync],
  ])('a bomb in %s stops at the limit', async (contentEncoding, compress) => {
    const { submit } = createIngestHarness();
    const bomb = compress(Buffer.alloc(100 * 1024 * 1024));
    const before = process.memoryUsage().arrayBuffers;
    const refusal = refused(await submit(bomb, { contentEncoding }));
    expect(refusal).toMatchObject({ code: 'body_too_large', detail: expect.stringContaining('8388608') });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024);
  });
});

test('thirty bodies in gzip at once all come through', async () => {
  const { log, submit } = createIngestHarness();
  const bodies = Array.from({ length: 30 }, (_, n) => gzipSync(withPayload(`{"n":${n}}`)));
  await Promise.all(bodies.map((body) => submit(body, { contentEncoding: 'gzip' })));
  expect(eventsIn(log)).toHaveLength(30);
});

test('compressed bodies that wait for their turn are bounded in bytes', async () => {
  const body = gzipSync(withPayload(`{"a":"${'x'.repeat(600)}"}`), { level: 0 });
  const { submit } = createIngestHarness({ limits: { ingestQueueBytesMax: body.byteLength * 7 } });
  const answers = await Promise.all(Array.from({ length: 20 }, () => submit(body, { contentEncoding: 'gzip' })));
  // Of the other eleven, four that run and seven that wait, the bound of the records may refuse some: that is not
  // judged here.
  const isRefusedUnread = (answer: IngestAnswer) =>
    answer.kind === 'refused' && answer.code === 'queue_full' && answer.detail.includes('compressed');
  expect(answers.filter(isRefusedUnread)).toHaveLength(9);
  expect(answers.slice(0, 4).map(({ kind }) => kind)).toContain('accepted');
});
