/**
 * Folders are layers. Each row: the files it is about, the layers they may import, and the packages. The first row that
 * matches a file is its layer. `node:` stands for all of Node's own modules but worker threads.
 */
export interface Layer {
  readonly name: string;
  readonly files: RegExp;
  readonly imports: readonly string[];
  readonly packages: readonly (string | RegExp)[];
  /** May import these layers' types, not their code. */
  readonly typesOf?: readonly string[];
}

const anyNode = /^node:(?!worker_threads)/;
const ports = ['log port', 'store port', 'metrics port'] as const;

export const layers: readonly Layer[] = [
  // Tests sit beside what they test and may import anything, as may what they share.
  {
    name: 'tests',
    files: /^src\/(testing\/|.*\.test\.ts$)|^dashboard\/.*\.test\.tsx?$/,
    imports: ['*'],
    packages: [/./],
  },

  {
    name: 'domain',
    files: /^src\/domain\//,
    imports: ['domain'],
    packages: ['node:buffer', 'node:crypto', 'node:worker_threads'],
  },

  {
    name: 'log port',
    files: /^src\/event-log\/(event-log|log-record|failed-topic|stream-calls)\.ts$/,
    imports: ['domain', 'log port'],
    packages: [],
  },
  {
    name: 'store port',
    files: /^src\/event-store\/(event-store|batch|recorded-candidate|by-id|writer-of)\.ts$/,
    imports: ['domain', 'store port'],
    packages: [],
  },
  { name: 'metrics port', files: /^src\/metrics-store\/metrics-store\.ts$/, imports: ['domain'], packages: [] },
  { name: 'event list', files: /^src\/telemetry\/telemetry\.ts$/, imports: ['domain'], packages: [] },

  // One client library for each implementation, and none for what a folder's implementations share.
  {
    name: 'segment log',
    files: /^src\/event-log\/segment\//,
    imports: ['domain', 'log port', 'segment log', 'event list'],
    packages: [anyNode],
  },
  {
    name: 'Kafka log',
    files: /^src\/event-log\/kafka\//,
    imports: ['domain', 'log port', 'Kafka log', 'event list'],
    packages: ['@platformatic/wasm-utils', anyNode],
  },
  {
    name: 'SQLite store',
    files: /^src\/event-store\/sqlite\//,
    imports: ['domain', 'store port', 'store', 'SQLite store', 'event list'],
    packages: [anyNode],
  },
  {
    name: 'PostgreSQL store',
    files: /^src\/event-store\/postgres\//,
    imports: ['domain', 'store port', 'store', 'PostgreSQL store', 'event list'],
    packages: ['pg', /^node:(?!worker_threads|sqlite)/],
  },
  {
    name: 'store',
    files: /^src\/event-store\//,
    imports: ['domain', 'store port', 'store', 'event list'],
    packages: [/^node:(?!worker_threads|sqlite)/],
  },
  {
    name: 'Redis metrics',
    files: /^src\/metrics-store\/redis\//,
    imports: ['domain', 'metrics port', 'metrics', 'Redis metrics', 'event list'],
    packages: ['ioredis', anyNode],
  },
  {
    name: 'metrics',
    files: /^src\/metrics-store\//,
    imports: ['domain', 'metrics port', 'metrics', 'event list'],
    packages: [anyNode],
  },

  {
    name: 'telemetry',
    files: /^src\/telemetry\//,
    imports: ['domain', 'event list', 'telemetry'],
    packages: ['pino', 'prom-client', anyNode],
  },
  // The schema of an event: ingest validates with it, and the contract describes it.
  { name: 'event input', files: /^src\/ingest\/event-input\.ts$/, imports: ['domain'], packages: [] },
  {
    name: 'ingest',
    files: /^src\/ingest\//,
    imports: ['domain', ...ports, 'event list', 'event input', 'ingest'],
    packages: ['ajv', anyNode],
  },
  {
    name: 'processing',
    files: /^src\/processing\//,
    imports: ['domain', ...ports, 'event list', 'processing'],
    packages: [anyNode],
  },
  { name: 'contract', files: /^src\/http\/contract\.ts$/, imports: ['domain', 'event input'], packages: [] },
  {
    name: 'http',
    files: /^src\/http\//,
    imports: ['domain', ...ports, 'event list', 'telemetry', 'event input', 'ingest', 'processing', 'contract', 'http'],
    packages: ['fastify', '@fastify/send', 'ajv', anyNode],
  },
  // The one place that names implementations.
  {
    name: 'composition',
    files: /^src\/runtime\/compose\/compose\./,
    imports: [
      'domain',
      ...ports,
      'segment log',
      'Kafka log',
      'SQLite store',
      'PostgreSQL store',
      'store',
      'metrics',
      'Redis metrics',
      'event list',
      'processing',
      'composition',
      'runtime',
    ],
    packages: [/^node:/],
  },
  // The only one that starts threads.
  {
    name: 'runtime',
    files: /^src\/runtime\//,
    imports: [
      'domain',
      ...ports,
      'event list',
      'telemetry',
      'ingest',
      'processing',
      'contract',
      'http',
      'composition',
      'runtime',
    ],
    packages: [/^node:/],
  },
  {
    name: 'cli',
    files: /^src\/cli\//,
    imports: ['domain', 'contract', 'runtime', 'cli', 'launcher'],
    packages: ['commander', anyNode],
  },
  { name: 'launcher', files: /^bin\/supported-node\.js$/, imports: [], packages: [] },
  { name: 'package entry', files: /^src\/index\.ts$/, imports: ['contract', 'runtime'], packages: [] },

  {
    name: 'dashboard',
    files: /^dashboard\//,
    imports: ['dashboard'],
    typesOf: ['contract'],
    packages: ['react', 'react-dom', 'react-dom/client', 'uplot', /^uplot\/.*\.css$/, 'wouter', /^wouter\//],
  },
];

export function layerOf(path: string): Layer | undefined {
  return layers.find(({ files }) => files.test(path));
}
