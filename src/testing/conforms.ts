import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Schema } from '../domain/json-schema.ts';

const ajv = new Ajv2020({ allErrors: true, strict: false });
ajv.addFormat('date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

/**
 * The violations of a contract's schema, as text; empty where the value conforms. Stricter than the schema itself: a
 * field that it does not know is a violation too, since clients would come to lean on it.
 */
export function violations(schema: Schema, value: unknown): string[] {
  const validate = ajv.compile(closed(schema) as object);
  validate(value);
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
  );
}

function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const copy: Record<string, unknown> = Object.fromEntries(
    Object.entries(schema).map(([key, value]) => [key, closed(value)]),
  );
  if (copy.type === 'object' && copy.properties && copy.additionalProperties === undefined) {
    copy.additionalProperties = Object.keys(copy.properties).length === 0;
  }
  return copy;
}
