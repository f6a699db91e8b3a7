/** What a broker is among others. By itself it is its own controller. */
export interface KafkaNode {
  readonly id: number;
  readonly isController: boolean;
  /** Of the one controller. */
  readonly controllerPort: number;
  readonly clusterSize: number;
}

export interface KafkaPorts {
  readonly client: number;
  readonly advertised: number;
  readonly direct: number;
}

export type KafkaSettings = Readonly<Record<string, string | number | boolean>>;

/** server.properties of one node, on 127.0.0.1. */
export function toServerProperties(data: string, node: KafkaNode, ports: KafkaPorts, settings: KafkaSettings): string {
  const controller = `127.0.0.1:${node.controllerPort}`;
  const replicas = Math.min(3, node.clusterSize);
  const replicasNeeded = Math.max(1, replicas - 1);
  const all: KafkaSettings = {
    'process.roles': node.isController ? 'broker,controller' : 'broker',
    'node.id': node.id,
    // Brokers talk to each other past any proxy, so that a hole before one makes no other trouble than the hole.
    listeners: [
      `CLIENT://127.0.0.1:${ports.client}`,
      `DIRECT://127.0.0.1:${ports.direct}`,
      ...(node.isController ? [`CONTROLLER://${controller}`] : []),
    ].join(','),
    'advertised.listeners': `CLIENT://127.0.0.1:${ports.advertised},DIRECT://127.0.0.1:${ports.direct}`,
    'listener.security.protocol.map': 'CLIENT:PLAINTEXT,DIRECT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name': 'DIRECT',
    'controller.listener.names': 'CONTROLLER',
    // The voter by configuration, not by what was formatted: the ports may change between two starts on one directory.
    'controller.quorum.voters': `1@${controller}`,
    'log.dirs': data,
    // A broker that comes back is let in only once its former life is over, 9 s by default: the controller restarts
    // with it and believes it alive. Three seconds are still long for a machine whose cores are busy.
    'broker.session.timeout.ms': 3_000,
    'broker.heartbeat.interval.ms': 500,
    'num.network.threads': 2,
    'num.io.threads': 2,
    'offsets.topic.num.partitions': 1,
    'offsets.topic.replication.factor': replicas,
    'transaction.state.log.num.partitions': 1,
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': replicasNeeded,
    'share.coordinator.state.topic.num.partitions': 1,
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': replicasNeeded,
    'group.initial.rebalance.delay.ms': 0,
    'auto.create.topics.enable': false,
    ...settings,
  };
  return Object.entries(all)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}
