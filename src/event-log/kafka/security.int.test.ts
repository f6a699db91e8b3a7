import { pbkdf2Sync, randomBytes } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  AclOperations,
  AclPermissionTypes,
  Admin,
  alterUserScramCredentialsV0,
  Connection,
  ResourcePatternTypes,
  ResourceTypes,
  ScramMechanisms,
} from '@platformatic/kafka';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openStream, recordsFor, takeRecords, textOf } from '../../testing/event-log.contract.harness.ts';
import { type KafkaServer, startKafka } from '../../testing/stack/kafka.ts';
import { javaCommand } from '../../testing/stack/requirements.ts';
import { runCommand } from '../../testing/stack/run-command.ts';
import { freshTopicName } from '../../testing/stack/shared.ts';
import { waitUntil } from '../../testing/stack/wait-until.ts';
import { createKafkaEventLog } from './event-log.kafka.ts';
import { openKafkaTopics } from './topics/topics.ts';
import type { KafkaClientSettings, KafkaSasl } from './wire/settings.ts';

/**
 * A broker that takes only TLS with SASL, and lets a user do only what the user may. Its other listener is the tests'
 * own.
 */
let kafka: KafkaServer;
let directory: string;
let authority: string;
let admin: Admin;
const password = 'swordfish';

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'esp-security-'));
  const keystore = join(directory, 'broker.p12');
  authority = await makeCertificate(keystore);
  const jaas = 'org.apache.kafka.common.security';
  kafka = await startKafka({
    settings: {
      'listener.security.protocol.map': 'CLIENT:SASL_SSL,DIRECT:PLAINTEXT,CONTROLLER:PLAINTEXT',
      'listener.name.client.ssl.keystore.type': 'PKCS12',
      'listener.name.client.ssl.keystore.location': keystore,
      'listener.name.client.ssl.keystore.password': password,
      'listener.name.client.sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER',
      'listener.name.client.plain.sasl.jaas.config': `${jaas}.plain.PlainLoginModule required user_plain="${password}" user_nobody="${password}";`,
      'listener.name.client.scram-sha-256.sasl.jaas.config': `${jaas}.scram.ScramLoginModule required;`,
      'listener.name.client.scram-sha-512.sasl.jaas.config': `${jaas}.scram.ScramLoginModule required;`,
      'listener.name.client.oauthbearer.sasl.jaas.config': `${jaas}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`,
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      // Who comes over the tests' own listener has no name.
      'super.users': 'User:ANONYMOUS',
    },
  });
  admin = new Admin({ clientId: 'test', bootstrapBrokers: [kafka.directBrokers], retries: 0 });
  await makeScramUser();
});

afterAll(async () => {
  await admin?.close();
  await kafka?.dispose();
  if (directory) await rm(directory, { recursive: true, force: true });
});

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** @returns the certificate, PEM, which is its own authority */
async function makeCertificate(keystore: string): Promise<string> {
  const java = javaCommand();
  const keytool = java === 'java' ? 'keytool' : join(dirname(java), 'keytool');
  const store = ['-keystore', keystore, '-storetype', 'PKCS12', '-storepass', password, '-alias', 'broker'];
  const subject = ['-dname', 'CN=broker', '-ext', 'san=ip:127.0.0.1', '-validity', '7'];
  await runCommand([keytool, '-genkeypair', '-keyalg', 'EC', '-groupname', 'secp256r1', ...store, ...subject], {
    timeoutMs: 60_000,
  });
  const file = join(directory, 'authority.pem');
  await runCommand([keytool, '-exportcert', '-rfc', '-file', file, ...store], { timeoutMs: 60_000 });
  return readFile(file, 'utf8');
}

