import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { freePort } from './free-port.ts';

/** Stands between clients and a server, and does to them what networks do. */
export interface TcpProxy extends AsyncDisposable {
  readonly port: number;
  /** Of clients, open now. */
  connections(): number;
  /** Silence: nothing goes either way, nothing is seen to close, and whoever connects anew is not answered. */
  hole(): void;
  /** The end of the silence: what was sent or closed in it arrives now, as TCP's repeats would bring it. */
  heal(): void;
  /** Resets every open connection; new ones are taken. */
  cut(): void;
  /** New connections are refused; open ones stay. */
  refuse(): void;
  accept(): Promise<void>;
  close(): Promise<void>;
}

/** One client's way to the server. */
interface Line {
  silence(): void;
  heal(): void;
  reset(): void;
}

/** From a port of its own to the server's. While the server is not there, the proxy resets whoever connects. */
export async function startProxy(options: { readonly targetPort: number; readonly port?: number }): Promise<TcpProxy> {
  const port = options.port ?? (await freePort());
  const lines = new Set<Line>();
  let isHole = false;
  let listener: Server | null = null;

  function take(client: Socket): void {
    const line = createLine(client, options.targetPort, () => lines.delete(line));
    lines.add(line);
    if (!isHole) line.heal();
  }

  async function accept(): Promise<void> {
    if (listener) return;
    listener = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, take);
    listener.listen(port, '127.0.0.1');
    await once(listener, 'listening');
  }

  /** Listening ends at once; the server's `close` event would wait for the connections, which stay. */
  function refuse(): void {
    listener?.close();
    listener = null;
  }

  function cut(): void {
    for (const line of lines) line.reset();
  }

  async function close(): Promise<void> {
    const closed = listener ? once(listener, 'close') : null;
    refuse();
    cut();
    await closed;
  }

  await accept();
  return {
    port,
    connections: () => lines.size,
    hole() {
      isHole = true;
      for (const line of lines) line.silence();
    },
    heal() {
      isHole = false;
      for (const line of lines) line.heal();
    },
    cut,
    refuse,
    accept,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Silent until it is healed for the first time: whoever connects into a hole does not get through to the server. */
function createLine(client: Socket, targetPort: number, gone: () => void): Line {
  let server: Socket | null = null;
  let isSilent = true;
  let isBroken = false;

  /** One side is reset where the other broke, but nobody is told of it in a hole. */
  function breakOff(): void {
    isBroken = true;
    if (!isSilent) reset();
  }

  function reset(): void {
    client.resetAndDestroy();
    server?.resetAndDestroy();
  }

  function watch(side: Socket): Socket {
    side.on('error', breakOff);
    side.on('close', () => {
      if (client.closed && (server === null || server.closed)) gone();
    });
    return side;
  }

  function heal(): void {
    if (!isSilent) return;
    isSilent = false;
    if (isBroken) {
      reset();
      return;
    }
    server ??= watch(connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true }));
    // `pipe` hands on the end of a side too.
    client.pipe(server);
    server.pipe(client);
  }

  /** Neither side is read any more: each fills the other's window, and no end is seen. */
  function silence(): void {
    isSilent = true;
    if (server === null) return;
    client.unpipe(server).pause();
    server.unpipe(client).pause();
  }

  watch(client);
  return { silence, heal, reset };
}
