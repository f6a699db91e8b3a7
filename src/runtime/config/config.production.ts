import type { ConfigReader } from './config.reader.ts';

/** How to reach Kafka, PostgreSQL and Redis. Holds secrets: never to be logged whole. */
export interface ProductionConfig {
  readonly kafka: KafkaConfig;
  readonly databaseUrl: string;
  readonly redis: RedisConfig;
}

export interface KafkaConfig {
  /** `host:port` of each. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly topic: string;
  readonly failedTopic: string;
  readonly group: string;
  /** Null: no TLS. */
  readonly tls: KafkaTls | null;
  readonly sasl: KafkaSasl | null;
}

/**
 * PEM texts. What is not set: the authorities that Node knows, no client certificate, the name that is connected to.
 */
export interface KafkaTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly passphrase?: string;
  readonly serverName?: string;
}

const passwordMechanisms = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;
const saslMechanisms = [...passwordMechanisms, 'oauthbearer'] as const;

export type KafkaSasl =
  | {
      readonly mechanism: Uppercase<(typeof passwordMechanisms)[number]>;
      readonly username: string;
      readonly password: string;
    }
  /** A file is read again for each connection, so that whatever renews the token need tell nobody. */
  | { readonly mechanism: 'OAUTHBEARER'; readonly token: string }
  | { readonly mechanism: 'OAUTHBEARER'; readonly tokenFile: string };

export interface RedisConfig {
  readonly url: string;
  /** Of every key, so that several installations can share one Redis. */
  readonly prefix: string;
}

/** The three that make an installation a production one. */
export const connectionVariables = ['KAFKA_BROKERS', 'DATABASE_URL', 'REDIS_URL'] as const;

/** @returns null where none of the three is set: embedded. One or two of them are a problem that names the others. */
export function readProductionConfig(read: ConfigReader): ProductionConfig | null {
  const isSet = (variable: string) => read.isSet(variable);
  const missing = connectionVariables.filter((variable) => !isSet(variable));
  if (missing.length === connectionVariables.length) return null;
  if (missing.length > 0) {
    const set = connectionVariables.filter(isSet);
    read.problems.push({
      variable: missing.join(', '),
      message: `must be set too, since ${set.join(' and ')} ${set.length > 1 ? 'are' : 'is'}: Kafka, PostgreSQL and Redis go together. To run embedded, unset all three`,
    });
  }
  return {
    kafka: readKafka(read),
    databaseUrl: readUrl(read, 'DATABASE_URL', ['postgres', 'postgresql']),
    redis: {
      url: readUrl(read, 'REDIS_URL', ['redis', 'rediss', 'redis+cluster', 'rediss+cluster']),
      // Braces would be taken for a hash tag, which decides where Redis Cluster keeps a key.
      prefix: read.matching(
        'ESP_REDIS_PREFIX',
        'esp',
        /^[\w.:-]{1,50}$/,
        '1 to 50 of the characters a-z A-Z 0-9 _ . : -',
      ),
    },
  };
}

/** Kafka's own rule for topics; names of one or two dots have a meaning in file systems. */
const topicName = /^(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}$/;
const topicRule = '1 to 249 of the characters a-z A-Z 0-9 . _ -';

function readKafka(read: ConfigReader): KafkaConfig {
  const topic = read.matching('ESP_TOPIC', 'events', topicName, topicRule);
  const failedTopic = read.matching('ESP_FAILED_TOPIC', 'events.failed', topicName, topicRule);
  if (topic === failedTopic) {
    read.problems.push({
      variable: 'ESP_FAILED_TOPIC',
      message: `must be another topic than ESP_TOPIC, got "${topic}"`,
    });
  }
  return {
    brokers: readBrokers(read),
    clientId: read.text('ESP_CLIENT_ID', 'esp'),
    topic,
    failedTopic,
    group: read.text('ESP_GROUP', 'esp'),
    tls: readTls(read),
    sasl: readSasl(read),
  };
}