async function makeScramUser(): Promise<void> {
  const connection = new Connection('test');
  const [host, port] = kafka.directBrokers.split(':') as [string, string];
  await connection.connect(host, Number(port));
  const kinds = [
    { mechanism: ScramMechanisms.SCRAM_SHA_256, hash: 'sha256', bytes: 32 },
    { mechanism: ScramMechanisms.SCRAM_SHA_512, hash: 'sha512', bytes: 64 },
  ] as const;
  // One request for each: of one user there may be one change at a time.
  for (const { mechanism, hash, bytes } of kinds) {
    const salt = randomBytes(16);
    const saltedPassword = pbkdf2Sync(password, salt, 4_096, bytes, hash);
    const credentials = { name: 'scram', mechanism, iterations: 4_096, salt, saltedPassword };
    await alterUserScramCredentialsV0.api.async(connection, [], [credentials]);
  }
  await connection.close();
}

async function allow(
  user: string,
  resourceType: (typeof ResourceTypes)['TOPIC' | 'GROUP'],
  resourceName: string,
  operations: readonly (keyof typeof AclOperations)[],
): Promise<void> {
  await admin.createAcls({
    creations: operations.map((operation) => ({
      resourceType,
      resourceName,
      resourcePatternType: ResourcePatternTypes.LITERAL,
      principal: `User:${user}`,
      host: '*',
      operation: AclOperations[operation],
      permissionType: AclPermissionTypes.ALLOW,
    })),
  });
}

/** Topics that the tests' own way in has made. */
async function makeTopics(): Promise<{ events: string; failed: string; group: string }> {
  const events = freshTopicName();
  const names = { events, failed: `${events}.failed`, group: `esp-${events}` };
  const topics = openKafkaTopics({ brokers: [kafka.directBrokers], clientId: 'test', ...names, rowsKeptMs: null });
  await topics.create({ partitions: 1 });
  topics.close();
  return names;
}

function connectionOf(sasl?: KafkaSasl): KafkaClientSettings {
  return {
    brokers: [kafka.brokers],
    clientId: 'test',
    tls: { ca: authority },
    ...(sasl === undefined ? {} : { sasl }),
  };
}

/** What Kafka's unsecured validator takes: a token that nobody has signed. */
function token(subject: string): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1_000);
  return `${part({ alg: 'none' })}.${part({ sub: subject, iat: now, exp: now + 600 })}.`;
}

