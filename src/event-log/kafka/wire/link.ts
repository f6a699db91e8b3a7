import { UnavailableError } from '../../../domain/failure.ts';
import { limits } from '../../../domain/limits.ts';
import { apiVersions } from '../protocol/connection-messages.ts';
import type { Message } from '../protocol/message.ts';
import { oldestKafka, protocol } from '../protocol/protocol.ts';
import { type BrokerConnection, createBrokerConnection } from './broker-connection.ts';
import type { Endpoint, KafkaConnection } from './connection.ts';
import { closedError, unreachable } from './errors.ts';
import { remainingMs } from './wait.ts';

/**
 * A way to one broker: one connection, made when it is first needed and again after it was lost. A broker answers what comes
 * over one connection in order, so what may take long (a fetch that waits, a join) has a link of its own.
 */
export interface BrokerLink {
  /**
   * Answers what the broker answers, error codes included.
   * @throws UnavailableError when there is no connection, or no answer within the time: then the connection is given up, with
   * everything else that waits on it, since a broker that is silent on one question is silent on the next ones.
   */
  call<Request, Response>(message: Message<Request, Response>, request: Request, timeoutMs: number): Promise<Response>;
  /** Ends what is under way. */
  close(): void;
}

const software = { clientSoftwareName: 'event-stream-processor', clientSoftwareVersion: '1' };

export function createBrokerLink(endpoint: Endpoint, settings: KafkaConnection): BrokerLink {
  const name = `${endpoint.host}:${endpoint.port}`;
  let current: { readonly connection: BrokerConnection; readonly opened: Promise<void> } | null = null;
  let isClosed = false;

  function forget(connection: BrokerConnection): void {
    if (current?.connection === connection) current = null;
  }

  /** The connection there is, or a new one in the place of one that the broker is about to end. */
  function present(): { readonly connection: BrokerConnection; readonly opened: Promise<void> } {
    if (current?.connection.isAtItsEnd()) {
      current.connection.retire();
      current = null;
    }
    if (current !== null) return current;
    const connection = createBrokerConnection(endpoint, settings, () => forget(connection));
    const opened = open(connection).catch((error: unknown) => {
      forget(connection);
      connection.shut();
      throw unreachable(`connect to ${name}`, error);
    });
    current = { connection, opened };
    return current;
  }

  async function open(connection: BrokerConnection): Promise<void> {
    const doing = `${name} has not taken the connection`;
    await within(connection.ready, limits.kafkaConnectTimeoutMs, doing);
    const { apiKeys } = await within(connection.ask(apiVersions, software), limits.kafkaConnectTimeoutMs, doing);
    for (const { name: wanted, key, version } of Object.values(protocol)) {
      const known = apiKeys.find(({ apiKey }) => apiKey === key);
      if (known !== undefined && known.minVersion <= version && version <= known.maxVersion) continue;
      const speaks = known === undefined ? 'does not know it' : `knows ${known.minVersion} to ${known.maxVersion}`;
      throw new UnavailableError(
        'log_unsupported',
        `${name} ${speaks}, but ${wanted} version ${version} is needed: this program works with Kafka ${oldestKafka} and newer`,
      );
    }
  }

  return {
    async call(message, request, timeoutMs) {
      if (isClosed) throw closedError();
      const calledAt = performance.now();
      const { connection, opened } = present();
      await within(opened, timeoutMs, `${name} has not taken a connection`);
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
      current?.connection.shut();
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
