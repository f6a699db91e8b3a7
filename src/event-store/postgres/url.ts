import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { StartupError } from '../../domain/failure.ts';

export interface ServerAddress {
  readonly connectionString: string;
  readonly ssl: false | ConnectionOptions;
  /** For messages: without user and password. */
  readonly shown: string;
}

/**
 * Takes what is about TLS out of the URL and means by it what libpq means (docs/postgresql-redis.md), since the driver
 * means something else. `allow` and `prefer` are refused: they would go on in clear text without a word.
 *
 * @throws StartupError
 */
export function readServerAddress(url: string): ServerAddress {
  if (!/^postgres(ql)?:\/\//.test(url)) {
    throw new StartupError('DATABASE_URL must be postgres://user:password@host:port/database.');
  }
  const [base = '', query = ''] = url.split(/\?(.*)/s);
  const parameters = new URLSearchParams(query);
  const take = (name: string) => {
    const value = parameters.get(name);
    parameters.delete(name);
    return value;
  };
  const ssl = readTls({
    mode: take('sslmode') ?? 'disable',
    rootCertificate: take('sslrootcert'),
    certificate: take('sslcert'),
    key: take('sslkey'),
  });
  const rest = parameters.toString();
  return { connectionString: rest === '' ? base : `${base}?${rest}`, ssl, shown: base.replace(/\/\/[^/]*@/, '//') };
}

interface TlsParameters {
  readonly mode: string;
  readonly rootCertificate: string | null;
  readonly certificate: string | null;
  readonly key: string | null;
}

function readTls({ mode, rootCertificate, certificate, key }: TlsParameters): false | ConnectionOptions {
  if (mode === 'disable') return false;
  const ca =
    rootCertificate === null || rootCertificate === 'system' ? undefined : readPem('sslrootcert', rootCertificate);
  const options: ConnectionOptions = {
    ...(ca === undefined ? {} : { ca }),
    ...(certificate === null ? {} : { cert: readPem('sslcert', certificate) }),
    ...(key === null ? {} : { key: readPem('sslkey', key) }),
  };
  if (mode === 'verify-full') return options;
  if (mode === 'verify-ca' || (mode === 'require' && rootCertificate !== null)) {
    return { ...options, checkServerIdentity: () => undefined };
  }
  if (mode === 'require') return { ...options, rejectUnauthorized: false };
  throw new StartupError(
    `DATABASE_URL has sslmode=${mode}: use disable, require, verify-ca or verify-full. What may go on without TLS is not ` +
      'supported, since nobody would notice.',
  );
}

function readPem(parameter: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new StartupError(
      `DATABASE_URL has ${parameter}=${path}, which can not be read: ${(error as Error).message}.`,
    );
  }
}
