import { writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Admin } from '@platformatic/kafka';
import { cachedDirectory } from './cache.ts';
import { freePort } from './free-port.ts';
import { fetchPart } from './maven.ts';
import { javaCommand } from './requirements.ts';
import { runCommand } from './run-command.ts';
import { type NativeServer, openWorkspace, startServerProcess } from './server-process.ts';

export interface KafkaOptions {
  readonly port?: number;
  /** What clients are told to connect to: a proxy's port, where one stands between. */
  readonly advertisedPort?: number;
  /** Where it keeps its data; a temporary one by default. */
  readonly directory?: string;
  /**
   * With the JVM's optimising compiler, as in production: measured, a start costs 7.5 s CPU with it and 4.6 s without, so
   * only who measures or stays wants it.
   */
  readonly optimised?: boolean;
  /** Any line of server.properties. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
}

export interface KafkaServer extends NativeServer {
  /** For clients: `127.0.0.1:PORT`, the proxy's where one stands between. */
  readonly brokers: string;
  /** Another way in, past any proxy, for a test that wants to look. */
  readonly directBrokers: string;
  /** Directory of the jars, among them Kafka's command line tools. */
  readonly jars: string;
}

interface Ports {
  readonly client: number;
  readonly advertised: number;
  readonly direct: number;
  readonly controller: number;
}

const formatMs = 120_000;
/** 22 characters of base64url, as Kafka wants it; one node that meets no other needs no name of its own. */
const clusterId = 'ZXZlbnQtc3RyZWFtLXByYw';

/** One Apache Kafka 4.3.1 node on 127.0.0.1, broker and controller. */
export async function startKafka(options: KafkaOptions = {}): Promise<KafkaServer> {
  const jars = await fetchPart('kafka');
  const client = options.port ?? (await freePort());
  const ports: Ports = {
    client,
    advertised: options.advertisedPort ?? client,
    direct: await freePort(),
    controller: await freePort(),
  };
  const workspace = openWorkspace('kafka', options.directory);
  const configuration = join(workspace.directory, 'server.properties');
  writeFileSync(configuration, toLines(join(workspace.directory, 'data'), ports, options.settings));
  const compiler = options.optimised ? [] : ['-XX:TieredStopAtLevel=1'];
  const directBrokers = `127.0.0.1:${ports.direct}`;
  const server = await startServerProcess({
    name: 'Kafka',
    port: client,
    workspace,
    template: await formattedData(jars),
    command: [...java(jars, ['-Xms256m', '-Xmx512m', ...compiler], 'kafka.Kafka'), configuration],
    stopSignal: 'SIGTERM',
    answers: () => answersMetadata(directBrokers),
  });
  return Object.assign(server, { brokers: `127.0.0.1:${ports.advertised}`, directBrokers, jars });
}

/** What starts a class of Kafka's jars, without its arguments. */
export function java(jars: string, options: readonly string[], mainClass: string): string[] {
  const quiet = '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn';
  return [javaCommand(), ...options, quiet, '-Djava.awt.headless=true', '-cp', join(jars, '*'), mainClass];
}

function toLines(data: string, ports: Ports, settings: KafkaOptions['settings']): string {
  const all: Record<string, string | number | boolean> = {
    'process.roles': 'broker,controller',
    'node.id': 1,
    // The broker talks to itself past any proxy, so that a hole before it makes no other trouble than the hole.
    listeners: `CLIENT://127.0.0.1:${ports.client},DIRECT://127.0.0.1:${ports.direct},CONTROLLER://127.0.0.1:${ports.controller}`,
    'advertised.listeners': `CLIENT://127.0.0.1:${ports.advertised},DIRECT://127.0.0.1:${ports.direct}`,
    'listener.security.protocol.map': 'CLIENT:PLAINTEXT,DIRECT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name': 'DIRECT',
    'controller.listener.names': 'CONTROLLER',
    // Voters by configuration, not by what was formatted: the ports may change between two starts on one directory.
    'controller.quorum.voters': `1@127.0.0.1:${ports.controller}`,
    'log.dirs': data,
    // A broker that comes back is let in only once its former life is over, 9 s by default: the controller restarts with it and
    // believes it alive. Three seconds are still long for a machine whose cores are busy.
    'broker.session.timeout.ms': 3_000,
    'broker.heartbeat.interval.ms': 500,
    'num.network.threads': 2,
    'num.io.threads': 2,
    'offsets.topic.num.partitions': 1,
    'offsets.topic.replication.factor': 1,
    'transaction.state.log.num.partitions': 1,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
    'group.initial.rebalance.delay.ms': 0,
    'auto.create.topics.enable': false,
    ...settings,
  };
  return Object.entries(all)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

/** What `kafka-storage format` makes, which is the same for every node 1: a copy takes no JVM. */
async function formattedData(jars: string): Promise<string> {
  const cached = await cachedDirectory(`${basename(jars)}-formatted`, async (draft) => {
    const configuration = join(draft, 'server.properties');
    const noPorts: Ports = { client: 1, advertised: 1, direct: 2, controller: 3 };
    writeFileSync(configuration, toLines(join(draft, 'data'), noPorts, {}));
    await runCommand(
      [
        ...java(jars, ['-XX:TieredStopAtLevel=1'], 'kafka.tools.StorageTool'),
        ...['format', '--cluster-id', clusterId, '--config', configuration],
      ],
      { timeoutMs: formatMs },
    );
  });
  return join(cached, 'data');
}

/** A broker that is registered and not fenced stands in the metadata, and so do those that clients may use. */
async function answersMetadata(brokers: string): Promise<boolean> {
  const admin = new Admin({
    clientId: 'native-stack',
    bootstrapBrokers: [brokers],
    retries: 0,
    requestTimeout: 5_000,
    connectTimeout: 2_000,
  });
  try {
    const { brokers: known } = await admin.metadata({ topics: [], forceUpdate: true });
    return known.size > 0;
  } finally {
    await admin.close();
  }
}
