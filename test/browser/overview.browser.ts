// The overview tells what the API tells, as it happens, and its address holds what it shows.
import { expect, it } from 'vitest';
import type { LedgerView, MetricsView } from '../../src/http/contract.ts';
import { createTempDir, makeEvent, startServer } from '../scenarios/harness.ts';
import { eventually, numberUnder, useDashboard, waitUntilLive } from './open-dashboard.ts';

const visit = useDashboard();

const typed = (count: number, eventType: string) =>
  Array.from({ length: count }, (_, n) => makeEvent(n, { id: `${eventType}-${n}`, event_type: eventType }));

it('shows the numbers of the API, each event once', async () => {
  const server = await startServer({ dataDir: createTempDir('browser') });
  await server.send([...typed(60, 'order.placed'), ...typed(30, 'order.paid')]);
  await server.send(typed(7, 'order.placed'));
  await server.send([makeEvent(0, { id: 'order.paid-0', event_type: 'order.paid', payload: { other: true } })]);
  await server.settled();
  const ledger = await server.get<LedgerView>('/api/ledger');
  // The metrics follow the store by a moment.
  const allTime = async () => (await server.get<MetricsView>('/api/metrics?window=15m')).all_time;
  await eventually(allTime).toMatchObject({ total: 90, duplicates: 7, failed: 1 });

  await visit(server, {}, async (page) => {
    await eventually(() => numberUnder(page, 'Events, all time')).toBe('90');
    expect(await numberUnder(page, 'Last 15 minutes')).toBe('90');
    expect(await numberUnder(page, 'Duplicates')).toBe('7');
    expect(await numberUnder(page, 'Failed, open')).toBe('1');

    const strip = await page.getByRole('region', { name: 'Ledger' }).innerText();
    expect(ledger.appended).toBe(98);
    expect(strip.replace(/\s+/g, ' ')).toBe(
      '98 appended = 90 stored + 7 duplicate + 1 failed + 0 lost + 0 skipped + 0 in flight Lag 0 records, 0 s Balanced',
    );

    const types = page.getByRole('list', { name: 'Events by type' }).getByRole('link');
    expect(await types.allInnerTexts()).toEqual([
      expect.stringMatching(/^order\.placed\s+60\s+67 %/),
      expect.stringMatching(/^order\.paid\s+30\s+33 %/),
    ]);
  });
});

it('shows an event within a second of its POST', async () => {
  const server = await startServer({ dataDir: createTempDir('browser') });
  await server.send(typed(1, 'warm.up'));
  await visit(server, {}, async (page) => {
    await waitUntilLive(page);
    const tookMs: number[] = [];
    for (let n = 0; n < 5; n += 1) {
      const sentAt = performance.now();
      await server.send([makeEvent(n, { event_type: `live.${n}` })]);
      await page.getByRole('link', { name: new RegExp(`^live\\.${n}, `) }).waitFor();
      tookMs.push(performance.now() - sentAt);
    }
    // The middle one: a single pause of a busy machine is not the dashboard's.
    expect(tookMs.sort((a, b) => a - b)[2]).toBeLessThan(1_000);
    // The ledger's number, which is read once a second.
    await eventually(() => numberUnder(page, 'Events, all time')).toBe('6');
  });
});

it('keeps the window in the address', async () => {
  const server = await startServer({ dataDir: createTempDir('browser') });
  await server.send(typed(3, 'order.placed'));
  await visit(server, {}, async (page) => {
    await page.getByRole('radio', { name: 'Last 6 hours' }).check({ force: true });
    await eventually(() => new URL(page.url()).search).toBe('?window=6h');
    await eventually(() => numberUnder(page, 'Last 6 hours')).toBe('3');
    await page.getByRole('img', { name: /^Events per second in the last 6 hours/ }).waitFor();

    await page.reload();
    await page.getByRole('img', { name: /^Events per second in the last 6 hours/ }).waitFor();
    expect(await page.getByRole('radio', { name: 'Last 6 hours' }).isChecked()).toBe(true);

    await page.getByRole('link', { name: 'Ledger', exact: true }).click();
    await page.getByRole('heading', { name: 'Ledger' }).waitFor();
    await page.getByRole('link', { name: 'Overview', exact: true }).click();
    await eventually(() => new URL(page.url()).search).toBe('?window=6h');
  });
});

it('has a table for every chart', async () => {
  const server = await startServer({ dataDir: createTempDir('browser') });
  await server.send(typed(40, 'order.placed'));
  await server.settled();
  await visit(server, {}, async (page) => {
    for (const title of ['Events per second', 'Latency']) {
      await page.getByRole('button', { name: `Show ${title} as a table` }).click();
    }
    const rates = page.getByRole('table', { name: /^Events per second/ });
    // The count column alone: a rate above none has a decimal.
    await eventually(async () => {
      const counts = await rates.getByRole('cell').filter({ hasText: /^\d+$/ }).allInnerTexts();
      return counts.map(Number).reduce((sum, count) => sum + count, 0);
    }).toBe(40);
    expect(
      await page
        .getByRole('table', { name: /^Latency/ })
        .getByRole('columnheader')
        .allInnerTexts(),
    ).toEqual(['From', 'p50', 'p95', 'p99']);
    await page.getByRole('button', { name: 'Show Latency as a chart' }).click();
    await page.getByRole('img', { name: /^Latency in the last 15 minutes/ }).waitFor();
  });
});
