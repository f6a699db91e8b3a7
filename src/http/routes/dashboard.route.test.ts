import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createHttpDependencies } from '../../testing/http-dependencies.ts';
import { createHttpApp } from '../app.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function setUp(isBuilt: boolean) {
  const root = mkdtempSync(join(tmpdir(), 'esp-dashboard-'));
  closing.push(() => rmSync(root, { recursive: true }));
  const dashboardDir = join(root, 'dist');
  mkdirSync(join(dashboardDir, 'assets'), { recursive: true });
  writeFileSync(join(root, 'secret.txt'), 'secret');
  writeFileSync(join(dashboardDir, 'index.html'), '<!doctype html><title>dashboard</title>');
  writeFileSync(join(dashboardDir, 'theme.js'), 'theme');
  writeFileSync(join(dashboardDir, '.hidden.js'), 'hidden');
  writeFileSync(join(dashboardDir, 'assets', '.hidden.js'), 'hidden');
  mkdirSync(join(dashboardDir, 'folder.js'));
  writeFileSync(join(dashboardDir, 'assets', 'main-abc123.js'), 'main');
  const options = {
    version: '1',
    allowedHosts: [],
    allowedOrigins: [],
    dashboardDir: isBuilt ? dashboardDir : null,
  };
  const app = createHttpApp(createHttpDependencies({ options }).dependencies);
  closing.push(() => app.close());
  return app;
}

describe('the dashboard', () => {
  it('is where / leads', async () => {
    const answer = await setUp(true).inject('/');
    expect([answer.statusCode, answer.headers.location]).toEqual([302, '/dashboard']);
  });

  it.each(['/dashboard', '/dashboard/', '/dashboard/events/018f-1', '/dashboard/failed?state=open'])(
    'has its page at %s',
    async (url) => {
      const answer = await setUp(true).inject(url);
      expect(answer.statusCode).toBe(200);
      expect(answer.headers['content-type']).toMatch(/^text\/html/);
      expect(answer.body).toContain('<title>dashboard</title>');
      expect(answer.headers['cache-control']).toBe('no-cache');
      expect(answer.headers['x-frame-options']).toBe('DENY');
      expect(answer.headers['content-security-policy']).toContain("default-src 'self'");
      expect(answer.headers['content-security-policy']).not.toContain('unsafe');
    },
  );

  it('keeps files whose names carry their hash, and no others', async () => {
    const app = setUp(true);
    const asset = await app.inject('/dashboard/assets/main-abc123.js');
    expect([asset.statusCode, asset.body]).toEqual([200, 'main']);
    expect(asset.headers['content-type']).toMatch(/javascript/);
    expect(asset.headers['cache-control']).toBe('public, max-age=31536000, immutable');
    expect((await app.inject('/dashboard/theme.js')).headers['cache-control']).toBe('no-cache');
  });

  it.each([
    '/dashboard/assets/main-old.js',
    '/dashboard/../secret.txt',
    '/dashboard/..%2fsecret.txt',
    '/dashboard/assets/..%2f..%2fsecret.txt',
    '/dashboard/.hidden.js',
    '/dashboard/assets/.hidden.js',
    '/dashboard/%00.js',
    `/dashboard/${'a'.repeat(400)}.js`,
    '/dashboard/folder.js',
    '/dashboard/theme.js/more.js',
  ])('answers 404 at %s, not the page, and forgets it', async (url) => {
    const answer = await setUp(true).inject(url);
    expect(answer.statusCode).toBe(404);
    expect(answer.json().code).toBe('not_found');
    expect(answer.headers['cache-control']).toBe('no-store');
  });

  it('sends a file again only when it has changed', async () => {
    const app = setUp(true);
    const { etag } = (await app.inject('/dashboard')).headers;
    const again = await app.inject({ url: '/dashboard', headers: { 'if-none-match': String(etag) } });
    expect([again.statusCode, again.body, again.headers['cache-control']]).toEqual([304, '', 'no-cache']);
    const other = await app.inject({ url: '/dashboard', headers: { 'if-none-match': '"another"' } });
    expect(other.statusCode).toBe(200);
  });

  it('answers HEAD with the length alone', async () => {
    const answer = await setUp(true).inject({ method: 'HEAD', url: '/dashboard/theme.js' });
    expect([answer.statusCode, answer.headers['content-length'], answer.body]).toEqual([200, '5', '']);
  });

  it.each(['/dashboard', '/dashboard/events'])('says at %s how to build it where it is not', async (url) => {
    const answer = await setUp(false).inject(url);
    expect(answer.statusCode).toBe(200);
    expect(answer.headers['content-type']).toBe('text/html; charset=utf-8');
    expect(answer.body).toContain('npm run build');
  });
});
