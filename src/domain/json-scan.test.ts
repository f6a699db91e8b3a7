import { describe, expect, test } from 'vitest';
import { collectGarbage } from '../testing/collect-garbage.ts';
import { createRandom, type Random } from '../testing/random.ts';
import { violationProblems } from './json-problem.ts';
import { createJsonScanner, skipSpace } from './json-scan.ts';
import { lineAndColumn, stringAt, withoutSigns } from './json-text.ts';
import { utf8Text } from './utf8.ts';

const scanner = createJsonScanner();

function scan(text: string): number {
  const json = Buffer.from(text);
  return scanner.value(json, skipSpace(json, 0, json.length), json.length);
}

/** As strict as JSON.parse is with the whole of a text. */
function accepts(text: string): boolean {
  const end = scan(text);
  return end >= 0 && /^[ \t\r\n]*$/.test(Buffer.from(text).subarray(end).toString());
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe('the grammar', () => {
  test.each([
    '{}',
    ' [ ] ',
    '0',
    '-0',
    '1.5e+10',
    '1E-2',
    '"\\u00e4\\n\\/"',
    'true',
    'null',
    '{"a":{"b":[1,{"c":null}]}}',
    '"\u007f\u2028"',
  ])('takes %s', (text) => {
    expect(parses(text)).toBe(true);
    expect(accepts(text)).toBe(true);
  });

  test.each([
    '',
    ' ',
    '{',
    '}',
    '{]',
    '[}',
    '[1,]',
    '[,1]',
    '{"a"}',
    '{"a":}',
    '{"a":1,}',
    '{a:1}',
    "{'a':1}",
    '01',
    '-',
    '+1',
    '1.',
    '.5',
    '1e',
    '1e+',
    '0x10',
    'NaN',
    'Infinity',
    'tru',
    'truee',
    'nul',
    '"',
    '"\\x"',
    '"\\u12"',
    '"\\u12g4"',
    '"a\nb"',
    '"\t"',
    '[1 2]',
    '{"a":1 "b":2}',
    '1 2',
    '\ufeff1',
    '\u00a01',
    '[1]]',
    '/* */1',
  ])('refuses %s', (text) => {
    expect(parses(text)).toBe(false);
    expect(accepts(text)).toBe(false);
  });

  test('says where and what it expected', () => {
    const text = '{\n  "a": 1,\n  "b": tru\n}';
    expect(scan(text)).toBe(-1);
    expect(lineAndColumn(Buffer.from(text), scanner.syntaxError.at)).toEqual({ line: 3, column: 8 });
    expect(scanner.syntaxError.message).toBe('expected a JSON value, found "t"');
  });

  test('stays within its bounds', () => {
    const json = Buffer.from('[1,2] {"a":1} 34');
    expect(scanner.value(json, 0, json.length)).toBe(5);
    expect(scanner.value(json, 6, json.length)).toBe(13);
    expect(scanner.value(json, 14, 15)).toBe(15);
    expect(scanner.value(Buffer.from('"abc"'), 0, 4)).toBe(-1);
    expect(scanner.value(Buffer.from('true'), 0, 3)).toBe(-1);
    expect(scanner.value(Buffer.from('"\\u0041"'), 0, 6)).toBe(-1);
  });
});

test('the fields of an object come with their kinds and places, duplicates included', () => {
  const text = ' {"a" : "x\\ny", "b":[1,"]"], "\\u0061":{"a":1}, "c":-1.5 ,"d":true,"e":null} ';
  const json = Buffer.from(text);
  scan(text);
  const fields = scanner.fields.slice(0, scanner.fieldCount).map((field) => ({
    key: stringAt(json, field.keyStart, field.keyEnd, field.keyEscaped),
    kind: field.kind,
    text: utf8Text(json, field.start, field.end),
  }));
  expect(fields).toEqual([
    { key: 'a', kind: 'string', text: '"x\\ny"' },
    { key: 'b', kind: 'array', text: '[1,"]"]' },
    { key: 'a', kind: 'object', text: '{"a":1}' },
    { key: 'c', kind: 'number', text: '-1.5' },
    { key: 'd', kind: 'boolean', text: 'true' },
    { key: 'e', kind: 'null', text: 'null' },
  ]);
  for (const none of ['{}', '[{"a":1}]', '"a"']) {
    scan(none);
    expect(scanner.fieldCount).toBe(0);
  }
});

describe('limits', () => {
  const found = (text: string) => {
    const json = Buffer.from(text);
    expect(scan(text)).toBe(json.length);
    return violationProblems(scanner, json, 0).map(({ code, path }) => [code, path]);
  };

  test('each is told with its path, all at once', () => {
    expect(
      found('{"payload":{"a":[0,{"b/c~d":1e400}],"n":"x\\u0000","\\ud800":1,"l":["\\udc00x"]},"id":"\\ud83d"}'),
    ).toEqual([
      ['number_out_of_range', '/payload/a/1/b~1c~0d'],
      ['nul_character', '/payload/n'],
      ['lone_surrogate', '/payload/\\ud800'],
      ['lone_surrogate', '/payload/l/0'],
      ['lone_surrogate', '/id'],
    ]);
  });

  test.each([
    '1e308',
    '-1e308',
    '1000e305',
    '0.00001e313',
    `1${'0'.repeat(308)}`,
    '9'.repeat(308),
    '0e999999999999999999999',
    '-0.000e400',
    '1e-400',
    '0e-999999999999999999999',
    `0.${'1'.repeat(400)}`,
    `1.${'1'.repeat(500)}e100`,
    `${'1'.repeat(308)}.${'9'.repeat(400)}`,
  ])('number %s is within', (number) => {
    expect(found(`[${number}]`)).toEqual([]);
  });

  test.each([
    '1.1e308',
    '1e309',
    '-1e400',
    '1.0000000000000000000000000000001e308',
    `1${'0'.repeat(307)}1`,
    `1${'0'.repeat(309)}`,
    '0.00001e314',
    `1e${'9'.repeat(50)}`,
    `${'9'.repeat(309)}`,
    '1e-401',
    '0.1e-400',
    `1e-${'9'.repeat(50)}`,
    `0.${'1'.repeat(401)}`,
  ])('number %s is not', (number) => {
    expect(found(`[${number}]`)).toEqual([['number_out_of_range', '/0']]);
  });

  test('characters outside the BMP are fine, raw and escaped', () => {
    expect(found('["😀","\\ud83d\\ude00","\\uD83D\\uDE00","\\u0001"]')).toEqual([]);
  });

  test('a payload may have 64 levels, its own included', () => {
    const nested = (levels: number) => `{"payload":${'{"a":'.repeat(levels - 1)}{}${'}'.repeat(levels - 1)}}`;
    expect(found(nested(64))).toEqual([]);
    expect(found(nested(65))).toEqual([['nested_too_deep', `/payload${'/a'.repeat(64)}`]]);
  });

  test('a hundred thousand levels are one violation, told in milliseconds', () => {
    const text = '['.repeat(100_000) + ']'.repeat(100_000);
    expect(found(text)).toEqual([['nested_too_deep', '/0'.repeat(64)]]);
    expect(scan('{"a":'.repeat(100_000))).toBe(-1);
  });

  test('no more are kept than an answer lists', () => {
    found(`[${'1e999,'.repeat(1_000)}1]`);
    expect(scanner.violations.length).toBe(100);
  });

  test('a number of a million digits is judged', () => {
    expect(found(`[${'9'.repeat(1_000_000)}]`)).toEqual([['number_out_of_range', '/0']]);
  });
});

test('the minus signs of zeros are noted, and only those', () => {
  const text = '{"a":[-0,-0.0,-0e5,-0.00E-1,0,-1,-0.5,-10,"-0"],"-0":-0}';
  scan(text);
  expect(withoutSigns(Buffer.from(text), 0, text.length, scanner.negativeZeros)).toBe(
    '{"a":[0,0.0,0e5,0.00E-1,0,-1,-0.5,-10,"-0"],"-0":0}',
  );
});

/** The strings and numbers of valid text. */
const tokens = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g;
const negativeZero = /^-[0.]+(?:[eE]|$)/;
const tokensOf = (text: string) => text.match(tokens) ?? [];

/** Of a number, written out without an exponent. */
function decimalsOf(token: string): number {
  const [, digits = '', fraction = '', exponent = '0'] = /^-?(\d+)(?:\.(\d+))?(?:[eE](.+))?$/.exec(token)!;
  return /[1-9]/.test(digits + fraction) ? fraction.length - Number(exponent) : 0;
}

/** Whether valid text keeps the limits on values, asked token by token. */
function isClean(text: string): boolean {
  return tokensOf(text).every((token) => {
    const value: unknown = JSON.parse(token);
    if (typeof value === 'string') return value.isWellFormed() && !value.includes('\0');
    return Math.abs(Number(value)) <= 1e308 && decimalsOf(token) <= 400;
  });
}

const pieces = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"',
  '\\',
  '\\u',
  '0',
  '-',
  '1',
  'e',
  '.',
  'true',
  'null',
  ' ',
  '\n',
  '\0',
];
const strings = [
  '',
  'a',
  '__proto__',
  'ä☃😀',
  '\\n',
  '\\u0041',
  '\\u0000',
  '\\ud83d\\ude00',
  '\\ud83d',
  '\\\\"'.slice(0, 2),
];
const numbers = ['0', '-0', '1', '-1.5', '12345678901234567890', '1e400', '-1e309', '1E-7', '0.1', '1e308'];

