import { StartupError } from '../../domain/failure.ts';
import type { createHttpApp } from '../../http/app.ts';

/**
 * What `localhost` is taken for. Fastify would listen at each of its addresses, at all but the first with a server of its own that
 * nothing is known of here: it would shed no load, know no bound of connections, and keep them when it stops.
 */
const loopback = '127.0.0.1';

/** @returns the address it listens at. @throws StartupError that names the variable to change */
export async function listen(
  app: ReturnType<typeof createHttpApp>,
  {
    host,
    port,
    reusePort = false,
    portVariable,
  }: {
    readonly host: string;
    readonly port: number;
    readonly reusePort?: boolean;
    readonly portVariable: string;
  },
): Promise<string> {
  try {
    // Fastify hands to Node what it does not know itself. Node 26 says ENOTSUP where the system can't do it (macOS, Windows).
    await app.listen({ host: host === 'localhost' ? loopback : host, port, ...(reusePort ? { reusePort } : {}) });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EADDRINUSE') {
      throw new StartupError(
        `Port ${port} is taken on ${host}: stop what listens there, or set ${portVariable} to another one.`,
        { cause: error },
      );
    }
    if (code === 'ENOTSUP' && reusePort) {
      throw new StartupError('ESP_REUSE_PORT: this system can not share a port between processes: give each its own.', {
        cause: error,
      });
    }
    if (code !== undefined && ['EACCES', 'EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN'].includes(code)) {
      throw new StartupError(
        `Can't listen on ${host}:${port} (${code}): HOST must be an address of this machine, and ${portVariable} one that this user may have.`,
        { cause: error },
      );
    }
    throw error;
  }
  const address = app.server.address();
  const listening = typeof address === 'object' && address !== null ? address.port : port;
  const name = host === '0.0.0.0' || host === '::' || host === '127.0.0.1' ? 'localhost' : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${listening}`;
}
