import { expect, it } from 'vitest';
import { differencesOf } from './json-differences.ts';

it('tells what was changed, taken away and added, by its path', () => {
  const before = '{"total": 10.5, "items": [{"sku": "a"}, {"sku": "b"}], "note": "as \\"sent\\"", "gone": null}';
  const after = '{ "items":[{"sku":"a"},{"sku":"c"},7],"total":20.5,"note":"as \\"sent\\"","new":{} }';
  expect(differencesOf(before, after)).toEqual([
    { path: 'total', before: '10.5', after: '20.5' },
    { path: 'items.1.sku', before: '"b"', after: '"c"' },
    { path: 'gone', before: 'null', after: null },
    { path: 'items.2', before: null, after: '7' },
    { path: 'new', before: null, after: '{}' },
  ]);
});

it('compares digit for digit, past what a double holds', () => {
  expect(differencesOf('{"n":12345678901234567890}', '{"n":12345678901234567891}')).toEqual([
    { path: 'n', before: '12345678901234567890', after: '12345678901234567891' },
  ]);
});

it('takes an empty object for something else than an empty array, or than one with something in it', () => {
  expect(differencesOf('{"a":{},"b":[]}', '{"a":[],"b":[0]}')).toEqual([
    { path: 'a', before: '{}', after: '[]' },
    { path: 'b', before: '[]', after: null },
    { path: 'b.0', before: null, after: '0' },
  ]);
});

it.each(['{}', '[]', '7', '"a.b"', '{"a":{"b":[1,[2,{"c":"}"}]]}}'])('finds nothing in %s and itself', (text) => {
  expect(differencesOf(text, ` ${text} `)).toEqual([]);
});
