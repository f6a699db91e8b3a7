import { isIP } from 'node:net';
import {
  type API,
  apiVersionsV3,
  Connection,
  type ConnectionOptions,
  protocolAPIsById,
  ResponseError,
} from '@platformatic/kafka';
import { UnavailableError } from '../../../domain/failure.ts';
import { limits } from '../../../domain/limits.ts';
import type { Endpoint, KafkaConnection } from './connection.ts';
import { closedError, unreachable } from './errors.ts';
import { oldestKafka, protocol } from './protocol.ts';
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
  call<Request extends unknown[], Response>(
    api: API<Request, Response>,
    request: Request,
    timeoutMs: number,
  ): Promise<Response>;
  /** Ends what is under way. */
  close(): void;
}

const software = ['event-stream-processor', '1'] as const;
/** Beyond any call's own time: the library's timer must never be the one that goes off. */
const libraryTimeoutMs = 10 * 60_000;

export function createBrokerLink({ host, port }: Endpoint, settings: KafkaConnection): BrokerLink {
  const name = `${host}:${port}`;
  let opening: Promise<Connection> | null = null;
  let isClosed = false;

  function opened(): Promise<Connection> {
    if (opening !== null) return opening;
    const connection = new Connection(settings.clientId, connectionOptions(host, settings));
    const forget = () => {
      if (opening === attempt) opening = null;
    };
    // Who waits for an answer hears of it; without a listener it would end the process.
    connection.on('error', forget);
    connection.on('close', () => {
      forget();
      // Also ends the library's timer for the next SASL handshake.
      shut(connection);
    });
    const attempt = connect(connection).catch((error: unknown) => {
      forget();
      shut(connection);
      throw unreachable(`connect to ${name}`, error);
    });
    opening = attempt;
    return attempt;
  }

  async function connect(connection: Connection): Promise<Connection> {
    await connection.connect(host, port);
    const { apiKeys } = await ask(connection, name, apiVersionsV3.api, [...software], limits.kafkaConnectTimeoutMs);
    for (const { key, version } of Object.values(protocol)) {
      const known = apiKeys.find(({ apiKey }) => apiKey === key);
      if (known !== undefined && known.minVersion <= version && version <= known.maxVersion) continue;
      const speaks = known === undefined ? 'does not know it' : `knows ${known.minVersion} to ${known.maxVersion}`;
      throw new UnavailableError(
        'log_unsupported',
        `${name} ${speaks}, but ${protocolAPIsById[key]} version ${version} is needed: this program works with Kafka ${oldestKafka} and newer`,
      );
    }
    return connection;
  }

  return {
    async call(api, request, timeoutMs) {
      if (isClosed) throw closedError();
      const calledAt = performance.now();
      const connection = await within(opened(), timeoutMs, `${name} has not taken a connection`);
      if (isClosed) throw closedError();
      return ask(connection, name, api, request, remainingMs(calledAt + timeoutMs));
    },
    close() {
      isClosed = true;
      opening?.then(shut, () => undefined);
    },
  };
}

/** One question and its answer; a connection that does not answer in time is shut. */
async function ask<Request extends unknown[], Response>(
  connection: Connection,
  name: string,
  api: API<Request, Response>,
  request: Request,
  timeoutMs: number,
): Promise<Response> {
  const answer = api.async(connection, ...request);
  try {
    return await within(answer, timeoutMs, `${name} has not answered ${protocolAPIsById[api.key]}`);
  } catch (error) {
    // Kafka's own error codes are answers: whoever asked looks at them.
    if (error instanceof ResponseError) return (error as ResponseError & { readonly response: Response }).response;
    if (error instanceof UnavailableError) shut(connection);
    throw unreachable(name, error);
  }
}

function connectionOptions(host: string, { tls, sasl }: KafkaConnection): ConnectionOptions {
  const { serverName, ...certificates } = tls ?? {};
  return {
    connectTimeout: limits.kafkaConnectTimeoutMs,
    requestTimeout: libraryTimeoutMs,
    maxInflights: limits.kafkaCallsInFlightMax,
    ...(tls === undefined ? {} : { tls: certificates, tlsServerName: serverName ?? isIP(host) === 0 }),
    ...(sasl === undefined ? {} : { sasl }),
  };
}

/** At once, and for good; what waits on it fails. */
function shut(connection: Connection): void {
  connection.close(() => undefined);
  connection.socket?.destroy();
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
