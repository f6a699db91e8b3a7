import { describe, expect, expectTypeOf, it } from 'vitest';
import { type Static, Type } from './json-schema.ts';

const shape = Type.Object(
  {
    name: Type.String({ minLength: 1 }),
    size: Type.Optional(Type.Integer({ minimum: 0 })),
    state: Type.Union([Type.Literal('open'), Type.Literal('done')]),
    parts: Type.Array(Type.Object({ at: Type.Number() }), { minItems: 1 }),
    note: Type.Union([Type.String(), Type.Null()]),
  },
  { additionalProperties: false },
);

describe('a schema', () => {
  it('is JSON Schema', () => {
    expect(shape).toEqual({
      type: 'object',
      required: ['name', 'state', 'parts', 'note'],
      properties: {
        name: { type: 'string', minLength: 1 },
        size: { type: 'integer', minimum: 0 },
        state: {
          anyOf: [
            { type: 'string', const: 'open' },
            { type: 'string', const: 'done' },
          ],
        },
        parts: {
          type: 'array',
          items: { type: 'object', required: ['at'], properties: { at: { type: 'number' } } },
          minItems: 1,
        },
        note: { anyOf: [{ type: 'string' }, { type: 'null' }] },
      },
      additionalProperties: false,
    });
  });

  it('knows the type of what it describes', () => {
    expectTypeOf<Static<typeof shape>>().toEqualTypeOf<{
      name: string;
      size?: number;
      state: 'open' | 'done';
      parts: { at: number }[];
      note: string | null;
    }>();
  });

  it('lends its properties to another one', () => {
    const wider = Type.Object({ ...shape.properties, more: Type.Boolean() });
    expect(wider.properties.name).toBe(shape.properties.name);
    expectTypeOf<Static<typeof wider>>().toHaveProperty('more').toEqualTypeOf<boolean>();
  });

  it('requires nothing where every field may be absent', () => {
    expect(Type.Object({ a: Type.Optional(Type.String()) })).toEqual({
      type: 'object',
      properties: { a: { type: 'string' } },
    });
  });
});
