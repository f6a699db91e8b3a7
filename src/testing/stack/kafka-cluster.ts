import { freePort } from './free-port.ts';
import { type KafkaOptions, type KafkaServer, startKafka } from './kafka.ts';

export interface KafkaCluster extends AsyncDisposable {
  /**
   * The first is the controller too, the only one: killing it stops what the others can decide, not what they serve.
   */
  readonly nodes: readonly KafkaServer[];
  /** Of all, separated by commas. */
  readonly brokers: string;
  dispose(): Promise<void>;
}

/** Several brokers, so that topics can have replicas. */
export async function startKafkaCluster(
  options: Pick<KafkaOptions, 'settings' | 'optimised'> & { readonly size?: number } = {},
): Promise<KafkaCluster> {
  const { size = 3, ...each } = options;
  const controllerPort = await freePort();
  const start = (id: number) =>
    startKafka({ ...each, node: { id, isController: id === 1, controllerPort, clusterSize: size } });
  const nodes = [await start(1)];
  const dispose = async () => void (await Promise.all(nodes.map((node) => node.dispose())));
  const others = await Promise.allSettled(Array.from({ length: size - 1 }, (_, index) => start(index + 2)));
  for (const other of others) if (other.status === 'fulfilled') nodes.push(other.value);
  const failed = others.find((other) => other.status === 'rejected');
  if (failed) {
    await dispose();
    throw failed.reason;
  }
  return { nodes, brokers: nodes.map(({ brokers }) => brokers).join(','), dispose, [Symbol.asyncDispose]: dispose };
}
