// A server that has never seen an event shows how to send one, and turns into the live view by itself at the first.
import { expect, it } from 'vitest';
import { createTempDir, startServer } from '../scenarios/harness.ts';
import { eventually, numberUnder, useDashboard } from './open-dashboard.ts';

const visit = useDashboard();

it('shows a command that works, and becomes the live view at the first event', async () => {
  const server = await startServer({ dataDir: createTempDir('browser') });
  await visit(server, {}, async (page) => {
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.getByRole('heading', { name: 'Send your first event' }).waitFor();
    await page.getByRole('button', { name: 'Copy the command' }).click();
    await page.getByText('Copied').waitFor({ state: 'attached' });
    const command = await page.evaluate<string>('navigator.clipboard.readText()');
    expect(command).toContain(`curl -X POST ${server.url}/api/events`);

    // What the shell would make of the command.
    const [, type] = /-H 'content-type: (.*)'/.exec(command)!;
    const [, body] = /-d '(.*)'/s.exec(command)!;
    const answer = await server.request('/api/events', { method: 'POST', headers: { 'content-type': type! }, body });
    expect(answer.status).toBe(202);

    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    await eventually(() => numberUnder(page, 'Events, all time')).toBe('1');
    await page.getByRole('link', { name: /^user\.signed_up, / }).waitFor();
  });
});

it('says on every page that there is nothing yet', async () => {
  const server = await startServer({ dataDir: createTempDir('browser') });
  for (const path of ['/events', '/ledger']) {
    await visit(server, { path }, async (page) => {
      await page.getByRole('heading', { name: 'Send your first event' }).waitFor();
    });
  }
  await visit(server, { path: '/failed' }, async (page) => {
    await page.getByText('Nothing is waiting here').waitFor();
  });
});
