import { Ajv } from 'ajv';
import { expect, test } from 'vitest';
import { limits } from '../domain/limits.ts';
import { isRfc3339 } from '../domain/rfc3339.ts';
import { EventInput } from './event-input.ts';
import { isValidOutline } from './field-problems.ts';

const ajv = new Ajv();
ajv.addFormat('date-time', isRfc3339);
const takenBySchema = ajv.compile(EventInput);

const texts = [
  '',
  'a',
  'order.created',
  'gr\u00f6\u00dfe',
  'tab\t',
  'nul\u0000',
  'del\u007f',
  'c1\u0085',
  '\u{1f600}',
  '2026-01-31T12:00:00Z',
  '2026-02-30T12:00:00Z',
  `2026-01-31T12:00:00.${'1'.repeat(43)}Z`,
  `2026-01-31T12:00:00.${'1'.repeat(44)}Z`,
  ...[limits.eventTypeCharactersMax, limits.idCharactersMax].flatMap((length) => [
    'x'.repeat(length),
    'x'.repeat(length + 1),
    '\u{1f600}'.repeat(length),
    '\u{1f600}'.repeat(length + 1),
  ]),
];
const values: unknown[] = [undefined, null, true, 0, {}, [], ...texts];
const valid = {
  event_type: 'a',
  payload: {},
  id: undefined,
  occurred_at: undefined,
  source: undefined,
  key: undefined,
};

test.each(Object.keys(valid))('of %s exactly those values are valid that the schema takes', (name) => {
  for (const value of values) {
    const outline = { ...valid, [name]: value };
    const sent = Object.fromEntries(Object.entries(outline).filter(([, one]) => one !== undefined));
    expect(isValidOutline(outline), `${name} ${JSON.stringify(value)}`).toBe(takenBySchema(sent));
  }
});
