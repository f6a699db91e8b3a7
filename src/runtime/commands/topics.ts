import { StartupError } from '../../domain/failure.ts';
import type { Topics, TopicsReport } from '../compose/compose.topics.ts';
import { connectionVariables } from '../config/config.production.ts';
import type { Config } from '../config/config.ts';

export type { TopicsReport };

async function withTopics<T>(config: Config, work: (topics: Topics) => Promise<T>): Promise<T> {
  if (config.production === null) {
    throw new StartupError(
      `Topics belong to Kafka: set ${connectionVariables.join(', ')}. Embedded, there is nothing to make.`,
    );
  }
  const { openTopics } = await import('../compose/compose.topics.ts');
  const topics = openTopics(config, config.production);
  try {
    return await work(topics);
  } finally {
    topics.close();
  }
}

/**
 * What is there, what is missing, and what is wrong with it. Changes nothing. @throws StartupError, UnavailableError
 */
export function checkTopics(config: Config): Promise<TopicsReport> {
  return withTopics(config, (topics) => topics.check());
}

/** Makes what is missing, and leaves what is there as it is. @throws StartupError, UnavailableError */
export function createTopics(config: Config, wanted: { readonly replication?: number }): Promise<TopicsReport> {
  return withTopics(config, (topics) => topics.create({ partitions: config.partitions, ...wanted }));
}

export interface Increase {
  readonly present: number;
  readonly wanted: number;
  /** What it means, for the person who decides. */
  readonly explanation: string;
  readonly done: boolean;
}

/** @param isConfirmed else it is only explained. @throws StartupError, UnavailableError */
export function increasePartitions(config: Config, wanted: number, isConfirmed: boolean): Promise<Increase> {
  return withTopics(config, async (topics) => {
    const { explainPartitions } = await import('../compose/compose.topics.ts');
    const present = await topics.countPartitions();
    if (wanted <= present) {
      throw new StartupError(`The topic has ${present} partitions already. Kafka can add some, and take none away.`);
    }
    if (isConfirmed) await topics.raisePartitions(wanted);
    return { present, wanted, explanation: explainPartitions(present, wanted), done: isConfirmed };
  });
}
