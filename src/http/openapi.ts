import type { FastifySchema } from 'fastify';
import type { Schema } from '../domain/json-schema.ts';
import * as contract from './contract.ts';
import type { AnswerDescription, RouteDescription } from './describe.ts';
import { type ProblemCode, problemTable } from './problems.ts';

export interface RegisteredRoute {
  readonly method: string;
  readonly url: string;
  readonly schema: FastifySchema | undefined;
  readonly describe: RouteDescription | undefined;
}

type Json = { [key: string]: unknown };

/** Problems that any address can answer, whatever it does. */
const everywhere: readonly ProblemCode[] = ['invalid_request', 'host_not_allowed', 'internal', 'shutting_down'];
const requestIdHeader = { description: 'Names this request in the log', schema: { type: 'string' } };

/** The contract's schemas by name: wherever one of them appears it is referred to. */
const named = new Map<unknown, string>(
  Object.entries(contract)
    .filter(([, value]) => typeof value === 'object')
    .map(([name, schema]) => [schema, name]),
);

/**
 * The OpenAPI 3.1 document, made of the routes as they are registered and the schemas that check requests. Made once,
 * when it is first asked for: by then every route is there.
 */
export function createOpenApi(routes: readonly RegisteredRoute[], version: string): () => string {
  let text: string | null = null;
  return () => {
    text ??= JSON.stringify(document(routes, version));
    return text;
  };
}

function document(routes: readonly RegisteredRoute[], version: string): Json {
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    const { describe } = route;
    // Pages for people, and the files they load, are no part of the API.
    if (!describe) continue;
    const path = route.url.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route, describe) };
  }
  const schemas: Json = {};
  for (const [schema, name] of named) schemas[name] = inlined(schema as Json);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Event Stream Processor',
      version,
      description:
        'Events in, each stored once, and what is happening to them. Every error is a problem document (RFC 9457).',
    },
    servers: [{ url: '/' }],
    paths,
    components: { schemas },
  };
}

function operation({ method, url, schema }: RegisteredRoute, describe: RouteDescription): Json {
  const parameters = [
    ...parametersOf(schema?.params, 'path'),
    ...parametersOf(schema?.querystring, 'query'),
    ...Object.entries(describe.headers ?? {}).map(([name, { description }]) => ({
      name,
      in: 'header',
      description,
      schema: { type: 'string' },
    })),
  ];
  return {
    operationId: operationId(method, url),
    tags: [describe.tag],
    summary: describe.summary,
    ...(describe.description === undefined ? {} : { description: describe.description }),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(describe.body
      ? { requestBody: { required: describe.body.required, content: contents(describe.body.contents) } }
      : {}),
    responses: responses(describe, method === 'GET' ? everywhere : [...everywhere, 'origin_not_allowed']),
  };
}

/** `GET /api/events/:id` → `getApiEventsById` */
function operationId(method: string, url: string): string {
  const words = url
    .replaceAll(':', 'by-')
    .split(/[^a-z\d]+/i)
    .filter((word) => word !== '');
  return method.toLowerCase() + words.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join('');
}

function parametersOf(schema: unknown, place: 'path' | 'query'): Json[] {
  const { properties = {}, required = [] } = (schema ?? {}) as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, { description, ...rest }]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    ...(description === undefined ? {} : { description }),
    schema: rest,
  }));
}

function responses({ answers, problems }: RouteDescription, always: readonly ProblemCode[]): Json {
  const result: Json = {};
  for (const [status, answer] of Object.entries(answers)) result[status] = response(answer);
  const byStatus = Map.groupBy(new Set([...problems, ...always]), (code) => problemTable[code].status);
  for (const [status, codes] of byStatus) {
    const description = codes.map((code) => `\`${code}\`: ${problemTable[code].title}`).join('; ');
    const problem = { 'application/problem+json': { schema: { $ref: '#/components/schemas/ProblemDocument' } } };
    const answer = result[status] as Json | undefined;
    result[status] = answer
      ? {
          ...answer,
          description: `${answer.description}; ${description}`,
          content: { ...(answer.content as Json), ...problem },
        }
      : { description, headers: { 'x-request-id': requestIdHeader }, content: problem };
  }
  return result;
}

function response({ description, contents: schemas, headers = {} }: AnswerDescription): Json {
  const described = Object.entries(headers).map(([name, text]) => [
    name,
    { description: text, schema: { type: 'string' } },
  ]);
  return {
    description,
    headers: { 'x-request-id': requestIdHeader, ...Object.fromEntries(described) },
    ...(schemas ? { content: contents(schemas) } : {}),
  };
}

function contents(schemas: Readonly<Record<string, Schema>>): Json {
  return Object.fromEntries(Object.entries(schemas).map(([type, schema]) => [type, { schema: referred(schema) }]));
}

function referred(schema: unknown): unknown {
  const name = named.get(schema);
  return name === undefined ? inlined(schema) : { $ref: `#/components/schemas/${name}` };
}

function inlined(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(referred);
  if (typeof schema !== 'object' || schema === null) return schema;
  return Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, referred(value)]));
}
