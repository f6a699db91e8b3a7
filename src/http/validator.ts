import type { Ajv, ValidateFunction } from 'ajv';
import type { FastifySchemaCompiler } from 'fastify';
import type { Schema } from '../domain/json-schema.ts';
import { createAjv } from '../ingest/late-ajv.ts';

const options = {
  allErrors: true,
  verbose: true,
  useDefaults: true,
  strict: false,
  // What the schemas say is checked by tests; to do it at each start takes longer than to compile them.
  meta: false,
  validateSchema: false,
} as const;

/**
 * Checks requests against the contract's schemas. Parameters are text, so their schemas' types are read from it; a body has
 * types of its own and means what it says: `"dry_run": null` must not become false and start what was to be looked at.
 */
export function createValidatorCompiler(): FastifySchemaCompiler<Schema> {
  let ofParameters: Ajv | null = null;
  let ofBodies: Ajv | null = null;
  const compile = (schema: Schema, isBody: boolean) =>
    isBody
      ? (ofBodies ??= createAjv(options)).compile(schema)
      : (ofParameters ??= createAjv({ ...options, coerceTypes: true })).compile(schema);
  return ({ schema, httpPart }) => compiledLate(() => compile(schema, httpPart === 'body'));
}

type Validate = ReturnType<FastifySchemaCompiler<Schema>>;

/** With the first request to its address: most of them are never asked for, and all together they are 15 ms of a start. */
function compiledLate(compile: () => ValidateFunction): Validate {
  let compiled: ValidateFunction | null = null;
  const validate: Validate = (value) => {
    compiled ??= compile();
    const isValid = compiled(value);
    validate.errors = compiled.errors ?? null;
    return isValid;
  };
  return validate;
}