function readBrokers(read: ConfigReader): readonly string[] {
  const given = read.secret('KAFKA_BROKERS');
  if (!given) return [];
  const brokers = given.split(',').map((broker) => broker.trim());
  const wrong = brokers.find((broker) => !isAddress(broker));
  if (wrong !== undefined) {
    read.problems.push({
      variable: 'KAFKA_BROKERS',
      message: `must be host:port, or several of them with commas between, got "${wrong}"`,
    });
  }
  return brokers;
}

function isAddress(broker: string): boolean {
  const match = /^(?:\[[\da-fA-F:]+\]|[^\s:/@,]+):(\d{1,5})$/.exec(broker);
  return match !== null && Number(match[1]) >= 1 && Number(match[1]) <= 65_535;
}

function readTls(read: ConfigReader): KafkaTls | null {
  const given = {
    ca: read.secret('KAFKA_TLS_CA'),
    cert: read.secret('KAFKA_TLS_CERT'),
    key: read.secret('KAFKA_TLS_KEY'),
    passphrase: read.secret('KAFKA_TLS_KEY_PASSPHRASE'),
    serverName: read.text('KAFKA_TLS_SERVER_NAME', '') || null,
  };
  const tls: KafkaTls = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
  const isGiven = Object.keys(tls).length > 0;
  const wanted = read.flag('KAFKA_TLS');
  if (wanted === false && isGiven) {
    read.problems.push({ variable: 'KAFKA_TLS', message: 'is false, and certificates are set: unset either' });
  }
  if ((given.cert === null) !== (given.key === null)) {
    const missing = given.cert === null ? 'KAFKA_TLS_CERT' : 'KAFKA_TLS_KEY';
    read.problems.push({ variable: missing, message: 'must be set too: a client certificate and its key go together' });
  }
  return wanted === true || (wanted === null && isGiven) ? tls : null;
}

function readSasl(read: ConfigReader): KafkaSasl | null {
  const username = read.text('KAFKA_SASL_USERNAME', '');
  const password = read.secret('KAFKA_SASL_PASSWORD');
  const mechanism = read.oneOf('KAFKA_SASL_MECHANISM', null, saslMechanisms);
  if (mechanism === 'oauthbearer') return readToken(read);
  if (username === '' && password === null && mechanism === null) return null;
  requireAll(read, 'mechanism, user and password go together', {
    KAFKA_SASL_MECHANISM: mechanism !== null || read.isSet('KAFKA_SASL_MECHANISM'),
    KAFKA_SASL_USERNAME: username !== '',
    KAFKA_SASL_PASSWORD: password !== null,
  });
  const name = (mechanism ?? 'plain').toUpperCase() as Uppercase<(typeof passwordMechanisms)[number]>;
  return { mechanism: name, username, password: password ?? '' };
}

function readToken(read: ConfigReader): KafkaSasl {
  const token = read.secret('KAFKA_SASL_TOKEN');
  const tokenFile = read.text('KAFKA_SASL_TOKEN_FILE', '');
  requireAll(read, 'oauthbearer wants a token', { KAFKA_SASL_TOKEN: token !== null });
  return tokenFile === '' ? { mechanism: 'OAUTHBEARER', token: token ?? '' } : { mechanism: 'OAUTHBEARER', tokenFile };
}

function requireAll(read: ConfigReader, why: string, given: Readonly<Record<string, boolean>>): void {
  for (const [variable, isGiven] of Object.entries(given)) {
    if (!isGiven) read.problems.push({ variable, message: `must be set too: ${why}` });
  }
}

/** Says what is wrong without repeating the value: it may hold a password. */
function readUrl(read: ConfigReader, variable: string, schemes: readonly string[]): string {
  const given = read.secret(variable);
  if (!given) return '';
  const example = `${schemes[0]}://user:password@host/…`;
  // A cluster is reached by several addresses with commas between; one of them tells whether the rest is a URL.
  const single = given.replace(/,[^/?#]*/, '');
  const url = URL.canParse(single) ? new URL(single) : null;
  // PostgreSQL's may name the directory of a Unix socket in a parameter instead of a host.
  const hasHost = url !== null && (url.hostname !== '' || url.searchParams.has('host'));
  if (url === null || !hasHost || !schemes.includes(url.protocol.slice(0, -1))) {
    read.problems.push({ variable, message: `must be a URL such as ${example}` });
  }
  return given;
}
