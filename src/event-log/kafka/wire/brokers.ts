import { UnavailableError } from '../../../domain/failure.ts';
import { noUuid, type ValueOf } from '../protocol/codec.ts';
import type { Message } from '../protocol/message.ts';
import { protocol } from '../protocol/protocol.ts';
import { unreachable } from './errors.ts';
import { type BrokerLink, createBrokerLink } from './link.ts';
import type { Endpoint, KafkaClientSettings } from './settings.ts';
import { remainingMs } from './wait.ts';

/**
 * The brokers of a cluster as far as they are known, and the links to them. Links of one purpose are shared: `ask` for
 * what is answered at once, `append` for produce requests.
 */
export interface Brokers {
  /** Asks any broker about these topics, now. @throws UnavailableError when none answers by then */
  metadata(topics: readonly string[], deadlineAt: number, withPermissions?: boolean): Promise<Metadata>;
  /** Asks any broker. @throws UnavailableError when none answers by then */
  ask<Request, Response>(message: Message<Request, Response>, request: Request, deadlineAt: number): Promise<Response>;
  /** @throws UnavailableError where no broker of that number is known */
  link(purpose: LinkPurpose, nodeId: number): BrokerLink;
  /** One that is the caller's own, to close. */
  openLink(endpoint: Endpoint): BrokerLink;
  endpointOf(nodeId: number): Endpoint;
  /** The broker to ask for changes of the cluster. */
  controllerId(): number;
  close(): void;
}

type Metadata = ValueOf<typeof protocol.metadata.response>;

export type LinkPurpose = 'ask' | 'append';

export function createBrokers(settings: KafkaClientSettings): Brokers {
  const bootstrap = settings.brokers.map(endpointFrom);
  const links = new Map<string, BrokerLink>();
  const own = new Set<BrokerLink>();
  let nodes: ReadonlyMap<number, Endpoint> = new Map();
  let controller = -1;
  /** The endpoint that answered last is asked first. */
  let preferred: string | null = null;

  function shared(purpose: LinkPurpose, endpoint: Endpoint): BrokerLink {
    const key = `${purpose} ${nameOf(endpoint)}`;
    const found = links.get(key) ?? createBrokerLink(endpoint, settings);
    links.set(key, found);
    return found;
  }

  function endpointOf(nodeId: number): Endpoint {
    const endpoint = nodes.get(nodeId);
    if (endpoint === undefined) throw new UnavailableError('log_unreachable', `Kafka's broker ${nodeId} is away`);
    return endpoint;
  }

  /** Those that are known to be there, then those that were configured. */
  function candidates(): Endpoint[] {
    const known = new Map([...nodes.values(), ...bootstrap].map((endpoint) => [nameOf(endpoint), endpoint]));
    return [...known]
      .sort(([a], [b]) => Number(b === preferred) - Number(a === preferred))
      .map(([, endpoint]) => endpoint);
  }

  async function ask<Request, Response>(
    message: Message<Request, Response>,
    request: Request,
    deadlineAt: number,
  ): Promise<Response> {
    const endpoints = candidates();
    const failures: UnavailableError[] = [];
    for (const [index, endpoint] of endpoints.entries()) {
      if (index > 0 && performance.now() >= deadlineAt) break;
      // A silent broker must leave time for the next one.
      const shareMs = remainingMs(deadlineAt) / Math.min(2, endpoints.length - index);
      try {
        const answer = await shared('ask', endpoint).call(message, request, shareMs);
        preferred = nameOf(endpoint);
        return answer;
      } catch (error) {
        failures.push(unreachable('Kafka', error));
      }
    }
    const [first] = failures;
    if (failures.length === 1) throw first;
    throw new UnavailableError(
      first?.code ?? 'log_unreachable',
      `no Kafka broker answers: ${[...new Set(failures.map(({ message }) => message))].join('; ')}`,
      { cause: first },
    );
  }

  function learn({ brokers, controllerId }: Metadata): void {
    nodes = new Map(brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]));
    controller = controllerId;
    const kept = new Set(candidates().map(nameOf));
    for (const [key, link] of links) {
      if (kept.has(key.slice(key.indexOf(' ') + 1))) continue;
      links.delete(key);
      link.close();
    }
  }

  return {
    ask,
    endpointOf,
    async metadata(topics, deadlineAt, withPermissions = false) {
      const answer = await ask(protocol.metadata, metadataRequest(topics, withPermissions), deadlineAt);
      learn(answer);
      return answer;
    },
    link: (purpose, nodeId) => shared(purpose, endpointOf(nodeId)),
    openLink(endpoint) {
      const link = createBrokerLink(endpoint, settings);
      own.add(link);
      return {
        call: link.call,
        close() {
          own.delete(link);
          link.close();
        },
      };
    },
    controllerId: () => controller,
    close() {
      for (const link of [...links.values(), ...own]) link.close();
      links.clear();
      own.clear();
    },
  };
}

/** About topics by their names. */
export function metadataRequest(
  topics: readonly string[],
  includeTopicAuthorizedOperations = false,
): ValueOf<typeof protocol.metadata.request> {
  const named = topics.map((name) => ({ topicId: noUuid, name }));
  return { topics: named, allowAutoTopicCreation: false, includeTopicAuthorizedOperations };
}

/** `host:port`, or `[address]:port`; without a port, Kafka's own. */
function endpointFrom(broker: string): Endpoint {
  const [, bracketed, plain, port = '9092'] = /^(?:\[(.+)\]|([^:]+))(?::(\d+))?$/.exec(broker) ?? [];
  return { host: bracketed ?? plain ?? broker, port: Number(port) };
}

function nameOf({ host, port }: Endpoint): string {
  return `${host}:${port}`;
}
