import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { checkServerIdentity, connect as connectTls } from 'node:tls';
import { UnavailableError } from '../../../domain/failure.ts';
import { giveBack, giveBackReceived } from '../../../domain/give-back.ts';
import { limits } from '../../../domain/limits.ts';
import { ByteReader, ByteWriter, classicString, skipTaggedFields } from '../protocol/codec.ts';
import { apiVersions, saslAuthenticate, saslHandshake } from '../protocol/connection-messages.ts';
import { errorName } from '../protocol/error-names.ts';
import type { Message } from '../protocol/message.ts';
import { codes } from './errors.ts';
import { authenticate, SaslError } from './sasl.ts';
import type { Endpoint, KafkaClientSettings, KafkaSasl } from './settings.ts';

/**
 * One TCP or TLS connection to a broker, with who asks made known to it. Requests go out as they come, and a broker
 * answers them one after another, in order. It keeps no time: who asks does, and shuts a connection that is silent.
 */
export interface BrokerConnection {
  /**
   * Until it may be asked. @throws an Error that says why it can't be, UnavailableError `log_denied` where the broker
   * says no
   */
  readonly ready: Promise<void>;
  /**
   * The broker's answer, error codes included. Bytes of the request are given back once it is there; those in the
   * answer have its memory to themselves.
   * @throws Error where the connection ends before it, or it can't be read
   */
  ask<Request, Response>(message: Message<Request, Response>, request: Request): Promise<Response>;
  /** Whether the broker is about to end it, since who asked must make itself known again. */
  isAtItsEnd(): boolean;
  /** Ends it once all answers are there that are still due. */
  retire(): void;
  /** At once; what waits for an answer fails. */
  shut(): void;
}

interface Question {
  readonly correlationId: number;
  readonly take: (answer: ByteReader) => void;
  readonly fail: (error: Error) => void;
}

const lengthBytes = 4;
/** What every answer begins with. */
const correlationIdBytes = 4;
/** Far more than is ever asked for; what claims to be longer is no answer of a broker's. */
const answerBytesMax = 100 * 1024 * 1024;
/** Of the time that a broker lets a session live: what is asked then is still answered within it. */
const sessionShare = 0.8;

/**
 * @param onEnd called once, whatever ended it
 * @throws Error where the settings are none: a certificate that can't be read, a port that can't be
 */
export function createBrokerConnection(
  endpoint: Endpoint,
  settings: KafkaClientSettings,
  onEnd: () => void,
): BrokerConnection {
  const socket = openSocket(endpoint, settings);
  const waiting: Question[] = [];
  let correlationId = 0;
  let isRetired = false;
  let ended: Error | null = null;
  let goodUntil = Number.POSITIVE_INFINITY;
  /** An answer of which a part has come. */
  let answer: Buffer | null = null;
  let filled = 0;
  /** The beginning of a length. */
  let rest: Buffer | null = null;
  let isFirst = true;
  const connecting = Promise.withResolvers<void>();
  // Whoever waits for it to be ready hears of it.
  connecting.promise.catch(() => undefined);

  function end(error: Error): void {
    if (ended !== null) return;
    ended = error;
    socket.destroy();
    connecting.reject(error);
    for (const question of waiting.splice(0)) question.fail(error);
    onEnd();
  }

  socket.setNoDelay(true);
  socket.once(settings.tls === undefined ? 'connect' : 'secureConnect', connecting.resolve);
  socket.on('error', end);
  socket.on('close', () => end(new Error('the broker has ended the connection')));
  socket.on('data', (bytes: Buffer) => {
    try {
      if (isFirst && settings.tls === undefined && isTlsRecord(bytes)) throw new Error('the broker wants TLS');
      isFirst = false;
      take(bytes);
    } catch (error) {
      end(error as Error);
    }
  });

  /** Answers are of memory of their own, so the piece that was received is given back. */
  function take(chunk: Buffer): void {
    takeAll(rest === null ? chunk : Buffer.concat([rest, chunk]));
    giveBackReceived(chunk);
  }

  function takeAll(received: Buffer): void {
    let bytes = received;
    rest = null;
    while (bytes.length > 0) {
      if (answer !== null) {
        const taken = bytes.copy(answer, filled);
        filled += taken;
        bytes = bytes.subarray(taken);
        if (filled < answer.length) return;
        const whole = answer;
        answer = null;
        settle(whole);
        continue;
      }
      if (bytes.length < lengthBytes) {
        rest = Buffer.from(bytes);
        return;
      }
      const length = bytes.readInt32BE(0);
      if (length < correlationIdBytes || length > answerBytesMax)
        throw new Error('it does not answer as a Kafka broker does');
      bytes = bytes.subarray(lengthBytes);
      // Not of Node's pool: who is done with an answer may give its memory back.
      answer = Buffer.allocUnsafeSlow(length);
      filled = 0;
    }
  }

  function settle(bytes: Buffer): void {
    const reader = new ByteReader(bytes);
    const id = reader.int32();
    const question = waiting[0];
    if (question?.correlationId !== id) throw new Error('the broker answers what was not asked');
    waiting.shift();
    question.take(reader);
    if (isRetired) endWhenDone();
  }

  /** After this turn: who has chosen this connection a moment ago asks within it. */
  function endWhenDone(): void {
    setImmediate(() => {
      if (waiting.length === 0) socket.destroySoon();
    });
  }

  function ask<Request, Response>(message: Message<Request, Response>, request: Request): Promise<Response> {
    return new Promise((resolve, reject) => {
      if (ended !== null) throw ended;
      if (waiting.length >= limits.kafkaCallsInFlightMax) throw new Error('too many requests wait for its answer');
      correlationId = (correlationId + 1) & 0x7fffffff;
      const pieces = encodeRequest(message, request, correlationId, settings.clientId);
      const takeAnswer = (reader: ByteReader) => {
        try {
          if (message.isFlexible && message.key !== apiVersions.key) skipTaggedFields(reader);
          // What the system has taken is of no more use.
          if (socket.writableLength === 0) for (const piece of pieces) giveBack(piece);
          resolve(message.response.read(reader));
        } catch (error) {
          reject(new Error(`its answer to ${message.name} can't be read: ${(error as Error).message}`));
        }
      };
      waiting.push({ correlationId, take: takeAnswer, fail: reject });
      socket.cork();
      for (const piece of pieces) socket.write(piece);
      socket.uncork();
    });
  }

  async function open(): Promise<void> {
    await connecting.promise;
    const { sasl } = settings;
    if (sasl === undefined) return;
    const startedAt = performance.now();
    const lifetimeMs = await logIn(ask, sasl);
    if (lifetimeMs > 0) goodUntil = startedAt + lifetimeMs * sessionShare;
  }

  return {
    ready: open(),
    ask,
    isAtItsEnd: () => performance.now() >= goodUntil,
    retire() {
      isRetired = true;
      endWhenDone();
    },
    shut: () => end(new Error('the connection was given up')),
  };
}

