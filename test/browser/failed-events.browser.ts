// What could not be stored is shown whole with its reason, and can be sent through again or put aside.
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import type { EventPage, LedgerView } from '../../src/http/contract.ts';
import { createTempDir, makeEvent, type RunningServer, startServer } from '../scenarios/harness.ts';
import { eventually, numberUnder, useDashboard, waitUntilLive } from './open-dashboard.ts';

const visit = useDashboard();

/** A conflict each: an id that is stored already, with another payload. */
async function startWithConflicts(count: number): Promise<RunningServer> {
  const server = await startServer({ dataDir: createTempDir('browser') });
  const events = (round: number) => Array.from({ length: count }, (_, n) => makeEvent(n, { payload: { n, round } }));
  await server.send(events(1));
  await server.settled();
  await server.send(events(2));
  const ledger = await server.settled();
  expect(ledger.open_in_inbox).toBe(count);
  return server;
}

const openInInbox = async (server: RunningServer) => (await server.get<LedgerView>('/api/ledger')).open_in_inbox;

async function openFirstFailed(page: Page) {
  await page.getByRole('table', { name: 'Failed events, newest first' }).getByRole('link').first().click();
  const drawer = page.getByRole('dialog', { name: 'order.placed' });
  await drawer.waitFor();
  return drawer;
}

it('is shown on the overview as it fails, and redriven from there', async () => {
  const server = await startServer({ dataDir: createTempDir('browser') });
  await server.send([makeEvent(1)]);
  await server.settled();
  await visit(server, {}, async (page) => {
    await waitUntilLive(page);
    await page.getByText('Nothing is waiting here').waitFor();
    await server.send([makeEvent(1, { payload: { other: 'content' } })]);
    const list = page.getByRole('list', { name: 'Open failed events' });
    await list.getByText('order.placed').waitFor();
    await list.getByText('Same id, other content').waitFor();
    await eventually(() => numberUnder(page, 'Failed, open')).toBe('1');

    // It would become a second event, which is not for a click in passing.
    await page.getByRole('button', { name: 'Review order.placed' }).click();
    const drawer = page.getByRole('dialog', { name: 'order.placed' });
    await drawer.getByText('Stored before under its id').waitFor();
    await drawer.getByRole('button', { name: 'Redrive' }).click();
    const box = page.getByRole('dialog', { name: 'Redrive this event' });
    await box.getByText('an event of its own beside that one').waitFor();
    await box.getByRole('button', { name: 'Store as a new event' }).click();
    await box.waitFor({ state: 'hidden' });
    await page.keyboard.press('Escape');
    await page.getByRole('region', { name: 'Jobs' }).getByText('1 event redriven').waitFor();
    await eventually(() => numberUnder(page, 'Failed, open')).toBe('0');
    await eventually(() => numberUnder(page, 'Events, all time')).toBe('2');
    await page.getByText('Nothing is waiting here').waitFor();
    await page.getByRole('button', { name: 'Dismiss' }).click();
    expect(await page.getByText('1 event redriven').count()).toBe(0);
  });
  expect(await openInInbox(server)).toBe(0);
});

it('is redriven with a payload that was mended as text', async () => {
  const server = await startWithConflicts(1);
  await visit(server, { path: '/failed' }, async (page) => {
    const drawer = await openFirstFailed(page);
    await drawer.getByText('Same id, other content').waitFor();
    expect(await drawer.getByRole('region', { name: 'Record' }).innerText()).toContain('"round": 2');
    await drawer.getByRole('row', { name: 'payload.round 1 2' }).waitFor();
    expect(await drawer.getByRole('row').count()).toBe(2);

    await drawer.getByRole('button', { name: 'Redrive' }).click();
    const box = page.getByRole('dialog', { name: 'Redrive this event' });
    const editor = box.getByRole('textbox', { name: 'Payload' });
    await editor.fill('{"n": 0, "mended": 12345678901234567890');
    const confirm = box.getByRole('button', { name: 'Redrive with this payload' });
    expect(await confirm.isDisabled()).toBe(true);
    await editor.fill('[1]');
    await box.getByText('The payload must be a JSON object.').waitFor();

    // The reason stands beside the editor, and an edit outlives a box that was closed to look something up.
    await box.getByText('Same id, other content').waitFor();
    await page.keyboard.press('Escape');
    await box.waitFor({ state: 'hidden' });
    await drawer.getByRole('button', { name: 'Redrive' }).click();
    expect(await editor.inputValue()).toBe('[1]');
    await editor.fill('{"n": 0, "mended": 12345678901234567890}');
    await confirm.click();
    await box.waitFor({ state: 'hidden' });
    await drawer.getByText('Resolved').waitFor();
  });
  const { text } = await server.request('/api/events');
  expect(text).toMatch(/"mended": ?12345678901234567890/);
  expect((await server.get<EventPage>('/api/events')).events).toHaveLength(2);
});