describe('a broker that wants TLS and SASL', () => {
  it.each<[string, string, () => KafkaSasl]>([
    ['PLAIN', 'plain', () => ({ mechanism: 'PLAIN', username: 'plain', password })],
    ['SCRAM-SHA-256', 'scram', () => ({ mechanism: 'SCRAM-SHA-256', username: 'scram', password })],
    ['SCRAM-SHA-512', 'scram', () => ({ mechanism: 'SCRAM-SHA-512', username: 'scram', password })],
    ['OAUTHBEARER', 'bearer', () => ({ mechanism: 'OAUTHBEARER', token: async () => token('bearer') })],
  ])('gives a user of %s the whole log', async (_, user, sasl) => {
    const { events, failed, group } = await makeTopics();
    await allow(user, ResourceTypes.TOPIC, events, ['READ', 'WRITE', 'DESCRIBE', 'DESCRIBE_CONFIGS']);
    await allow(user, ResourceTypes.TOPIC, failed, ['WRITE', 'DESCRIBE', 'DESCRIBE_CONFIGS']);
    await allow(user, ResourceTypes.GROUP, group, ['READ', 'DESCRIBE']);
    const connection = connectionOf(sasl());
    const topics = openKafkaTopics({ ...connection, events, failed, group, rowsKeptMs: null });
    closing.push(() => topics.close());
    // Permissions reach the broker a moment after they are given.
    await waitUntil('permissions', async () => (await topics.check()).findings.length === 0);
    const log = await createKafkaEventLog({ ...connection, topic: events, group });
    closing.push(() => log.close());
    await log.append(recordsFor(0, ['secret']));
    const { stream } = await openStream(log);
    expect((await takeRecords(stream, 0, 1)).map(textOf)).toEqual(['secret']);
  });

  it('refuses a wrong password, and the message says so', async () => {
    const { events, group } = await makeTopics();
    for (const mechanism of ['PLAIN', 'SCRAM-SHA-512'] as const) {
      const connection = connectionOf({ mechanism, username: 'plain', password: 'wrong' });
      await expect(createKafkaEventLog({ ...connection, topic: events, group })).rejects.toMatchObject({
        name: 'StartupError',
        message: expect.stringMatching(/SASL authentication failed/),
      });
    }
  });

  it('is not believed without its authority', async () => {
    const { events, group } = await makeTopics();
    const sasl = { mechanism: 'PLAIN', username: 'plain', password } as const;
    const unknown = { brokers: [kafka.brokers], clientId: 'test', tls: {}, sasl };
    await expect(createKafkaEventLog({ ...unknown, topic: events, group })).rejects.toThrow(/self-signed certificate/);
    // By the address on the certificate, which TLS itself has no name for.
    const byAddress = { ...unknown, tls: { ca: authority, serverName: '127.0.0.1' } };
    const log = await createKafkaEventLog({ ...byAddress, topic: events, group }).catch((error: Error) => error);
    expect(String(log)).toMatch(/TOPIC_AUTHORIZATION_FAILED/);
    const otherAddress = { ...unknown, tls: { ca: authority, serverName: '127.0.0.2' } };
    await expect(createKafkaEventLog({ ...otherAddress, topic: events, group })).rejects.toThrow(/127\.0\.0\.2/);
    const otherName = { ...unknown, tls: { ca: authority, serverName: 'elsewhere.example' } };
    await expect(createKafkaEventLog({ ...otherName, topic: events, group })).rejects.toThrow(/elsewhere\.example/);
  });

  it('is told apart from one that speaks plain', async () => {
    const { events, group } = await makeTopics();
    const plain = { brokers: [kafka.brokers], clientId: 'test', topic: events, group };
    await expect(createKafkaEventLog(plain)).rejects.toMatchObject({ code: expect.stringMatching(/^log_un/) });
    const secure = { ...connectionOf(), brokers: [kafka.directBrokers], topic: events, group };
    await expect(createKafkaEventLog(secure)).rejects.toMatchObject({ code: expect.stringMatching(/^log_un/) });
  });

  it('that denies something is told what to allow', async () => {
    const { events, failed, group } = await makeTopics();
    const connection = connectionOf({ mechanism: 'PLAIN', username: 'nobody', password });
    // Nothing at all is allowed yet.
    await expect(createKafkaEventLog({ ...connection, topic: events, group })).rejects.toMatchObject({
      name: 'StartupError',
      message: expect.stringContaining('TOPIC_AUTHORIZATION_FAILED'),
    });
    await allow('nobody', ResourceTypes.TOPIC, events, ['DESCRIBE']);
    await allow('nobody', ResourceTypes.TOPIC, failed, ['DESCRIBE', 'WRITE']);
    const topics = openKafkaTopics({ ...connection, events, failed, group, rowsKeptMs: null });
    closing.push(() => topics.close());
    await waitUntil('permissions', async () => (await topics.check()).topics.length === 2);
    const { findings } = await topics.check();
    expect(findings.map(({ level, topic, what }) => `${level} ${topic} ${what}`)).toEqual([
      `wrong ${events} this user may not read, write it`,
      `weak ${events} its settings may not be looked at`,
      `weak ${failed} its settings may not be looked at`,
      `wrong ${group} this user may not join the group`,
    ]);
    const log = await createKafkaEventLog({ ...connection, topic: events, group });
    closing.push(() => log.close());
    await expect(log.append(recordsFor(0, ['x']))).rejects.toMatchObject({
      code: 'log_denied',
      message: expect.stringMatching(new RegExp(`^append to ${events}/0: Kafka says TOPIC_AUTHORIZATION_FAILED`)),
    });
    await expect(log.join()).rejects.toMatchObject({ code: 'log_denied' });
    const mine = freshTopicName();
    const own = openKafkaTopics({ ...connection, events: mine, failed: `${mine}.failed`, group, rowsKeptMs: null });
    closing.push(() => own.close());
    await expect(own.create({ partitions: 1 })).rejects.toThrow(/AUTHORIZATION_FAILED/);
  });
});
