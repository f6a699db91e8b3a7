import { UnavailableError } from '../../../domain/failure.ts';
import { limits } from '../../../domain/limits.ts';
import { apiVersions } from '../protocol/connection-messages.ts';
import { errorName } from '../protocol/error-names.ts';
import type { Message } from '../protocol/message.ts';
import { oldestKafka, protocol } from '../protocol/protocol.ts';
import { type BrokerConnection, createBrokerConnection } from './broker-connection.ts';
import { closedError, unreachable } from './errors.ts';
import type { Endpoint, KafkaClientSettings } from './settings.ts';
import { remainingMs } from './wait.ts';

/**
 * A way to one broker: one connection, made when it is first needed and again after it was lost. A broker answers what
 * comes over one connection in order, so what may take long (a fetch that waits, a join) has a link of its own.
 */
export interface BrokerLink {
  /**
   * Answers what the broker answers, error codes included.
   * @throws UnavailableError when there is no connection, or no answer within the time: then the connection is given
   * up, with everything else that waits on it, since a broker that is silent on one question is silent on the next
   * ones.
   */
  call<Request, Response>(message: Message<Request, Response>, request: Request, timeoutMs: number): Promise<Response>;
  /** Ends what is under way. */
  close(): void;
}

interface Opening {
  readonly connection: BrokerConnection;
  /** Rejects with UnavailableError. */
  readonly opened: Promise<void>;
}

const software = { clientSoftwareName: 'event-stream-processor', clientSoftwareVersion: '1' };

export function createBrokerLink(endpoint: Endpoint, settings: KafkaClientSettings): BrokerLink {
  const name = `${endpoint.host}:${endpoint.port}`;
  /** Every connection that is not ended yet, former ones that still answer included. */
  const alive = new Set<BrokerConnection>();
  let current: Opening | null = null;
  let successor: Opening | null = null;
  let successorDueAt = 0;
  let isClosed = false;

  function open(): Opening {
    const connection = createBrokerConnection(endpoint, settings, () => {
      alive.delete(connection);
      if (current?.connection === connection) current = null;
    });
    alive.add(connection);
    const opened = introduce(connection).catch((error: unknown) => {
      connection.shut();
      throw unreachable(`connect to ${name}`, error);
    });
    // Whoever waits for it hears of it; of one that was given up, nobody does.
    opened.catch(() => undefined);
    return { connection, opened };
  }

  async function introduce(connection: BrokerConnection): Promise<void> {
    const deadlineAt = performance.now() + limits.kafkaConnectTimeoutMs;
    const doing = `${name} has not taken the connection`;
    await within(connection.ready, limits.kafkaConnectTimeoutMs, doing);
    const { errorCode, apiKeys } = await within(connection.ask(apiVersions, software), remainingMs(deadlineAt), doing);
    const needed = `this program works with Kafka ${oldestKafka} and newer`;
    if (errorCode !== 0)
      throw new UnavailableError('log_unsupported', `${name} says ${errorName(errorCode)}: ${needed}`);
    for (const { name: wanted, key, version } of Object.values(protocol)) {
      const known = apiKeys.find(({ apiKey }) => apiKey === key);
      if (known !== undefined && known.minVersion <= version && version <= known.maxVersion) continue;
      const speaks = known === undefined ? 'does not know it' : `knows ${known.minVersion} to ${known.maxVersion}`;
      throw new UnavailableError(
        'log_unsupported',
        `${name} ${speaks}, but ${wanted} version ${version} is needed: ${needed}`,
      );
    }
  }

  /**
   * Beside the one that the broker is about to end, which is asked until the other is there, and answers what it was
   * asked.
   */
  function succeed(): void {
    if (successor !== null || performance.now() < successorDueAt) return;
    const opening = open();
    successor = opening;
    opening.opened
      .then(
        () => {
          current?.connection.retire();
          current = opening;
        },
        () => {
          successorDueAt = performance.now() + limits.kafkaRetryMaxMs;
        },
      )
      .finally(() => {
        successor = null;
      });
  }

  async function connected(timeoutMs: number): Promise<BrokerConnection> {
    if (current?.connection.isAtItsEnd()) succeed();
    current ??= open();
    const { connection, opened } = current;
    await within(opened, timeoutMs, `${name} has not taken a connection`);
    return connection;
  }

  return {
    async call(message, request, timeoutMs) {
      if (isClosed) throw closedError();
      const calledAt = performance.now();
      let connection: BrokerConnection;
      try {
        connection = await connected(timeoutMs);
      } catch (error) {
        throw unreachable(`connect to ${name}`, error);
      }
      if (isClosed) throw closedError();
      const leftMs = remainingMs(calledAt + timeoutMs);
      try {
        return await within(connection.ask(message, request), leftMs, `${name} has not answered ${message.name}`);
      } catch (error) {
        if (error instanceof UnavailableError) connection.shut();
        throw unreachable(name, error);
      }
    },
    close() {
      isClosed = true;
      for (const connection of alive) connection.shut();
    },
  };
}

async function within<T>(promise: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new UnavailableError('log_timeout', `${what} within ${Math.round(timeoutMs)} ms`)),
    timeoutMs,
  );
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
    // Whoever loses the race may still fail, later, and nobody listens then.
    promise.catch(() => undefined);
  }
}
