import type { Ajv, Options, ValidateFunction } from 'ajv';
import type { FastifySchemaCompiler } from 'fastify';
import type { Schema } from '../domain/json-schema.ts';
import { createAjv } from '../ingest/late-ajv.ts';

const options = { verbose: true, useDefaults: true, strict: false } as const;

/**
 * Checks requests against the contract's schemas. Parameters are text, so their schemas' types are read from it; a body
 * has types of its own and means what it says: `"dry_run": null` must not become false and start what was to be looked
 * at.
 */
export function createValidatorCompiler(): FastifySchemaCompiler<Schema> {
  const ofParameters = compilerOf({ ...options, coerceTypes: true });
  const ofBodies = compilerOf(options);
  return ({ schema, httpPart }) => compiledLate(() => (httpPart === 'body' ? ofBodies : ofParameters)(schema));
}

/** Makes the validator for its first schema. */
function compilerOf(options: Options): (schema: Schema) => ValidateFunction {
  let ajv: Ajv | null = null;
  return (schema) => {
    ajv ??= createAjv(options);
    return ajv.compile(schema);
  };
}

type Validate = ReturnType<FastifySchemaCompiler<Schema>>;

/**
 * With the first request to its address: most of them are never asked for, and all together they are 15 ms of a start.
 */
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
