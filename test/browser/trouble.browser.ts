// What stands in the way is told at the top of every page, on a telephone too, and never buries the page.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createTempDir, makeEvent, startServer } from '../scenarios/harness.ts';
import { eventually, numberUnder, useDashboard } from './open-dashboard.ts';

const visit = useDashboard();

/** A log that is not the one that was processed halts every partition. */
async function startHalted() {
  const dataDir = createTempDir('browser');
  const first = await startServer({ dataDir });
  await first.send(Array.from({ length: 60 }, (_, n) => makeEvent(n)));
  await first.settled();
  await first.stop();
  rmSync(join(dataDir, 'log'), { recursive: true });
  return startServer({ dataDir, waitUntilReady: false });
}

it('tells a trouble of many partitions in one sentence, and the others when asked', async () => {
  const server = await startHalted();
  await visit(server, { width: 390, height: 844 }, async (page) => {
    const notice = page.getByRole('alert').filter({ hasText: 'The server is not ready.' });
    await notice
      .getByText(/^Partition \d is halted: .*Run: esp doctor$/)
      .first()
      .waitFor();
    expect(
      await notice
        .getByText(/is halted/)
        .filter({ visible: true })
        .count(),
    ).toBe(1);
    expect((await notice.boundingBox())!.height).toBeLessThan(250);

    await notice.getByText('7 more of this kind').click();
    await eventually(() =>
      notice
        .getByText(/is halted/)
        .filter({ visible: true })
        .count(),
    ).toBe(8);
  });
});

it('goes on telling what is stored, where no metrics have been made since the start', async () => {
  const server = await startHalted();
  await visit(server, {}, async (page) => {
    await eventually(() => numberUnder(page, 'Events, all time')).toBe('60');
  });
});

it('shows which partitions are halted without scrolling sideways, and why beside the table', async () => {
  const server = await startHalted();
  await visit(server, { width: 390, height: 844, path: '/ledger' }, async (page) => {
    const table = page.getByRole('table', { name: 'Ledger by partition' });
    const states = table.getByText('Halted', { exact: true });
    await eventually(() => states.count()).toBe(8);
    for (const state of await states.all()) {
      const box = (await state.boundingBox())!;
      expect(box.x + box.width).toBeLessThan(390);
    }
    for (const row of await table.getByRole('row').all()) expect((await row.boundingBox())!.height).toBeLessThan(60);
    const reasons = page.getByRole('list', { name: 'Halted partitions' }).getByRole('listitem');
    expect(await reasons.first().innerText()).toMatch(/^Partition 0 is halted\. .*was processed from the log/);
    expect(await reasons.count()).toBe(8);
  });
});

// Embedded there is no such moment; on Redis the server sends just this (parts-away.scenario.ts).
it('says why there are no numbers, and shows what there is', async () => {
  const server = await startServer({ dataDir: createTempDir('browser') });
  await server.send([makeEvent(1)]);
  const ledger = await server.settled();
  const reasons = [{ code: 'metrics_unavailable', message: 'Redis does not answer' }];
  const snapshot = { metrics: null, ledger, readiness: { ready: true, reasons } };
  await visit(server, {}, async (page) => {
    await page.route('**/api/live*', (route) =>
      route.fulfill({
        contentType: 'text/event-stream',
        body: `event: snapshot\ndata: ${JSON.stringify(snapshot)}\n\n`,
      }),
    );
    await page.reload();
    await page.getByText('The numbers cannot be read now').waitFor();
    await page.getByText('Redis does not answer').first().waitFor();
    expect(await page.getByRole('region', { name: 'Ledger' }).innerText()).toContain('1\nstored');
    await page.getByRole('link', { name: 'Ledger', exact: true }).first().click();
    await page.getByText('Every record is accounted for').waitFor();
  });
});
