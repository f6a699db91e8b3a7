/**
 * A real browser on the real server's dashboard. Every page is watched: an error on its console, a script that fails or
 * a request to anywhere but the server fails the test that opened it.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect } from 'vitest';
import { projectRoot, type RunningServer } from '../scenarios/harness.ts';
import { findChromium } from './chromium.ts';

const launchArguments = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** How long a page may take for anything: far more than it needs, since the machine may be busy. */
const patienceMs = 15_000;

export interface PageOptions {
  readonly path?: string;
  readonly width?: number;
  readonly height?: number;
  readonly colorScheme?: 'light' | 'dark';
  /** A finger instead of a pointer. */
  readonly hasTouch?: boolean;
  /** A server that is stopped on purpose leaves failed requests on the console. */
  readonly allowsFailedRequests?: boolean;
}

export type Visit = (
  server: Pick<RunningServer, 'url'>,
  options: PageOptions,
  use: (page: Page) => Promise<void>,
) => Promise<void>;

/** One browser for the tests of a file, and a fresh profile for every visit. */
export function useDashboard(): Visit {
  let browser: Browser;

  beforeAll(async () => {
    if (!existsSync(join(projectRoot, 'dashboard', 'dist', 'index.html'))) {
      throw new Error('The dashboard is not built: run `npm run prestart` first.');
    }
    const executablePath = findChromium();
    if (executablePath === null) throw new Error('No Chromium was found: install one or set CHROMIUM_PATH.');
    browser = await chromium.launch({ executablePath, args: launchArguments });
  });

  afterAll(() => browser?.close());

  return async (server, options, use) => {
    const { path = '', width = 1440, height = 900, colorScheme = 'light', hasTouch = false } = options;
    const { allowsFailedRequests = false } = options;
    const context = await browser.newContext({
      viewport: { width, height },
      colorScheme,
      hasTouch,
      isMobile: hasTouch,
    });
    try {
      const page = await context.newPage();
      page.setDefaultTimeout(patienceMs);
      const problems = watch(page, new URL(server.url).origin, allowsFailedRequests);
      await page.goto(`${server.url}/dashboard${path}`);
      await use(page);
      expect(problems).toEqual([]);
    } finally {
      await context.close();
    }
  };
}

function watch(page: Page, origin: string, allowsFailedRequests: boolean): string[] {
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(`script error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() !== 'error' && message.type() !== 'warning') return;
    if (allowsFailedRequests && /Failed to load resource|ERR_/.test(message.text())) return;
    problems.push(`console: ${message.text()}`);
  });
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.origin !== origin && url.protocol !== 'data:') problems.push(`request to ${url.href}`);
  });
  return problems;
}

/** The text of the definition that stands under a term, such as the number under "Duplicates". */
export function numberUnder(page: Page, term: string): Promise<string> {
  return page
    .getByRole('region', { name: 'Numbers' })
    .locator('div', { has: page.getByRole('term').filter({ hasText: new RegExp(`^${term}`) }) })
    .locator('.stat-value')
    .first()
    .innerText();
}

/** Asserts what the page comes to show; vitest alone would wait for a second only. */
export const eventually = <Value>(read: () => Value | Promise<Value>) => expect.poll(read, { timeout: patienceMs });

export const connectionMark = (page: Page) => page.getByRole('status', { name: 'Connection' });

/** Waits until the page shows what the server says now. */
export async function waitUntilLive(page: Page): Promise<void> {
  await connectionMark(page).filter({ hasText: 'Live' }).waitFor();
}
