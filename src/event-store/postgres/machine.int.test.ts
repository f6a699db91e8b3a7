import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, rmSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { StartupError, UnavailableError } from '../../domain/failure.ts';
import { storeConsumer } from '../../domain/inbox.ts';
import { decideBatch } from '../../processing/decide-batch.ts';
import { batchOf, claimOf, commitBatch, eventsOf, progressOf } from '../../testing/event-store.batches.ts';
import { expectClean } from '../../testing/event-store.contract.harness.ts';
import { queryPostgres } from '../../testing/postgres-store.ts';
import { startPostgres } from '../../testing/stack/postgres.ts';
import { unprivilegedOwner } from '../../testing/stack/server-owner.ts';
import type { EventStore } from '../event-store.ts';
import { createPostgresEventStore } from './event-store.postgres.ts';
import { migratePostgres } from './migrations.ts';

/** What depends on the machine that the server runs on: its disk and its certificate. */
const owner = unprivilegedOwner();

/** A directory that belongs to the server's user. */
function serverDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'esp-postgres-machine-'));
  if (owner) chownSync(directory, owner.uid, owner.gid);
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function open(url: string): Promise<EventStore> {
  const store = await createPostgresEventStore({ url, role: 'owner', eventTypesMax: 100 });
  onTestFinished(() => store.close());
  return store;
}

describe('a full disk', () => {
  /** Why a small disk can't be had here, or null. */
  function mountSmallDisk(directory: string): string | null {
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=40m,mode=0777', 'tmpfs', directory], { stdio: 'pipe' });
    } catch (error) {
      return `a small disk can't be mounted here: ${String(error).split('\n')[0]}`;
    }
    onTestFinished(() => {
      execFileSync('umount', ['--lazy', directory]);
    });
    return null;
  }

  it('is an unavailable store that says so, and goes on where there is room again', async ({ skip }) => {
    const directory = serverDirectory();
    const refusal = mountSmallDisk(directory);
    if (refusal !== null) skip(refusal);
    if (owner) chownSync(directory, owner.uid, owner.gid);
    await using server = await startPostgres();
    await queryPostgres(server.url, `CREATE TABLESPACE small LOCATION '${directory}'`);
    await queryPostgres(server.url, 'CREATE DATABASE tight TABLESPACE small');
    const url = server.urlOf('tight');
    await migratePostgres({ url });
    const ballast = join(directory, 'ballast');
    await writeFile(ballast, Buffer.alloc(16 * 1024 * 1024));

    const store = await open(url);
    let progress = await store.claim(claimOf());
    const large = () => eventsOf(500, (n) => ({ payloadJson: JSON.stringify({ n, text: 'x'.repeat(1_500) }) }));
    const request = await (async () => {
      for (;;) {
        const next = batchOf(progress, large());
        try {
          await store.commit(next, decideBatch);
        } catch (error) {
          expect(error).toMatchObject({ name: 'UnavailableError', code: 'disk_full' });
          return next;
        }
        progress = await progressOf(store);
      }
    })();
    expect(await progressOf(store)).toEqual(progress);
    await expect(store.commit(request, decideBatch)).rejects.toBeInstanceOf(UnavailableError);
    await rm(ballast);
    expect(await store.commit(request, decideBatch)).toMatchObject({ kind: 'committed', alreadyCommitted: false });
    expect((await store.ledger(storeConsumer)).partitions[0]!.outcomes.stored).toBe(progress.nextOffset + 500);
    await expectClean(store);
    await store.close();
  });
});

describe('TLS', () => {
  /** A certificate of its own authority, for `localhost`. */
  function makeCertificate(directory: string): { readonly certificate: string; readonly key: string } {
    const [certificate, key] = [join(directory, 'server.pem'), join(directory, 'server.key')];
    const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
    const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
    execFileSync('openssl', ['req', ...kind, ...name, '-keyout', key, '-out', certificate], { stdio: 'pipe' });
    chmodSync(key, 0o600);
    if (owner) for (const file of [certificate, key]) chownSync(file, owner.uid, owner.gid);
    return { certificate, key };
  }

  it('is spoken and checked as the URL says', async () => {
    const { certificate, key } = makeCertificate(serverDirectory());
    await using server = await startPostgres({
      settings: { ssl: 'on', ssl_cert_file: certificate, ssl_key_file: key },
    });
    const byAddress = server.url;
    const byName = server.url.replace('@127.0.0.1:', '@localhost:');
    await migratePostgres({ url: `${byAddress}?sslmode=require` });

    const root = `sslrootcert=${encodeURIComponent(certificate)}`;
    for (const url of [
      `${byAddress}?sslmode=require`,
      `${byAddress}?sslmode=verify-ca&${root}`,
      `${byName}?sslmode=verify-full&${root}`,
    ]) {
      const store = await open(url);
      const progress = await store.claim(claimOf());
      await commitBatch(store, progress, eventsOf(100));
      const sessions = await queryPostgres(
        byAddress,
        `SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name LIKE 'event-stream%'`,
      );
      expect(sessions, url).toEqual([{ ssl: true }]);
      await store.close();
    }
    for (const url of [
      `${byName}?sslmode=verify-full`,
      `${byName}?sslmode=verify-ca`,
      `${byAddress}?sslmode=verify-full&${root}`,
    ]) {
      await expect(open(url), url).rejects.toThrow(StartupError);
      await expect(open(url), url).rejects.toThrow(/sslmode/);
    }
  });
});
