import { describe, expect, it } from 'vitest';
import { formatJsonText, layOutJson, parseWithRawPayloads, payloadTextOf, problemOfJsonObject } from './json-text.ts';

describe('parseWithRawPayloads', () => {
  it('keeps every digit of a payload', () => {
    const answer = '{"id":"a","payload":{"n":12345678901234567890.10, "e": 1e400}}';
    expect(parseWithRawPayloads(answer)).toEqual({ id: 'a', payload: '{"n":12345678901234567890.10, "e": 1e400}' });
  });

  it('finds payloads in lists and leaves one inside another alone', () => {
    const answer = '{"events":[{"payload":{"payload":{"a":1}}},{"payload" : {"s":"}\\""},"offset":2}],"left_out":0}';
    expect(parseWithRawPayloads(answer)).toEqual({
      events: [{ payload: '{"payload":{"a":1}}' }, { payload: '{"s":"}\\""}', offset: 2 }],
      left_out: 0,
    });
  });

  it('does not take a value that reads payload for a member', () => {
    expect(parseWithRawPayloads('{"event_type":"payload","payload":null}')).toEqual({
      event_type: 'payload',
      payload: null,
    });
  });

  it('refuses what is not JSON', () => {
    expect(() => parseWithRawPayloads('<html>')).toThrow(SyntaxError);
  });
});

describe('layOutJson', () => {
  it('is the layout that JSON.stringify gives', () => {
    const value = { a: [1, 2, { b: [] }], 'k"{': '},[', c: {}, d: null, e: [[true], [false]], f: 'ü\n' };
    for (const text of [JSON.stringify(value), JSON.stringify(value, null, 7)]) {
      expect(formatJsonText(text)).toBe(JSON.stringify(value, null, 2));
    }
  });

  it('keeps the spelling of numbers', () => {
    expect(formatJsonText('[1.0,-0,1E5,12345678901234567890]')).toBe(
      '[\n  1.0,\n  -0,\n  1E5,\n  12345678901234567890\n]',
    );
  });

  it('tells keys from strings, and numbers from words', () => {
    const kinds = layOutJson('{"a":"b","c":-1,"d":true}').flatMap((line) => line.tokens.map((token) => token.kind));
    expect(kinds.filter((kind) => kind !== 'mark')).toEqual(['key', 'string', 'key', 'number', 'key', 'word']);
  });

  it('takes a lone value', () => {
    expect(formatJsonText(' 42 ')).toBe('42');
    expect(formatJsonText('{}')).toBe('{}');
  });
});

describe('payloadTextOf', () => {
  it('cuts the payload out of a record', () => {
    expect(payloadTextOf('{"id":"x","payload":{"n":1.10}}')).toBe('{"n":1.10}');
  });

  it("takes the record's own one only", () => {
    expect(payloadTextOf('{"a":{"payload":1},"payload":{"n":2}}')).toBe('{"n":2}');
    expect(payloadTextOf('{"a":{"payload":1}}')).toBeNull();
  });

  it('answers null of a record that is no JSON or has none', () => {
    expect(payloadTextOf('{"payload":{')).toBeNull();
    expect(payloadTextOf('{"id":"x"}')).toBeNull();
  });
});

describe('problemOfJsonObject', () => {
  it.each(['', '  ', '[1]', '"a"', '{"a":}', '{"a":1'])('refuses %j', (text) => {
    expect(problemOfJsonObject(text)).toEqual(expect.any(String));
  });

  it('takes an object', () => {
    expect(problemOfJsonObject(' {"a":1} ')).toBeNull();
  });
});
