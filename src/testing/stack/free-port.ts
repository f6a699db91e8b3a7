import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below the range from which systems take the near end of outgoing connections (32768 and up on Linux, 49152 on
 * others): from there a port could be gone by the time its server starts, or starts again after a kill.
 */
const portMin = 20_000;
const portMax = 32_000;
const triesMax = 100;
/** By this process: a server that takes several is given them before it has any. */
const given = new Set<number>();

/**
 * A port of 127.0.0.1 that nothing listens on, the preferred one if it is such. It is given once, and stays free unless
 * another process picks the same number meanwhile.
 */
export async function freePort(preferred?: number): Promise<number> {
  if (preferred !== undefined && (await isFree(preferred))) return preferred;
  for (let tries = 0; tries < triesMax; tries += 1) {
    const port = randomInt(portMin, portMax);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error(`found no free port between ${portMin} and ${portMax} in ${triesMax} tries`);
}

async function isFree(port: number): Promise<boolean> {
  const holder = createServer();
  try {
    holder.listen(port, '127.0.0.1');
    await once(holder, 'listening');
  } catch {
    return false;
  }
  holder.close();
  await once(holder, 'close');
  return true;
}
