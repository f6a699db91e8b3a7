import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { authenticate, SaslError } from './sasl.ts';
import type { KafkaSasl } from './settings.ts';

const user = { username: 'a,b=c', password: 'pencil' };

/** The server's side of SCRAM, as RFC 5802 tells it; `spoil` changes what it says. */
function scramServer(
  mechanism: 'SCRAM-SHA-256' | 'SCRAM-SHA-512',
  { password = user.password, iterations = 4_096, spoil = (message: string, _nth: number) => message } = {},
) {
  const hash = mechanism === 'SCRAM-SHA-256' ? 'sha256' : 'sha512';
  const salt = Buffer.from('a salt of the server');
  const said: string[] = [];
  const heard: string[] = [];
  return {
    heard,
    exchange: async (bytes: Buffer) => {
      heard.push(bytes.toString());
      if (heard.length === 1) {
        const nonce = /,r=(.+)$/.exec(heard[0]!)![1];
        said.push(spoil(`r=${nonce}server,s=${salt.toString('base64')},i=${iterations}`, 1));
        return Buffer.from(said[0]!);
      }
      const withoutProof = heard[1]!.slice(0, heard[1]!.indexOf(',p='));
      const signed = `${heard[0]!.slice('n,,'.length)},${said[0]},${withoutProof}`;
      const bytesOfKey = createHash(hash).digest().length;
      const salted = pbkdf2Sync(password, salt, iterations, bytesOfKey, hash);
      const hmac = (key: Buffer, text: string) => createHmac(hash, key).update(text).digest();
      const clientKey = hmac(salted, 'Client Key');
      const signature = hmac(createHash(hash).update(clientKey).digest(), signed);
      const proof = Buffer.from(heard[1]!.split(',p=')[1]!, 'base64');
      const shown = Buffer.from(proof.map((byte, at) => byte ^ signature[at]!));
      if (!shown.equals(clientKey)) return Buffer.from('e=invalid-proof');
      return Buffer.from(spoil(`v=${hmac(hmac(salted, 'Server Key'), signed).toString('base64')}`, 2));
    },
  };
}

describe.each(['SCRAM-SHA-256', 'SCRAM-SHA-512'] as const)('%s', (mechanism) => {
  const sasl: KafkaSasl = { mechanism, ...user };

  it('proves the password, and wants it proven', async () => {
    const server = scramServer(mechanism);
    await authenticate(sasl, server.exchange);
    expect(server.heard[0]).toMatch(/^n,,n=a=2Cb=3Dc,r=[A-Za-z0-9+/]{32}$/);
    expect(server.heard.join()).not.toContain(user.password);
    const again = scramServer(mechanism);
    await authenticate(sasl, again.exchange);
    expect(again.heard[0]).not.toBe(server.heard[0]);
  });

  it('says that the password is wrong', async () => {
    const { exchange } = scramServer(mechanism, { password: 'another' });
    await expect(authenticate(sasl, exchange)).rejects.toThrow('the broker says invalid-proof');
  });

  it.each([
    ['somebody else’s nonce', (text: string, nth: number) => (nth === 1 ? text.replace(/^r=./, 'r=!') : text), 'nonce'],
    ['no nonce of its own', (text: string, nth: number) => (nth === 1 ? text.replace('server,', ',') : text), 'nonce'],
    ['another signature', (text: string, nth: number) => (nth === 2 ? 'v=AAAA' : text), 'its signature is wrong'],
    ['no signature', (text: string, nth: number) => (nth === 2 ? '' : text), 'its signature is wrong'],
    [
      'no number of iterations',
      (text: string, nth: number) => (nth === 1 ? text.replace(/i=.*/, 'i=x') : text),
      'wants x',
    ],
  ])('refuses a broker with %s', async (_, spoil, message) => {
    const attempt = authenticate(sasl, scramServer(mechanism, { spoil }).exchange);
    await expect(attempt).rejects.toBeInstanceOf(SaslError);
    await expect(attempt).rejects.toThrow(message);
  });

  it.each([1, 4_095, 1_000_001])('refuses %d iterations, before it tells what it knows', async (iterations) => {
    const server = scramServer(mechanism, { iterations });
    await expect(authenticate(sasl, server.exchange)).rejects.toThrow(`wants ${iterations} iterations`);
    expect(server.heard).toHaveLength(1);
  });
});

describe('the others', () => {
  const script = (...answers: string[]) => {
    const heard: string[] = [];
    const exchange = async (bytes: Buffer) => {
      heard.push(bytes.toString());
      return Buffer.from(answers.shift() ?? '');
    };
    return { heard, exchange };
  };

  it('PLAIN says user and password', async () => {
    const { heard, exchange } = script();
    await authenticate({ mechanism: 'PLAIN', ...user }, exchange);
    expect(heard).toEqual(['\0a,b=c\0pencil']);
  });

  it('OAUTHBEARER shows a token, made when it is needed', async () => {
    const { heard, exchange } = script();
    let made = 0;
    const token = async () => `token-${++made}`;
    await authenticate({ mechanism: 'OAUTHBEARER', token }, exchange);
    await authenticate({ mechanism: 'OAUTHBEARER', token: 'fixed' }, exchange);
    expect(heard).toEqual(['n,,\x01auth=Bearer token-1\x01\x01', 'n,,\x01auth=Bearer fixed\x01\x01']);
  });

  it('OAUTHBEARER tells why a token is not taken', async () => {
    const { heard, exchange } = script('{"status":"invalid_token"}');
    await expect(authenticate({ mechanism: 'OAUTHBEARER', token: 'old' }, exchange)).rejects.toThrow(
      'does not take the token: {"status":"invalid_token"}',
    );
    expect(heard[1]).toBe('\x01');
  });

  it.each<[string, () => string | Promise<string>, string]>([
    ['can not be made', () => Promise.reject(new Error('no such file')), "the token can't be had: no such file"],
    ['is empty', () => '', 'what should be the token is none'],
    ['is more than a token', () => 'token\x01auth=other', 'what should be the token is none'],
  ])('OAUTHBEARER tells that the token %s, and says nothing to the broker', async (_, token, message) => {
    const { heard, exchange } = script();
    await expect(authenticate({ mechanism: 'OAUTHBEARER', token }, exchange)).rejects.toThrow(message);
    expect(heard).toEqual([]);
  });
});
