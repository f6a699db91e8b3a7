/** The baselines that take events in on Kafka, each on a topic of its own, made and set up as the product's. */
import { join } from 'node:path';
import { Admin, ListOffsetTimestamps } from '@platformatic/kafka';
import { startChild } from '../parts/child.ts';
import { runCommand } from '../parts/product.ts';
import type { Side, SideResult } from '../parts/rounds.ts';
import { partitions, type ServerInstallation } from '../parts/servers.ts';
import type { FastifyPlan } from './fastify.ts';
import { type GoPrograms, startGoServer } from './go-programs.ts';

export interface Baseline extends Side {
  readonly topic: string;
}

async function makeTopic({ settings }: ServerInstallation, suffix: string): Promise<string> {
  const topic = `${settings.ESP_TOPIC}.${suffix}`;
  await runCommand(['topics', 'create'], { ...settings, ESP_TOPIC: topic, ESP_FAILED_TOPIC: `${topic}.failed` });
  return topic;
}

/**
 * With both ways to group records: those of a moment, and those of two milliseconds. Which is faster depends on the
 * load.
 */
export async function startGoBaselines(
  stack: AsyncDisposableStack,
  installation: ServerInstallation,
  go: GoPrograms,
): Promise<[Baseline, Baseline]> {
  const brokers = installation.settings.KAFKA_BROKERS!;
  async function start(linger: string, name: string): Promise<Baseline> {
    const topic = await makeTopic(installation, `go-${linger}`);
    const { port, pid } = stack.use(await startGoServer(go, { brokers, topic, linger }));
    return { name, port, pid, topic, idsFile: null };
  }
  return Promise.all([start('0ms', 'Go, linger 0'), start('2ms', 'Go, linger 2 ms')]);
}

export async function startFastify(stack: AsyncDisposableStack, installation: ServerInstallation): Promise<Baseline> {
  const topic = await makeTopic(installation, 'fastify');
  const child = stack.use(startChild<FastifyPlan, number>(join(import.meta.dirname, 'fastify.ts')));
  const port = await child.ask({ brokers: installation.settings.KAFKA_BROKERS!, topic, partitions });
  return { name: 'Fastify', port, pid: child.pid, topic, idsFile: null };
}

/**
 * A baseline that says 202 without having stored all of it would be no baseline: what its topic has more or less than
 * it accepted.
 */
export async function miscounts(
  { settings }: ServerInstallation,
  baselines: readonly Baseline[],
  results: readonly SideResult[],
): Promise<readonly string[]> {
  const admin = new Admin({ clientId: 'bench', bootstrapBrokers: [settings.KAFKA_BROKERS!] });
  try {
    const found: string[] = [];
    for (const { name, topic } of baselines) {
      const { accepted } = results.find((result) => result.name === name)!;
      const records = await recordsIn(admin, topic);
      if (records !== accepted) found.push(`${name}: ${accepted} accepted, ${records} records in its topic`);
    }
    return found;
  } finally {
    await admin.close();
  }
}

async function recordsIn(admin: Admin, topic: string): Promise<number> {
  const [ends] = await admin.listOffsets({
    topics: [
      {
        name: topic,
        partitions: Array.from({ length: partitions }, (_, partitionIndex) => ({
          partitionIndex,
          timestamp: ListOffsetTimestamps.LATEST,
        })),
      },
    ],
  });
  return ends!.partitions.reduce((sum, { offset }) => sum + Number(offset), 0);
}
