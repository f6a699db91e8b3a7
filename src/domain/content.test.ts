import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { ContentHashes, hashContent, sameContent } from './content.ts';
import type { EventContent } from './event.ts';

const content = (payloadJson: string, more: Partial<EventContent> = {}): EventContent => ({
  eventType: 'a',
  source: null,
  occurredAt: null,
  payloadJson,
  ...more,
});
const same = (a: string, b: string) => sameContent(content(a), content(b));

test('keys with escapes are known again whatever the engine has parsed before', () => {
  // It keeps the shape of objects for as long as one of them lives, and expects its next key.
  const shapes = Array.from({ length: 3 }, () => JSON.parse('{"engine":1,"\\\\":2}') as object);
  expect(same('{"engine":1,"\\u0001":2}', '{"\\u0001":2,"engine":1}')).toBe(true);
  expect(same('{"engine":1,"\\u0001":2}', '{"engine":1,"\\u0002":2}')).toBe(false);
  expect(shapes).toHaveLength(3);
});

describe('payloads are the same', () => {
  test.each([
    ['white space', '{"a":[1,2]}', '{ "a" :\n[1 ,2]\t}'],
    ['key order', '{"a":1,"b":{"c":2,"d":3}}', '{"b":{"d":3,"c":2},"a":1}'],
    ['spelling of numbers', '{"a":[1,1.0,1e0,100e-2,10E-1]}', '{"a":[1.00,1,0.1e1,1,1]}'],
    ['zeros', '{"a":[0,-0,0.0,-0e9]}', '{"a":[0,0,0,0]}'],
    ['large numbers', '{"a":1e308}', `{"a":1${'0'.repeat(308)}}`],
    ['small numbers', '{"a":1e-400}', '{"a":10e-401}'],
    ['exponents beyond any integer', `{"a":1e-${'9'.repeat(30)}}`, `{"a":0.1e-${'9'.repeat(29)}8}`],
    ['escapes', '{"\\u0061":"\\u00e4\\/\\ud83d\\ude00"}', '{"a":"ä/😀"}'],
    ['of a duplicate key the last wins', '{"a":1,"a":{"b":2},"\\u0061":3}', '{"a":3}'],
    ['__proto__ is a key', '{"__proto__":{"a":1}}', '{"__proto__": {"a":1.0}}'],
    ['strings that look like structure', '{"a":"},{[]:\\"\\\\"}', '{"a": "},{[]:\\"\\u005c"}'],
  ])('%s', (_name, a, b) => {
    expect(same(a, b)).toBe(true);
    expect(same(b, a)).toBe(true);
  });
});

describe('payloads differ', () => {
  test.each([
    ['2^53 and 2^53 + 1', '{"a":9007199254740992}', '{"a":9007199254740993}'],
    ['the 40th decimal', `{"a":0.${'1'.repeat(40)}}`, `{"a":0.${'1'.repeat(39)}2}`],
    ['what underflows a double', '{"a":1e-400}', '{"a":0}'],
    ['sign', '{"a":1}', '{"a":-1}'],
    ['number and string', '{"a":1}', '{"a":"1"}'],
    ['null and absent', '{"a":null}', '{}'],
    ['false and null', '{"a":false}', '{"a":null}'],
    ['empty array and object', '{"a":[]}', '{"a":{}}'],
    ['order of items', '{"a":[1,2]}', '{"a":[2,1]}'],
    ['one item more', '{"a":[1]}', '{"a":[1,1]}'],
    ['one key more', '{"a":1}', '{"a":1,"b":1}'],
    ['other key, as many', '{"a":1,"b":1}', '{"a":1,"c":1}'],
    ['where brackets close', '{"a":[[1],2]}', '{"a":[[1,2]]}'],
    ['__proto__ and its absence', '{"__proto__":{"a":1}}', '{}'],
    ['composed and decomposed characters', '{"a":"\u00e4"}', '{"a":"a\u0308"}'],
  ])('%s', (_name, a, b) => {
    expect(same(a, b)).toBe(false);
    expect(same(b, a)).toBe(false);
  });
});

test('depth is no matter', () => {
  const nested = (levels: number, inner: string) => '{"a":['.repeat(levels) + inner + ']}'.repeat(levels);
  expect(same(nested(32, '1.0'), nested(32, '1'))).toBe(true);
  expect(same(nested(50_000, '1.0'), nested(50_000, '1'))).toBe(true);
  expect(same(nested(50_000, '1'), nested(50_000, '2'))).toBe(false);
});

test('a large payload is compared in a moment', () => {
  const items = (spelling: string) => `{"a":[${Array.from({ length: 20_000 }, () => spelling).join(',')}]}`;
  expect(same(items('{"k":1.0}'), items('{"k":1}'))).toBe(true);
});

test.each([
  ['of many items', `{"a":[${'0,'.repeat(100_000)}0.1]}`, '{"a":[]}'],
  ['whose duplicate keys leave little of it', `{${'"a":0,'.repeat(40_000)}"a":0.1}`, `{"a":0.1${'0'.repeat(40)}1}`],
])('a large payload %s is compared with thousands of others in a moment', (_name, large, other) => {
  const startedAt = performance.now();
  // As a store gives them: equal texts, not one string.
  for (let n = 0; n < 1_000; n += 1) expect(same(`{ ${large.slice(1)}`, other)).toBe(false);
  // Some 30 ms a comparison, and nothing else is stored meanwhile, if the large one is read each time.
  expect(performance.now() - startedAt).toBeLessThan(10_000);
});

test.each([
  ['eventType', 'b'],
  ['source', 's'],
  ['occurredAt', '2026-01-01T00:00:00Z'],
])('%s is content', (field, value) => {
  const other = content('{}', { [field]: value });
  expect(sameContent(content('{}'), other)).toBe(false);
  expect(hashContent(other)).not.toEqual(hashContent(content('{}')));
});

test('occurred_at counts as it was sent', () => {
  const at = (occurredAt: string) => content('{}', { occurredAt });
  expect(sameContent(at('2026-01-01T00:00:00Z'), at('2026-01-01T00:00:00+00:00'))).toBe(false);
});

describe('the hash', () => {
  test('is 16 bytes of SHA-256 over these bytes', () => {
    const hashed = hashContent(content('{"ä":1}', { source: 'größe' }));
    const expected = createHash('sha256').update('1:a5:größe-{"ä":1}').digest('hex').slice(0, 32);
    expect(hashed).toBe(expected);
  });

  test('does not take one content for another, however its parts are cut', () => {
    const hashes = [
      content('{}', { eventType: 'ab', source: 'c' }),
      content('{}', { eventType: 'a', source: 'bc' }),
      content('{}', { eventType: 'a', source: '' }),
      content('{}', { eventType: 'a' }),
      content('{}', { eventType: 'a', source: '-' }),
      content('{}', { eventType: 'a', occurredAt: '-' }),
      content('{}', { eventType: 'a-', source: null }),
      content('1:{}', { eventType: 'a' }),
    ].map(hashContent);
    expect(new Set(hashes).size).toBe(hashes.length);
  });

  test('of many contents is the same', () => {
    const contents = ['{}', '{"a":1}', '{"ä":"größe"}'].map((payload) => content(payload));
    const hashes = new ContentHashes(contents.length);
    for (const [nth, each] of contents.entries()) hashes.set(nth, each);
    expect(contents.map((_, nth) => hashes.get(nth))).toEqual(contents.map(hashContent));
    const target = Buffer.alloc(18, 0xee);
    hashes.write(1, target, 1);
    expect(target.toString('hex')).toBe(`ee${hashContent(contents[1]!)}ee`);
  });
});