function randomText(random: Random, depth: number): string {
  const space = random.pick(['', '', ' ', '\n\t']);
  const kind = random.below(depth > 5 ? 4 : 6);
  if (kind === 0) return space + random.pick(['true', 'false', 'null']);
  if (kind === 1) return space + random.pick(numbers);
  if (kind <= 3) return `${space}"${random.pick(strings)}${random.pick(strings)}"`;
  const members = Array.from({ length: random.below(4) }, () => {
    const value = randomText(random, depth + 1);
    return kind === 4 ? value : `"${random.pick(strings)}"${space}:${value}`;
  });
  return kind === 4 ? `${space}[${members.join(',')}${space}]` : `${space}{${members.join(',')}${space}}`;
}

function mutate(random: Random, text: string): string {
  const at = random.below(text.length + 1);
  const cut = random.below(3);
  return text.slice(0, at) + (random.next() < 0.7 ? random.pick(pieces) : '') + text.slice(at + cut);
}

test('takes what JSON.parse takes and nothing else, and its limits are those of the values', () => {
  const seed = Number(process.env.ESP_TEST_SEED ?? 20260101);
  const random = createRandom(seed);
  let accepted = 0;
  for (let round = 0; round < 40_000; round++) {
    let text = randomText(random, 0);
    for (let mutations = random.below(3); mutations > 0; mutations--) text = mutate(random, text);
    // A mutation may cut a character in half, and then it can't be sent.
    text = text.toWellFormed();
    const label = `seed ${seed}, round ${round}: ${JSON.stringify(text)}`;
    expect(accepts(text), label).toBe(parses(text));
    if (!parses(text)) continue;
    accepted += 1;
    scan(text);
    expect(scanner.violations.length === 0, label).toBe(isClean(text));
    const json = Buffer.from(text);
    expect(scanner.isAscii, label).toBe(json.length === text.length);
    const normal = withoutSigns(json, 0, json.length, scanner.negativeZeros);
    // Not by JSON.parse, which may take one escaped key for another (json-value.ts).
    expect(normal, label).toBe(text.replace(tokens, (token) => (negativeZero.test(token) ? token.slice(1) : token)));
  }
  expect(accepted).toBeGreaterThan(10_000);
});

test('a scanner that is kept holds nothing of what it has scanned', async () => {
  const scanned = ['{"a":"b"}', '["b"]'].map((text) => {
    const json = Buffer.from(text);
    scanner.value(json, 0, json.length);
    return new WeakRef(json);
  });
  const held = () => {
    collectGarbage();
    return scanned.filter((bytes) => bytes.deref() !== undefined).length;
  };
  await expect.poll(held).toBe(0);
});

test('nor does it keep room for as many fields as an object had', () => {
  const json = Buffer.from(`{${Array.from({ length: 10_000 }, (_, n) => `"${n}":0`).join(',')}}`);
  expect(scanner.value(json, 0, json.length)).toBe(json.length);
  expect(scanner.fieldCount).toBe(10_000);
  scan('{"a":1}');
  expect(scanner.fieldCount).toBe(1);
  expect(scanner.fields.length).toBeLessThan(100);
});
