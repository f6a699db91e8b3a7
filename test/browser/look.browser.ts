// Both themes, three widths, the keyboard: nothing is cut off, nothing is too pale to read, everything can be reached.
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import type { FailedEventPage } from '../../src/http/contract.ts';
import { createTempDir, makeEvent, type RunningServer, startServer } from '../scenarios/harness.ts';
import { eventually, useDashboard, waitUntilLive } from './open-dashboard.ts';

const visit = useDashboard();

async function startWithEvents(): Promise<RunningServer> {
  const server = await startServer({ dataDir: createTempDir('browser') });
  // One word of 200 characters: there is no place to break it at.
  const longName = `type.${'long_'.repeat(39)}`;
  const events = Array.from({ length: 40 }, (_, n) =>
    makeEvent(n, { event_type: n % 3 === 0 ? longName : `type.${n}`, payload: { text: 'x'.repeat(400), n } }),
  );
  await server.send(events);
  await server.settled();
  await server.send([makeEvent(3, { event_type: longName, payload: { other: true } })]);
  await server.settled();
  return server;
}

const color = (page: Page, property: string) =>
  page.evaluate<string>(`getComputedStyle(document.documentElement).${property}`);

const sizes = [
  { width: 1440, height: 900 },
  { width: 768, height: 1024 },
  { width: 390, height: 844 },
];

it('fits a desktop, a tablet and a telephone, on every page', async () => {
  const server = await startWithEvents();
  const [failed] = (await server.get<FailedEventPage>('/api/failed-events')).failed_events;
  await visit(server, {}, async (page) => {
    for (const path of ['', '/events', '/failed', '/ledger', `/failed/${failed!.id}`]) {
      await page.goto(`${server.url}/dashboard${path}`);
      await waitUntilLive(page);
      for (const size of sizes) {
        await page.setViewportSize(size);
        const wider = await page.evaluate<number[]>(
          `[document.documentElement, ...document.querySelectorAll('.dialog-head, .dialog-body')].map((part) => part.scrollWidth - part.clientWidth)`,
        );
        expect([path, size.width, Math.max(...wider)]).toEqual([path, size.width, 0]);
      }
    }
  });
});

it('keeps the buttons of a list apart, for a pointer and for a finger', async () => {
  const server = await startWithEvents();
  await server.send(Array.from({ length: 3 }, (_, n) => makeEvent(n + 4, { payload: { other: true } })));
  await server.settled();
  for (const hasTouch of [false, true]) {
    await visit(server, { path: '/failed', width: 768, height: 1024, hasTouch }, async (page) => {
      const buttons = page.getByRole('table').getByRole('button', { name: /^Review / });
      await eventually(() => buttons.count()).toBe(4);
      const boxes = (await Promise.all((await buttons.all()).map((button) => button.boundingBox()))).map((box) => box!);
      for (const box of boxes) expect(box.height).toBeGreaterThanOrEqual(hasTouch ? 36 : 24);
      const gaps = boxes.slice(1).map((box, index) => box.y - boxes[index]!.y - boxes[index]!.height);
      expect(Math.min(...gaps)).toBeGreaterThanOrEqual(8);
    });
  }
});

it('follows the system, and remembers another choice', async () => {
  const server = await startWithEvents();
  await visit(server, { colorScheme: 'dark' }, async (page) => {
    await waitUntilLive(page);
    const dark = await color(page, 'backgroundColor');
    await page.getByRole('button', { name: 'Theme: system' }).click();
    await page.getByRole('button', { name: 'Theme: light' }).waitFor();
    const light = await color(page, 'backgroundColor');
    expect(light).not.toBe(dark);

    await page.reload();
    expect(await color(page, 'backgroundColor')).toBe(light);
    await page.getByRole('button', { name: 'Theme: light' }).click();
    await page.getByRole('button', { name: 'Theme: dark' }).click();
    await page.getByRole('button', { name: 'Theme: system' }).waitFor();
    expect(await color(page, 'backgroundColor')).toBe(dark);
  });
});

/** WCAG 2.2 contrast of two tokens, painted on a canvas so that the browser resolves them. */
const contrastScript = `(pairs) => {
  const probe = document.createElement('span');
  document.body.append(probe);
  const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const luminance = (token) => {
    probe.style.color = 'var(--' + token + ')';
    context.fillStyle = getComputedStyle(probe).color;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...context.getImageData(0, 0, 1, 1).data].map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  return pairs.map(([one, other]) => {
    const [dim, bright] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (bright + 0.05) / (dim + 0.05);
  });
}`;

const surfaces = ['canvas', 'surface', 'surface-raised', 'surface-sunken', 'surface-hover'];
const textPairs = [
  ...['ink', 'ink-soft', 'ink-faint', 'accent', 'bad', 'warn', 'good'].flatMap((ink) =>
    surfaces.map((surface) => [ink, surface] as const),
  ),
  ...['good', 'warn', 'bad', 'accent'].map((tone) => [tone, `${tone}-soft`] as const),
  ...['warn-soft', 'bad-soft', 'accent-soft'].map((soft) => ['ink', soft] as const),
  ['accent-ink', 'accent'] as const,
  ['accent-ink', 'accent-strong'] as const,
  ['accent-ink', 'bad-fill'] as const,
];
const markPairs = ['series-rate', 'series-p50', 'series-p95', 'series-p99', 'focus', 'control-line'].map(
  (mark) => [mark, 'surface'] as const,
);

it.each(['light', 'dark'] as const)('has enough contrast in the %s theme', async (colorScheme) => {
  const server = await startServer({ dataDir: createTempDir('browser') });
  await visit(server, { colorScheme }, async (page) => {
    await page.getByRole('heading', { level: 1 }).waitFor();
    const ratios = async (pairs: readonly (readonly [string, string])[]) =>
      page.evaluate<number[]>(`(${contrastScript})(${JSON.stringify(pairs)})`);
    const tooPale = (pairs: readonly (readonly [string, string])[], measured: number[], least: number) =>
      pairs.flatMap(([one, other], index) =>
        measured[index]! >= least ? [] : [`${one} on ${other}: ${measured[index]!.toFixed(2)}`],
      );
    expect(tooPale(textPairs, await ratios(textPairs), 4.5)).toEqual([]);
    expect(tooPale(markPairs, await ratios(markPairs), 3)).toEqual([]);
  });
});

it('can be used by keyboard alone', async () => {
  const server = await startWithEvents();
  await visit(server, {}, async (page) => {
    await waitUntilLive(page);
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the content');

    await page.getByRole('radio', { name: 'Last 15 minutes' }).focus();
    await page.keyboard.press('ArrowRight');
    await eventually(() => new URL(page.url()).search).toBe('?window=1h');

    const row = page.getByRole('table', { name: 'Recent events, newest first' }).getByRole('link').first();
    await row.focus();
    const name = await row.getAttribute('aria-label');
    await page.keyboard.press('Enter');
    const drawer = page.getByRole('dialog');
    await drawer.waitFor();
    // The focus stays inside the dialog, however often Tab is pressed.
    for (let presses = 0; presses < 12; presses += 1) await page.keyboard.press('Tab');
    expect(
      await page.evaluate(
        "document.activeElement === document.body || document.activeElement.closest('dialog') !== null",
      ),
    ).toBe(true);
    await page.keyboard.press('Escape');
    await drawer.waitFor({ state: 'hidden' });
    await eventually(() => page.evaluate("document.activeElement.getAttribute('aria-label')")).toBe(name);
  });
});
