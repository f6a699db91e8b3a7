// The page never shows old numbers as new: it says that the server is away, and goes on by itself when it is back.
import { expect, it } from 'vitest';
import { createTempDir, makeEvent, startServer } from '../scenarios/harness.ts';
import { connectionMark, eventually, numberUnder, useDashboard, waitUntilLive } from './open-dashboard.ts';

const visit = useDashboard();

it('says that it reconnects while the server is away, and is live after its restart', async () => {
  const dataDir = createTempDir('browser');
  const first = await startServer({ dataDir });
  await first.send([makeEvent(1)]);
  await visit(first, { allowsFailedRequests: true }, async (page) => {
    await waitUntilLive(page);
    await eventually(() => numberUnder(page, 'Events, all time')).toBe('1');

    await first.kill();
    await connectionMark(page).filter({ hasText: 'Reconnecting' }).waitFor();
    // The last numbers stay, with the mark and their time beside them.
    expect(await numberUnder(page, 'Events, all time')).toBe('1');
    await page.getByText(/^numbers of \d\d:\d\d:\d\d$/).waitFor();

    const second = await startServer({ dataDir, env: { PORT: new URL(first.url).port } });
    await waitUntilLive(page);
    expect(await page.getByText(/^numbers of/).count()).toBe(0);
    await second.send([makeEvent(2)]);
    await eventually(() => numberUnder(page, 'Events, all time')).toBe('2');
    await page
      .getByRole('link', { name: /^order\.placed, / })
      .nth(1)
      .waitFor();
  });
});

it('asks again by itself for a list that could not be had while the server was away', async () => {
  const dataDir = createTempDir('browser');
  const first = await startServer({ dataDir });
  await first.send([makeEvent(1)]);
  await first.settled();
  await visit(first, { allowsFailedRequests: true }, async (page) => {
    await waitUntilLive(page);
    await first.kill();
    await connectionMark(page).filter({ hasText: 'Reconnecting' }).waitFor();
    await page.getByRole('link', { name: 'Events', exact: true }).click();
    await page.getByText('The server does not answer').waitFor();

    await startServer({ dataDir, env: { PORT: new URL(first.url).port } });
    await page.getByRole('link', { name: /^order\.placed, / }).waitFor();
  });
});

it('holds the stream still under the pointer', async () => {
  const server = await startServer({ dataDir: createTempDir('browser') });
  await server.send([makeEvent(1, { event_type: 'first.one' })]);
  await visit(server, {}, async (page) => {
    const first = page.getByRole('link', { name: /^first\.one, / });
    await first.hover();
    await page.getByText('paused').waitFor();
    await server.send([makeEvent(2, { event_type: 'second.one' })]);
    await page.getByText('paused, 1 new').waitFor();
    expect(await page.getByRole('link', { name: /^second\.one, / }).count()).toBe(0);

    // Also while one of its events is looked at: its row is where the focus comes back to.
    await first.click();
    const drawer = page.getByRole('dialog', { name: 'first.one' });
    await drawer.waitFor();
    await server.send(Array.from({ length: 30 }, (_, n) => makeEvent(n + 10)));
    await page.getByText(/paused, [2-9]\d? new/).waitFor();
    await page.keyboard.press('Escape');
    await drawer.waitFor({ state: 'hidden' });
    await eventually(() => page.evaluate<string>("document.activeElement.getAttribute('aria-label')")).toMatch(
      /^first\.one, /,
    );

    // The focus is in the row now, so leaving takes both.
    await page.getByRole('heading', { name: 'Overview' }).click();
    await page.mouse.move(5, 5);
    await page
      .getByRole('link', { name: /^order\.placed, / })
      .first()
      .waitFor();
    expect(await page.getByText('paused').count()).toBe(0);
  });
});
