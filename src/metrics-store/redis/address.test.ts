import { describe, expect, it } from 'vitest';
import { StartupError } from '../../domain/failure.ts';
import { addressOf, parseRedisUrl } from './address.ts';

describe('REDIS_URL', () => {
  const plain = { cluster: false, username: undefined, password: undefined, database: 0, tls: null };

  it.each([
    ['redis://localhost', { servers: [{ host: 'localhost', port: 6379 }] }],
    [' redis://10.0.0.7:7000/3 ', { servers: [{ host: '10.0.0.7', port: 7000 }], database: 3 }],
    ['redis://[::1]:7000/', { servers: [{ host: '::1', port: 7000 }] }],
    ['redis://app:s%40c%3Aret@r', { servers: [{ host: 'r', port: 6379 }], username: 'app', password: 's@c:ret' }],
    ['redis://:secret@r', { servers: [{ host: 'r', port: 6379 }], password: 'secret' }],
    ['rediss://r', { servers: [{ host: 'r', port: 6379 }], tls: {} }],
    [
      'redis+cluster://u:p@a,b:7001,[fe80::1]:7002',
      {
        cluster: true,
        servers: [
          { host: 'a', port: 6379 },
          { host: 'b', port: 7001 },
          { host: 'fe80::1', port: 7002 },
        ],
        username: 'u',
        password: 'p',
      },
    ],
    ['REDISS+CLUSTER://a', { cluster: true, servers: [{ host: 'a', port: 6379 }], tls: {} }],
  ])('%s', (url, expected) => {
    expect(parseRedisUrl(url)).toEqual({ ...plain, ...expected });
  });

  it.each([
    ['', /must look like/],
    ['localhost:6379', /must look like/],
    ['http://localhost', /must look like/],
    ['redis://', /must look like/],
    ['redis://a:0', /must look like/],
    ['redis://a:70000', /must look like/],
    ['redis://a,b', /write redis\+cluster:\/\//],
    ['rediss://a,b', /write rediss\+cluster:\/\//],
    ['redis://a/x', /number of a database/],
    ['redis+cluster://a/2', /no database but 0/],
    ['redis://u:%zz@a', /percent-encoded/],
  ])('%s is refused with what to do', (url, message) => {
    expect(() => parseRedisUrl(url)).toThrow(StartupError);
    expect(() => parseRedisUrl(url)).toThrow(message);
  });

  it('says nothing of a password that it can not read', () => {
    expect(() => parseRedisUrl('redis:/u:hunter2@a')).toThrow(/^(?!.*hunter2)/);
  });

  it('is told as an address', () => {
    expect(addressOf({ host: '::1', port: 1 })).toBe('[::1]:1');
    expect(addressOf({ host: 'a', port: 1 })).toBe('a:1');
  });
});