function openSocket({ host, port }: Endpoint, { tls }: KafkaClientSettings): Socket {
  if (tls === undefined) return connectPlain({ host, port });
  const { serverName = host, ...certificates } = tls;
  return connectTls({
    host,
    port,
    ...certificates,
    // TLS names no addresses; the certificate must have whichever it is.
    ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
    checkServerIdentity: (_, certificate) => checkServerIdentity(serverName, certificate),
  });
}

/** Content type, and a version of 3.x: what a broker that wants TLS says to plain bytes. */
function isTlsRecord(bytes: Buffer): boolean {
  return bytes.length >= 3 && bytes[0]! >= 0x14 && bytes[0]! <= 0x17 && bytes[1] === 3 && bytes[2]! <= 4;
}

function encodeRequest<Request>(
  { key, version, isFlexible, request: codec }: Message<Request, unknown>,
  request: Request,
  correlationId: number,
  clientId: string,
): readonly Buffer[] {
  const writer = new ByteWriter();
  writer.int16(key);
  writer.int16(version);
  writer.int32(correlationId);
  classicString.write(writer, clientId);
  if (isFlexible) writer.varint(0);
  codec.write(writer, request);
  const { pieces, bytes } = writer.finish();
  const length = Buffer.allocUnsafe(lengthBytes);
  length.writeInt32BE(bytes);
  return [length, ...pieces];
}

/** @returns how long the broker lets the session live, in milliseconds; 0: as long as it likes */
async function logIn(ask: BrokerConnection['ask'], sasl: KafkaSasl): Promise<number> {
  const { mechanism } = sasl;
  const handshake = await ask(saslHandshake, { mechanism });
  if (handshake.errorCode === codes.unsupportedSaslMechanism) {
    throw denied(`the broker does not take ${mechanism}, it takes ${handshake.mechanisms.join(', ')}`);
  }
  if (handshake.errorCode !== 0) throw denied(`${errorName(handshake.errorCode)}: has this listener SASL at all?`);
  let lifetimeMs = 0;
  try {
    await authenticate(sasl, async (message) => {
      const answer = await ask(saslAuthenticate, { authBytes: message });
      if (answer.errorCode !== 0) throw new SaslError(answer.errorMessage ?? errorName(answer.errorCode));
      lifetimeMs = Number(answer.sessionLifetimeMs);
      return answer.authBytes;
    });
  } catch (error) {
    throw error instanceof SaslError ? denied(error.message) : error;
  }
  return lifetimeMs;
}

function denied(reason: string): UnavailableError {
  return new UnavailableError('log_denied', `SASL authentication failed: ${reason.replace(/\.$/, '')}`);
}
