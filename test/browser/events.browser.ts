// The list of events, one event whole, and the addresses of both.
import { expect, it } from 'vitest';
import type { EventPage } from '../../src/http/contract.ts';
import { createTempDir, makeEvent, startServer } from '../scenarios/harness.ts';
import { eventually, useDashboard } from './open-dashboard.ts';

const visit = useDashboard();

it('filters by type and source, from a bar of the overview and by hand, and loads more', async () => {
  const server = await startServer({ dataDir: createTempDir('browser') });
  await server.send(
    Array.from({ length: 130 }, (_, n) =>
      makeEvent(n, { event_type: n % 13 === 0 ? 'a & b 100%+1' : 'order.placed', source: n < 60 ? 'shop' : 'app' }),
    ),
  );
  await server.settled();
  await visit(server, {}, async (page) => {
    const rows = page.getByRole('table', { name: 'Events, newest first' }).locator('tbody').getByRole('row');
    await page
      .getByRole('list', { name: 'Events by type' })
      .getByRole('link', { name: /^a & b/ })
      .click();
    await eventually(() => rows.count()).toBe(10);
    const query = new URL(page.url()).searchParams;
    expect([query.get('event_type'), query.get('last')]).toEqual(['a & b 100%+1', '15m']);

    await page.reload();
    await eventually(() => rows.count()).toBe(10);

    await page.getByRole('button', { name: 'Clear' }).click();
    await eventually(() => rows.count()).toBe(50);
    await page.getByRole('button', { name: 'Load more' }).click();
    await eventually(() => rows.count()).toBe(100);
    await page.getByRole('button', { name: 'Load more' }).click();
    await page.getByText('130 events, no more').waitFor();

    await page.getByRole('textbox', { name: 'Source' }).fill('shop');
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Load more' }).click();
    await page.getByText('60 events, no more').waitFor();

    await page.getByRole('textbox', { name: 'Source' }).fill('nobody');
    await page.keyboard.press('Enter');
    await page.getByText('No event matches').waitFor();
  });
});

it('finds one event by its id, and by the id its client gave', async () => {
  const server = await startServer({ dataDir: createTempDir('browser') });
  await server.send(Array.from({ length: 30 }, (_, n) => makeEvent(n, { id: `order ${n}`, source: 'shop' })));
  await server.settled();
  const { events } = await server.get<EventPage>('/api/events?limit=1');
  const { id } = events[0]!;
  await visit(server, { path: '/events' }, async (page) => {
    const links = page.getByRole('table', { name: 'Events, newest first' }).getByRole('link');
    await eventually(() => links.count()).toBe(30);
    const enter = async (name: string, text: string) => {
      await page.getByRole('textbox', { name }).fill(text);
      await page.keyboard.press('Enter');
    };
    // As it is pasted, with what a selection takes along.
    await enter('Id', ` ${id} `);
    await eventually(() => links.count()).toBe(1);
    expect(await links.first().getAttribute('aria-label')).toContain(id);
    await page.getByRole('button', { name: 'Clear' }).click();
    await eventually(() => links.count()).toBe(30);

    await enter('Id', 'order 7');
    await page.getByText('is looked for under its source').waitFor();
    await enter('Source', 'shop');
    await eventually(() => links.count()).toBe(1);
    await links.first().click();
    await page.getByRole('dialog').getByText('order 7', { exact: true }).waitFor();
  });
});

it('says that it asks, and shows a date and time whole on a telephone', async () => {
  const server = await startServer({ dataDir: createTempDir('browser') });
  await server.send([makeEvent(1)]);
  await server.settled();
  await visit(server, { path: '/events?from=2026-01-01T00:00:00Z', width: 390, height: 844 }, async (page) => {
    const field = page.getByLabel('From');
    expect((await field.boundingBox())!.width).toBeGreaterThan(290);

    const refresh = page.getByRole('button', { name: /^(Refresh|Loading)$/ });
    // Only a list that is there can be asked for anew.
    await page.getByRole('link', { name: /^order\.placed, / }).waitFor();
    process.kill(server.pid, 'SIGSTOP');
    await refresh.click();
    await refresh.filter({ hasText: 'Loading' }).waitFor();
    process.kill(server.pid, 'SIGCONT');
    await refresh.filter({ hasText: 'Refresh' }).waitFor();
  });
});

it('shows a payload digit for digit, and everything that happened', async () => {
  const server = await startServer({ dataDir: createTempDir('browser') });
  const body = '{"id":"order-1","event_type":"order.placed","payload":{"number":12345678901234567890,"price":1.10}}';
  const post = () =>
    server.request<{ id: string }>('/api/events', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
  const { id } = (await post()).body;
  await server.settled();
  await post();
  await server.settled();

  await visit(server, {}, async (page) => {
    await page.getByRole('link', { name: `order.placed, ${id}` }).click();
    const drawer = page.getByRole('dialog', { name: 'order.placed' });
    await drawer.waitFor();
    expect(new URL(page.url()).pathname).toBe(`/dashboard/events/${id}`);
    const payload = await drawer.getByRole('region', { name: 'Payload' }).innerText();
    expect(payload).toContain('12345678901234567890');
    expect(payload).toMatch(/"price": 1\.10?\b/);
    const timeline = await drawer.getByRole('listitem').allInnerTexts();
    expect(timeline.map((entry) => entry.split('\n')[0])).toEqual(['received', 'stored', 'duplicate']);

    // The overview it was opened from is still there behind it, and has the focus back where it was.
    await page.keyboard.press('Escape');
    await drawer.waitFor({ state: 'hidden' });
    expect(new URL(page.url()).pathname).toBe('/dashboard/');
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    await eventually(() => page.evaluate("document.activeElement.getAttribute('aria-label')")).toBe(
      `order.placed, ${id}`,
    );
  });

  await visit(server, { path: `/events/${id}` }, async (page) => {
    await page.getByRole('dialog', { name: 'order.placed' }).waitFor();
    await page.getByRole('button', { name: 'Close' }).click();
    await page.getByRole('heading', { name: 'Events' }).waitFor();
  });
});

it('says what is wrong where an event is not there', async () => {
  const server = await startServer({ dataDir: createTempDir('browser') });
  await server.send([makeEvent(1)]);
  const path = '/events/00000000-0000-4000-8000-000000000000';
  await visit(server, { path, allowsFailedRequests: true }, async (page) => {
    await page.getByRole('dialog').getByRole('alert').filter({ hasText: 'No event with this id' }).waitFor();
  });
});
