/**
 * Promise: `esp verify` finds what disagrees. A stored event, an inbox row, a count of the metrics, a total or a
 * position of progress that was changed by hand in the store's file is told in a readable line, and the exit code is 1;
 * on an untouched store it finds nothing. It works on the files while no server runs, and through a running server.
 */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import type { VerifyView } from '../../src/http/contract.ts';
import { createTempDir, freePort, makeEvent, runEsp, startServer } from './harness.ts';

const sent = 300;
const conflicts = 5;

async function makeStore(): Promise<string> {
  const dataDir = createTempDir('verify');
  const server = await startServer({ dataDir });
  const events = Array.from({ length: sent }, (_, n) =>
    makeEvent(n, { event_type: n % 3 === 0 ? 'order.paid' : 'order.placed' }),
  );
  expect((await server.send(events)).status).toBe(202);
  const others = Array.from({ length: conflicts }, (_, n) => makeEvent(n, { payload: { other: n } }));
  expect((await server.send(others)).status).toBe(202);
  const ledger = await server.settled();
  expect(ledger).toMatchObject({ stored: sent, failed: conflicts });
  expect(await server.stop()).toMatchObject({ code: 0 });
  return dataDir;
}

interface Tampering {
  readonly what: string;
  readonly sql: string;
  readonly code: string;
  readonly line: RegExp;
}

const tamperings: readonly Tampering[] = [
  {
    what: 'a stored event that was deleted',
    sql: "DELETE FROM events WHERE row_no = (SELECT min(row_no) FROM events WHERE event_type = 'order.paid')",
    code: 'rows_differ',
    line: /^rows_differ: Log 1, partition \d+: rows stored and not pruned: (\d+) by count, (\d+) in the table\.$/m,
  },
  {
    what: 'an inbox row that was deleted',
    sql: 'DELETE FROM inbox WHERE id = (SELECT min(id) FROM inbox)',
    code: 'inbox_differs',
    line: /^inbox_differs: Log 1, partition \d+: rows in the inbox or pruned from it: \d+ by count, \d+ in the table\.$/m,
  },
  {
    what: 'a count of the metrics that was changed',
    sql: `UPDATE rollup_counts SET stored = stored + 7
      WHERE (partition, at, event_type) = (SELECT partition, at, event_type FROM rollup_counts WHERE stored > 0 LIMIT 1)`,
    code: 'rollups_differ',
    line: /^rollups_differ: Partition \d+, type order\.\w+: the total counts \d+ stored, the rollups \d+\.$/m,
  },
  {
    what: 'a total that was changed',
    sql: `UPDATE type_totals SET duplicate = duplicate + 1
      WHERE (partition, event_type) = (SELECT min(partition), event_type FROM type_totals)`,
    code: 'total_differs',
    line: /^total_differs: Partition \d+: progress counts 0 duplicate, the totals 1\.$/m,
  },
  {
    what: 'an event moved to another position',
    sql: 'UPDATE events SET log_offset = 1000000 WHERE row_no = (SELECT min(row_no) FROM events)',
    code: 'out_of_range',
    line: /^out_of_range: There is a stored event at log 1, partition \d+, offset 1000000, outside of what was processed/m,
  },
  {
    what: 'an event moved to another time',
    sql: 'UPDATE events SET received_at = received_at - 7200000 WHERE row_no = (SELECT min(row_no) FROM events)',
    code: 'uncovered',
    line: /^uncovered: Partition \d+, type order\.\w+, 3600 s from .*: 1 rows are counted by no rollup\.$/m,
  },
];

function change(dataDir: string, sql: string): void {
  const database = new DatabaseSync(join(dataDir, 'store.sqlite'));
  const { changes } = database.prepare(sql).run();
  database.close();
  expect(changes).toBe(1);
}

describe('esp verify', () => {
  it('finds nothing on an untouched store, and every tampering of a stopped one', async () => {
    const dataDir = await makeStore();
    const pristine = join(createTempDir('pristine'), 'store.sqlite');
    copyFileSync(join(dataDir, 'store.sqlite'), pristine);
    // Nobody listens there: the command line then opens the files itself.
    const env = { ESP_DATA_DIR: dataDir, ESP_URL: `http://127.0.0.1:${await freePort()}` };

    const clean = await runEsp(['verify'], { env });
    expect(clean).toMatchObject({ code: 0, stdout: `OK: every number agrees with the stored events (${dataDir})\n` });

    for (const { what, sql, code, line } of tamperings) {
      copyFileSync(pristine, join(dataDir, 'store.sqlite'));
      change(dataDir, sql);
      const found = await runEsp(['verify'], { env });
      expect(found.code, what).toBe(1);
      expect(found.stdout, what).toMatch(line);
      expect(found.stdout, what).toContain(code);
      expect(found.stderr, what).toMatch(/^\d+ discrepancies found/m);
    }

    copyFileSync(pristine, join(dataDir, 'store.sqlite'));
    expect((await runEsp(['verify', '--json'], { env })).code).toBe(0);
  });

  it('finds it through a running server too', async () => {
    const dataDir = await makeStore();
    const { sql, code, line } = tamperings[0]!;
    change(dataDir, sql);
    const server = await startServer({ dataDir });
    const found = await runEsp(['verify'], { env: { ESP_URL: server.url } });
    expect(found).toMatchObject({ code: 1, stdout: expect.stringMatching(line) });

    // While it runs as well, and as JSON.
    change(dataDir, tamperings[1]!.sql);
    const asJson = await runEsp(['verify', '--json'], { env: { ESP_URL: server.url } });
    expect(asJson.code).toBe(1);
    const view = JSON.parse(asJson.stdout) as VerifyView & { ok: boolean };
    expect(view.ok).toBe(false);
    expect(view.discrepancies.map((found) => found.code)).toEqual(expect.arrayContaining([code, tamperings[1]!.code]));
  });
});
