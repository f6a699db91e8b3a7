import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Admin } from '@platformatic/kafka';
import { cachedDirectory } from './cache.ts';
import { freePort } from './free-port.ts';
import { type KafkaNode, type KafkaSettings, toServerProperties } from './kafka-settings.ts';
import { fetchPart } from './maven.ts';
import { javaCommand, requireJava } from './requirements.ts';
import { runCommand } from './run-command.ts';
import { type NativeServer, openWorkspace, startServerProcess } from './server-process.ts';

export interface KafkaOptions {
  readonly port?: number;
  /** What clients are told to connect to: a proxy's port, where one stands between. */
  readonly advertisedPort?: number;
  /** Where it keeps its data; a temporary one by default. */
  readonly directory?: string;
  /**
   * With the JVM's optimising compiler, as in production: measured, a start costs 7.5 s CPU with it and 4.6 s without,
   * so only who measures or stays wants it.
   */
  readonly optimised?: boolean;
  /** Any line of server.properties. */
  readonly settings?: KafkaSettings;
  /** As one of several brokers; see kafka-cluster.ts. */
  readonly node?: KafkaNode;
}

export interface KafkaServer extends NativeServer {
  /** For clients: `127.0.0.1:PORT`, the proxy's where one stands between. */
  readonly brokers: string;
  /** Another way in, past any proxy, for a test that wants to look. */
  readonly directBrokers: string;
  /** Directory of the jars, among them Kafka's command line tools. */
  readonly jars: string;
}

const toolMs = 120_000;
const quickCompiler = '-XX:TieredStopAtLevel=1';
const classesFile = 'classes.jsa';
const loneNode = { id: 1, isController: true, controllerPort: 3, clusterSize: 1 };
/** 22 characters of base64url, as Kafka wants it; clusters that never meet need no names of their own. */
const clusterId = 'ZXZlbnQtc3RyZWFtLXByYw';

/**
 * Apache Kafka 4.3.1 on 127.0.0.1, without authentication: one broker that is its own controller, unless told
 * otherwise.
 */
export async function startKafka(options: KafkaOptions = {}): Promise<KafkaServer> {
  const jars = await fetchPart('kafka');
  return startNode(jars, await sharedClasses(jars), options);
}

async function startNode(jars: string, jvm: readonly string[], options: KafkaOptions): Promise<KafkaServer> {
  const node = options.node ?? { ...loneNode, controllerPort: await freePort() };
  const template = await formattedData(jars, node);
  const client = options.port ?? (await freePort());
  const ports = { client, advertised: options.advertisedPort ?? client, direct: await freePort() };
  const workspace = openWorkspace('kafka', options.directory);
  const data = join(workspace.directory, 'data');
  const configuration = join(workspace.directory, 'server.properties');
  writeFileSync(configuration, toServerProperties(data, node, ports, options.settings ?? {}));
  const compiler = options.optimised ? [] : [quickCompiler];
  const directBrokers = `127.0.0.1:${ports.direct}`;
  const server = await startServerProcess({
    name: 'Kafka',
    port: client,
    workspace,
    template,
    command: [...java(jars, ['-Xms256m', '-Xmx512m', ...compiler, ...jvm], 'kafka.Kafka'), configuration],
    stopSignal: 'SIGTERM',
    answers: () => isInMetadata(node.id, directBrokers),
  });
  return Object.assign(server, { brokers: `127.0.0.1:${ports.advertised}`, directBrokers, jars });
}

/**
 * The classes of a running broker as the JVM keeps them in memory (its class data sharing), written by a broker that
 * runs once for it. Measured, a start costs 4.6 s CPU without them, 3.3 s with them. Another JVM has others; options
 * for the JVM.
 */
async function sharedClasses(jars: string): Promise<string[]> {
  const version = createHash('sha256').update(requireJava()).digest('hex').slice(0, 16);
  // Made before the lock on the cache is taken for what needs it.
  await formattedData(jars, loneNode);
  const cached = await cachedDirectory(`${basename(jars)}-classes-${version}`, async (draft) => {
    await using broker = await startNode(jars, [`-XX:ArchiveClassesAtExit=${join(draft, classesFile)}`], {});
    await broker.stop();
  });
  return [`-XX:SharedArchiveFile=${join(cached, classesFile)}`];
}

/** Kafka's own command line tools, by their class: `org.apache.kafka.tools.ConsoleProducer` with its arguments. */
export async function runKafkaTool(mainClass: string, args: readonly string[], input = ''): Promise<string> {
  const jars = await fetchPart('kafka');
  const command = java(jars, [quickCompiler, ...(await sharedClasses(jars))], mainClass);
  return runCommand([...command, ...args], { input, timeoutMs: toolMs });
}

function java(jars: string, options: readonly string[], mainClass: string): string[] {
  const quiet = '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn';
  return [javaCommand(), ...options, quiet, '-Djava.awt.headless=true', '-cp', join(jars, '*'), mainClass];
}

/** What `kafka-storage format` makes, which is the same for every node of that number: a copy takes no JVM. */
async function formattedData(jars: string, node: KafkaNode): Promise<string> {
  const role = node.isController ? 'controller' : 'broker';
  const cached = await cachedDirectory(`${basename(jars)}-formatted-${role}-${node.id}`, async (draft) => {
    const configuration = join(draft, 'server.properties');
    const noPorts = { client: 1, advertised: 1, direct: 2 };
    writeFileSync(configuration, toServerProperties(join(draft, 'data'), node, noPorts, {}));
    await runCommand(
      [
        ...java(jars, [quickCompiler], 'kafka.tools.StorageTool'),
        ...['format', '--cluster-id', clusterId, '--config', configuration],
      ],
      { timeoutMs: toolMs },
    );
  });
  return join(cached, 'data');
}

/** Only a broker that is registered and not fenced stands in the metadata, and so clients can use it. */
async function isInMetadata(id: number, brokers: string): Promise<boolean> {
  const admin = new Admin({
    clientId: 'native-stack',
    bootstrapBrokers: [brokers],
    retries: 0,
    requestTimeout: 5_000,
    connectTimeout: 2_000,
  });
  try {
    const { brokers: known } = await admin.metadata({ topics: [], forceUpdate: true });
    return known.has(id);
  } finally {
    await admin.close();
  }
}
