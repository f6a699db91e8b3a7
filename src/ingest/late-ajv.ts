import { createRequire } from 'node:module';
import type { Ajv, Options } from 'ajv';
import { isRfc3339 } from '../domain/rfc3339.ts';

const load = createRequire(import.meta.url);

// That the schemas are schemas is checked by tests: at a start it takes longer than to compile them.
const always = { allErrors: true, meta: false, validateSchema: false } as const satisfies Options;

/**
 * A validator, of a library that is loaded with the first of them, in some 20 ms: its 70 modules are 3 MB of an idle
 * server. An event as it should be needs none (ingest looks by hand first), nor do health checks and metrics; the first
 * request with parameters does.
 */
export function createAjv(options: Options = {}): Ajv {
  const { Ajv: Made } = load('ajv') as typeof import('ajv');
  const ajv = new Made({ ...always, ...options });
  ajv.addFormat('date-time', isRfc3339);
  return ajv;
}