it('is discarded only after a second word', async () => {
  const server = await startWithConflicts(1);
  await visit(server, { path: '/failed' }, async (page) => {
    const drawer = await openFirstFailed(page);
    await drawer.getByRole('button', { name: 'Discard' }).click();
    const box = page.getByRole('dialog', { name: 'Discard this failed event?' });
    await box.getByRole('button', { name: 'Keep it' }).click();
    await box.waitFor({ state: 'hidden' });
    expect(await openInInbox(server)).toBe(1);

    await drawer.getByRole('button', { name: 'Discard' }).click();
    await box.getByRole('button', { name: 'Discard' }).click();
    await box.waitFor({ state: 'hidden' });
    await drawer.getByText('Discarded').first().waitFor();
    await page.keyboard.press('Escape');
    await page.getByText('Nothing is waiting here').waitFor();
    await page.getByRole('radio', { name: 'Discarded' }).check({ force: true });
    await page.getByText('1 failed event, no more').waitFor();
    expect(new URL(page.url()).search).toBe('?state=discarded');
  });
  expect(await openInInbox(server)).toBe(0);
});

it('is redriven in bulk after a count, by the filter in the address', async () => {
  const server = await startWithConflicts(12);
  await visit(server, { path: '/failed?reason=missing_id' }, async (page) => {
    await page.getByText('No failed event matches').waitFor();
    await page.getByRole('combobox', { name: 'Reason' }).selectOption('conflict');
    await page.getByText('12 failed events, no more').waitFor();

    await page.getByRole('button', { name: 'Redrive all that match' }).click();
    const box = page.getByRole('dialog', { name: 'Redrive failed events' });
    await box.getByText('12 open events').waitFor();
    await box.getByText('12 conflicts').waitFor();
    expect(await openInInbox(server)).toBe(12);
    await box.getByRole('button', { name: 'Redrive 12 events' }).click();
    await page.getByRole('region', { name: 'Jobs' }).getByText('12 events redriven').waitFor();
    await page.getByText('No failed event matches').waitFor();
  });
  expect(await openInInbox(server)).toBe(0);
});

it('stays as long as it was made while others come in', async () => {
  const server = await startServer({ dataDir: createTempDir('browser') });
  const events = Array.from({ length: 121 }, (_, n) => makeEvent(n));
  const fail = async (numbers: readonly number[]) => {
    await server.send(numbers.map((n) => makeEvent(n, { payload: { other: n } })));
    await server.settled();
  };
  await server.send(events);
  await server.settled();
  await fail(Array.from({ length: 120 }, (_, n) => n));
  await visit(server, { path: '/failed' }, async (page) => {
    const links = page.getByRole('table', { name: 'Failed events, newest first' }).getByRole('link');
    await eventually(() => links.count()).toBe(50);
    await page.getByRole('button', { name: 'Load more' }).click();
    await eventually(() => links.count()).toBe(100);
    const newest = await links.first().getAttribute('aria-label');

    await fail([120]);
    await eventually(() => links.first().getAttribute('aria-label')).not.toBe(newest);
    expect(await links.count()).toBe(100);
    await page.getByRole('button', { name: 'Load more' }).click();
    await page.getByText('121 failed events, no more').waitFor();

    // Another filter is another list, and begins anew.
    await page.getByRole('radio', { name: 'All' }).check({ force: true });
    await eventually(() => new URL(page.url()).search).toBe('?state=all');
    await eventually(() => links.count()).toBe(50);
  });
});
