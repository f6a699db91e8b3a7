import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import type { KafkaSasl } from './settings.ts';

/** Sends the client's next message; answers the broker's. */
export type SaslExchange = (message: Buffer) => Promise<Buffer>;

/** The broker does not take who is asking for who it says it is, or can't prove that it knows the password. */
export class SaslError extends Error {
  override readonly name = 'SaslError';
}

/**
 * Tells the broker who is asking: PLAIN (RFC 4616), SCRAM (RFC 5802 and 7677) or OAUTHBEARER (RFC 7628).
 * @throws SaslError
 */
export async function authenticate(sasl: KafkaSasl, exchange: SaslExchange): Promise<void> {
  switch (sasl.mechanism) {
    case 'PLAIN':
      await exchange(Buffer.from(`\0${sasl.username}\0${sasl.password}`));
      return;
    case 'SCRAM-SHA-256':
    case 'SCRAM-SHA-512':
      return scram(sasl, exchange);
    case 'OAUTHBEARER':
      return bearer(sasl.token, exchange);
  }
}

async function bearer(
  token: Extract<KafkaSasl, { mechanism: 'OAUTHBEARER' }>['token'],
  exchange: SaslExchange,
): Promise<void> {
  const value = await textOf(token);
  const refusal = await exchange(Buffer.from(`n,,\x01auth=Bearer ${value}\x01\x01`));
  if (refusal.length === 0) return;
  // What is wrong comes as data; the broker says no once that has been taken note of.
  await exchange(Buffer.from('\x01'));
  throw new SaslError(`the broker does not take the token: ${refusal}`);
}

async function textOf(token: Extract<KafkaSasl, { mechanism: 'OAUTHBEARER' }>['token']): Promise<string> {
  let value: string;
  try {
    value = typeof token === 'string' ? token : await token();
  } catch (error) {
    throw new SaslError(`the token can't be had: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
  if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value))
    throw new SaslError('what should be the token is none');
  return value;
}

/** Fewer, and who listens finds the password too soon (RFC 7677, section 4). */
const iterationsMin = 4_096;
/** More would keep this process busy for as long as the broker likes. */
const iterationsMax = 1_000_000;
const derive = promisify(pbkdf2);

async function scram(
  { mechanism, username, password }: Exclude<KafkaSasl, { mechanism: 'OAUTHBEARER' }>,
  exchange: SaslExchange,
): Promise<void> {
  const hash = mechanism === 'SCRAM-SHA-256' ? 'sha256' : 'sha512';
  const hmac = (key: Buffer, text: string) => createHmac(hash, key).update(text).digest();
  const nonce = randomBytes(24).toString('base64');
  const name = username.replaceAll('=', '=3D').replaceAll(',', '=2C');
  const clientFirst = `n=${name},r=${nonce}`;

  const serverFirst = (await exchange(Buffer.from(`n,,${clientFirst}`))).toString();
  const { r: bothNonces = '', s: salt = '', i: iterationsText = '', m: extension } = attributesOf(serverFirst);
  if (extension !== undefined) throw new SaslError(`the broker wants an extension that is not known (${extension})`);
  const iterations = Number(iterationsText);
  if (!bothNonces.startsWith(nonce) || bothNonces.length === nonce.length) {
    throw new SaslError('the broker answers somebody else (its nonce does not begin with ours)');
  }
  if (!(Number.isInteger(iterations) && iterations >= iterationsMin && iterations <= iterationsMax)) {
    throw new SaslError(
      `the broker wants ${iterationsText} iterations, and ${iterationsMin} to ${iterationsMax} are taken`,
    );
  }

  const keyBytes = createHash(hash).digest().length;
  const salted = await derive(password, Buffer.from(salt, 'base64'), iterations, keyBytes, hash);
  const clientKey = hmac(salted, 'Client Key');
  // `biws` is the header `n,,` of the first message.
  const clientFinal = `c=biws,r=${bothNonces}`;
  const signed = `${clientFirst},${serverFirst},${clientFinal}`;
  const signature = hmac(createHash(hash).update(clientKey).digest(), signed);
  const proof = clientKey.map((byte, at) => byte ^ signature[at]!);

  const serverFinal = (
    await exchange(Buffer.from(`${clientFinal},p=${Buffer.from(proof).toString('base64')}`))
  ).toString();
  const { v: verifier = '', e: error } = attributesOf(serverFinal);
  if (error !== undefined) throw new SaslError(`the broker says ${error}`);
  const expected = hmac(hmac(salted, 'Server Key'), signed);
  const given = Buffer.from(verifier, 'base64');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw new SaslError('the broker does not know the password itself (its signature is wrong)');
  }
}

/** `r=…,s=…,i=…`, by letter. */
function attributesOf(text: string): Partial<Record<string, string>> {
  return Object.fromEntries(text.split(',').map((part) => [part.slice(0, 1), part.slice(2)]));
}
