import { Ajv } from 'ajv';
import type { FastifySchemaCompiler } from 'fastify';
import type { TSchema } from 'typebox';
import { isRfc3339 } from '../domain/rfc3339.ts';

const options = { allErrors: true, verbose: true, useDefaults: true, strict: false } as const;

/**
 * Checks requests against the contract's schemas. Parameters are text, so their schemas' types are read from it; a body has
 * types of its own and means what it says: `"dry_run": null` must not become false and start what was to be looked at.
 */
export function createValidatorCompiler(): FastifySchemaCompiler<TSchema> {
  const ofParameters = new Ajv({ ...options, coerceTypes: true });
  const ofBodies = new Ajv(options);
  for (const ajv of [ofParameters, ofBodies]) ajv.addFormat('date-time', isRfc3339);
  return ({ schema, httpPart }) => (httpPart === 'body' ? ofBodies : ofParameters).compile(schema);
}
