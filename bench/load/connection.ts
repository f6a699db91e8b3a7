import { connect } from 'node:net';
import { createAnswerReader, type OnAnswer } from './answer-reader.ts';

export interface Connection {
  /** One request at a time. */
  send(request: Buffer): void;
  end(): void;
}

/** A keep-alive connection that reads into one buffer of its own: nothing is allocated a read. */
export function openConnection(port: number, onAnswer: OnAnswer, onLost: (error: Error) => void): Promise<Connection> {
  const { promise, resolve, reject } = Promise.withResolvers<Connection>();
  const read = createAnswerReader(onAnswer);
  const buffer = Buffer.allocUnsafe(64 * 1024);
  let isEnding = false;
  const socket = connect({
    host: '127.0.0.1',
    port,
    noDelay: true,
    onread: {
      buffer,
      callback(bytes) {
        try {
          read(buffer.subarray(0, bytes));
        } catch (error) {
          lose(error as Error);
        }
        return true;
      },
    },
  });

  function lose(error: Error): void {
    if (isEnding) return;
    isEnding = true;
    socket.destroy();
    reject(error);
    onLost(error);
  }

  socket.once('error', lose);
  socket.once('close', () => lose(new Error('the server closed a connection')));
  socket.once('connect', () => {
    resolve({
      send: (request) => socket.write(request),
      end() {
        isEnding = true;
        socket.destroy();
      },
    });
  });
  return promise;
}

/**
 * Waits until all is answered, then ends the connections.
 *
 * @param everyMs called each millisecond meanwhile; null where answers alone go on
 * @returns processor seconds of this process meanwhile
 */
export async function sendUntil(
  over: Promise<void>,
  connections: readonly Connection[],
  everyMs: (() => void) | null,
): Promise<number> {
  const cpuBefore = process.cpuUsage();
  const timer = everyMs === null ? undefined : setInterval(everyMs, 1);
  try {
    await over;
  } finally {
    clearInterval(timer);
    for (const connection of connections) connection.end();
  }
  const cpu = process.cpuUsage(cpuBefore);
  return (cpu.user + cpu.system) / 1e6;
}
