import { createClient } from 'redis';
import { type RedisOptions, type RedisServer, startRedis } from './redis.ts';
import { waitUntil } from './wait-until.ts';

export interface RedisCluster extends AsyncDisposable {
  readonly nodes: readonly RedisServer[];
  /** For clients: `createCluster({ rootNodes: urls.map((url) => ({ url })) })`. */
  readonly urls: readonly string[];
  /** Until every node knows all slots to be served; for use after a node was killed and started again. */
  untilOk(): Promise<void>;
  dispose(): Promise<void>;
}

const slots = 16_384;

/** Primaries without replicas that share the slots evenly. Resolves once every node says that the cluster is well. */
export async function startRedisCluster(
  options: Omit<RedisOptions, 'port' | 'directory' | 'cluster'> & { readonly primaries?: number } = {},
): Promise<RedisCluster> {
  const { primaries = 3, ...redisOptions } = options;
  // A node is missed after two seconds, not fifteen.
  const settings = { 'cluster-node-timeout': 2_000, ...redisOptions.settings };
  const nodes: RedisServer[] = [];
  const dispose = async () => void (await Promise.all(nodes.map((node) => node.dispose())));
  const untilOk = () => waitUntil('the Redis cluster to be ok', () => isOk(nodes), { timeoutMs: 30_000 });
  try {
    for (let index = 0; index < primaries; index += 1) {
      nodes.push(await startRedis({ ...redisOptions, settings, cluster: true }));
    }
    await form(nodes);
    await untilOk();
  } catch (error) {
    await dispose();
    throw error;
  }
  return { nodes, urls: nodes.map(({ url }) => url), untilOk, dispose, [Symbol.asyncDispose]: dispose };
}

async function form(nodes: readonly RedisServer[]): Promise<void> {
  const share = Math.ceil(slots / nodes.length);
  const [first] = nodes;
  for (const [index, node] of nodes.entries()) {
    const range = [index * share, Math.min((index + 1) * share, slots) - 1].map(String);
    await ask(node, ['CLUSTER', 'ADDSLOTSRANGE', ...range]);
    // By themselves all would start at epoch 0, and settle the collisions between them one after another.
    await ask(node, ['CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1)]);
  }
  for (const node of nodes.slice(1)) {
    await ask(node, ['CLUSTER', 'MEET', '127.0.0.1', String(first!.port), String(first!.clusterPort)]);
  }
}

async function isOk(nodes: readonly RedisServer[]): Promise<boolean> {
  for (const node of nodes) {
    const info = String(await ask(node, ['CLUSTER', 'INFO']));
    const isWell = info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${nodes.length}`);
    if (!isWell || !info.includes(`cluster_slots_ok:${slots}`)) return false;
  }
  return true;
}

async function ask(node: RedisServer, command: readonly string[]): Promise<unknown> {
  const client = createClient({ url: node.url, socket: { reconnectStrategy: false, connectTimeout: 5_000 } });
  // The command itself rejects.
  client.on('error', () => {});
  await client.connect();
  try {
    return await client.sendCommand(command);
  } finally {
    client.destroy();
  }
}
