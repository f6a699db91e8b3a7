import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { StartupError } from '../../domain/failure.ts';
import { temporaryDirectory } from '../../testing/temporary-store.ts';
import { readServerAddress } from './url.ts';

const base = 'postgres://esp:p%40ss@db.internal:5433/events';

describe('the address of a PostgreSQL server', () => {
  it('goes to the driver as it is, without what is about TLS', () => {
    expect(readServerAddress(base)).toMatchObject({ connectionString: base, ssl: false });
    const { connectionString } = readServerAddress(`${base}?sslmode=require&application_name=a%20b&connect_timeout=3`);
    expect(connectionString).toBe(`${base}?application_name=a+b&connect_timeout=3`);
    expect(readServerAddress('postgresql:///events?host=/run/postgresql').connectionString).toBe(
      'postgresql:///events?host=%2Frun%2Fpostgresql',
    );
  });

  it('is shown without its password', () => {
    expect(readServerAddress(`${base}?sslmode=require`).shown).toBe('postgres://db.internal:5433/events');
    expect(readServerAddress('postgres://db/events').shown).toBe('postgres://db/events');
  });

  it('means by sslmode what libpq means', async () => {
    const directory = await temporaryDirectory();
    const root = join(directory, 'root.pem');
    await writeFile(root, 'ROOT');
    const ssl = (query: string) => readServerAddress(`${base}?${query}`).ssl;
    expect(ssl('sslmode=disable')).toBe(false);
    expect(ssl('sslmode=require')).toEqual({ rejectUnauthorized: false });
    // libpq: with a root certificate at hand, `require` looks at it.
    expect(ssl(`sslmode=require&sslrootcert=${root}`)).toEqual({
      ca: 'ROOT',
      checkServerIdentity: expect.any(Function),
    });
    expect(ssl(`sslmode=verify-ca&sslrootcert=${root}`)).toEqual({
      ca: 'ROOT',
      checkServerIdentity: expect.any(Function),
    });
    expect(ssl(`sslmode=verify-full&sslrootcert=${root}`)).toEqual({ ca: 'ROOT' });
    expect(ssl('sslmode=verify-full')).toEqual({});
    expect(ssl('sslmode=verify-full&sslrootcert=system')).toEqual({});
    expect(ssl(`sslmode=verify-full&sslcert=${root}&sslkey=${root}`)).toEqual({ cert: 'ROOT', key: 'ROOT' });
  });

  it.each([
    ['mysql://db/events', /postgres:\/\//],
    ['db/events', /postgres:\/\//],
    [`${base}?sslmode=prefer`, /sslmode=prefer/],
    [`${base}?sslmode=allow`, /sslmode=allow/],
    [`${base}?sslmode=verify-full&sslrootcert=/no/such/file`, /sslrootcert=\/no\/such\/file/],
  ])('is refused where it can not be meant: %s', (url, message) => {
    expect(() => readServerAddress(url)).toThrow(StartupError);
    expect(() => readServerAddress(url)).toThrow(message);
  });
});
