import { once } from 'node:events';
import { createServer } from 'node:net';
import { StartupError } from '../../domain/failure.ts';
import type { createHttpApp } from '../../http/app.ts';

/**
 * What `localhost` is taken for. Fastify would listen at each of its addresses, at all but the first with a server of
 * its own that nothing is known of here: it would shed no load, know no bound of connections, and keep them when it
 * stops.
 */
const loopback = '127.0.0.1';

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  /** Processes share the port. */
  readonly reusePort?: boolean;
  /** Threads of this process share it. `first`: the one that takes it for all of them. */
  readonly amongThreads?: 'first' | 'further' | null;
  readonly portVariable: string;
}

/** @throws StartupError that names the variable to change */
export async function listen(
  app: ReturnType<typeof createHttpApp>,
  { host: name, port, reusePort = false, amongThreads = null, portVariable }: ListenOptions,
): Promise<{ readonly url: string; readonly port: number }> {
  const host = name === 'localhost' ? loopback : name;
  const isShared = reusePort || amongThreads !== null;
  try {
    // Sharing among threads is sharing with any process of this user: one that has the port already must be found here.
    if (amongThreads === 'first' && !reusePort && port !== 0) await assertFree(host, port);
    // Fastify hands to Node what it does not know itself. Node 26 says ENOTSUP where the system can't do it (macOS,
    // Windows).
    await app.listen({ host, port, ...(isShared ? { reusePort: true } : {}) });
  } catch (error) {
    throw explain(error as NodeJS.ErrnoException, { host: name, port, reusePort, portVariable });
  }
  const address = app.server.address();
  const listening = typeof address === 'object' && address !== null ? address.port : port;
  return { url: urlOf(name, listening), port: listening };
}

async function assertFree(host: string, port: number): Promise<void> {
  const server = createServer((connection) => connection.destroy());
  server.listen({ host, port });
  await once(server, 'listening');
  server.close();
  await once(server, 'close');
}

function explain(
  error: NodeJS.ErrnoException,
  { host, port, reusePort, portVariable }: Pick<ListenOptions, 'host' | 'port' | 'reusePort' | 'portVariable'>,
): Error {
  const { code } = error;
  if (code === 'EADDRINUSE') {
    return new StartupError(
      `Port ${port} is taken on ${host}: stop what listens there, or set ${portVariable} to another one.`,
      { cause: error },
    );
  }
  if (code === 'ENOTSUP') {
    const message = reusePort
      ? 'ESP_REUSE_PORT: this system can not share a port between processes: give each its own.'
      : 'ESP_HTTP_THREADS: this system can not share a port between threads: set it to 1, and run more processes.';
    return new StartupError(message, { cause: error });
  }
  if (code !== undefined && ['EACCES', 'EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN'].includes(code)) {
    return new StartupError(
      `Can't listen on ${host}:${port} (${code}): HOST must be an address of this machine, and ${portVariable} one that this user may have.`,
      { cause: error },
    );
  }
  return error;
}

function urlOf(host: string, port: number): string {
  const name = host === '0.0.0.0' || host === '::' || host === '127.0.0.1' ? 'localhost' : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}
