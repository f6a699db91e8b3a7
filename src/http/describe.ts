import type { Schema } from '../domain/json-schema.ts';
import type { ProblemCode } from './problems.ts';

/**
 * What /openapi.json says of a route beyond its parameters. Lives in the route's config, so that no route goes without.
 */
export interface RouteDescription {
  readonly summary: string;
  readonly description?: string;
  readonly tag: 'Events' | 'Metrics' | 'Failed events' | 'Operations';
  readonly answers: Readonly<Record<number, AnswerDescription>>;
  /** Codes of the problems it can answer, beside those that every address can. */
  readonly problems: readonly ProblemCode[];
  readonly body?: { readonly contents: Readonly<Record<string, Schema>>; readonly required: boolean };
  readonly headers?: Readonly<Record<string, { readonly description: string }>>;
}

export interface AnswerDescription {
  readonly description: string;
  /** Content type → schema; none: no body. */
  readonly contents?: Readonly<Record<string, Schema>>;
  readonly headers?: Readonly<Record<string, string>>;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    readonly describe?: RouteDescription;
  }
}

export function json(
  description: string,
  schema: Schema,
  headers?: Readonly<Record<string, string>>,
): AnswerDescription {
  return { description, contents: { 'application/json': schema }, ...(headers ? { headers } : {}) };
}
