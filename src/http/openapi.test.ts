import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterEach, describe, expect, it } from 'vitest';
import { createHttpDependencies } from '../testing/http-dependencies.ts';
import { createHttpApp } from './app.ts';
import { problemTable } from './problems.ts';

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly schema: object;
    readonly required: boolean;
  }[];
  readonly requestBody?: { readonly content: object };
  readonly responses: Readonly<
    Record<string, { readonly description: string; readonly content?: Record<string, { schema: object }> }>
  >;
}
interface Document {
  readonly openapi: string;
  readonly info: { readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const app of open.splice(0)) await app.close();
});

async function read() {
  const { dependencies } = createHttpDependencies();
  const app = createHttpApp(dependencies);
  open.push(app);
  const answer = await app.inject('/openapi.json');
  expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
  const document = answer.json() as Document;
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  return { app, document, operations, text: answer.body };
}

describe('/openapi.json', () => {
  it('is OpenAPI 3.1 of this version', async () => {
    const { document } = await read();
    expect(document.openapi).toBe('3.1.0');
    expect(document.info.version).toBe('1.2.3');
  });

  it('lists every address of the API', async () => {
    const { operations } = await read();
    expect(operations.map(({ method, path }) => `${method.toUpperCase()} ${path}`).sort()).toEqual([
      'GET /api/events',
      'GET /api/events/{id}',
      'GET /api/failed-events',
      'GET /api/failed-events/{id}',
      'GET /api/jobs/{id}',
      'GET /api/ledger',
      'GET /api/live',
      'GET /api/metrics',
      'GET /health/live',
      'GET /health/ready',
      'GET /metrics',
      'GET /openapi.json',
      'POST /api/events',
      'POST /api/failed-events/redrive',
      'POST /api/failed-events/{id}/discard',
      'POST /api/failed-events/{id}/redrive',
      'POST /api/metrics/rebuild',
      'POST /api/verify',
    ]);
  });

  it('names every operation once, and every parameter of its path', async () => {
    const { operations } = await read();
    expect(new Set(operations.map(({ operation }) => operation.operationId)).size).toBe(operations.length);
    for (const { path, operation } of operations) {
      expect(operation.summary, path).not.toBe('');
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const described = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
      expect(
        described.map(({ name }) => name),
        path,
      ).toEqual(inPath);
      expect(
        described.every(({ required }) => required),
        path,
      ).toBe(true);
    }
  });

  it('has schemas that compile, and no reference that leads nowhere', async () => {
    const { document, operations, text } = await read();
    for (const [, name] of text.matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
      expect(document.components.schemas, name).toHaveProperty(String(name));
    }
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema(document, 'openapi.json');
    for (const name of Object.keys(document.components.schemas)) {
      expect(() => ajv.compile({ $ref: `openapi.json#/components/schemas/${name}` }), name).not.toThrow();
    }
    for (const { operation } of operations) {
      for (const { schema } of operation.parameters ?? []) expect(() => ajv.compile(schema)).not.toThrow();
    }
    expect(text).toContain('{"$ref":"#/components/schemas/EventView"}');
  });

  it('tells of every answer what it is, and of every error that it is a problem document', async () => {
    const { operations } = await read();
    for (const { path, operation } of operations) {
      expect(Object.keys(operation.responses), path).toContain('500');
      for (const [status, response] of Object.entries(operation.responses)) {
        expect(response.description, `${path} ${status}`).not.toBe('');
        if (Number(status) >= 400)
          expect(response.content, `${path} ${status}`).toHaveProperty(['application/problem+json']);
      }
    }
  });

  it('names every problem code somewhere but those of no address', async () => {
    const { text } = await read();
    const unnamed = Object.keys(problemTable).filter((code) => !text.includes(`\`${code}\``));
    expect(unnamed.sort()).toEqual(['headers_too_large', 'method_not_allowed', 'not_found']);
  });
});

describe('docs/api.md', () => {
  const reference = readFileSync(new URL('../../docs/api.md', import.meta.url), 'utf8');

  it('has every address', async () => {
    const { operations } = await read();
    for (const { method, path } of operations) expect(reference).toContain(`${method.toUpperCase()} ${path}`);
  });

  it('has every problem code, with its status', () => {
    for (const [code, { status }] of Object.entries(problemTable)) {
      expect(reference).toMatch(new RegExp(`^\\| ${status} \\| .*\`${code}\``, 'm'));
    }
  });

  it('has every field of the answers', async () => {
    const { document } = await read();
    const fields = Object.values(document.components.schemas).flatMap((schema) =>
      Object.keys((schema as { properties?: object }).properties ?? {}),
    );
    for (const field of new Set(fields)) expect(reference).toContain(field);
  });
});
