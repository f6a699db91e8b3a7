import { UnavailableError } from '../../domain/failure.ts';
import type { Connection } from './connection.ts';

export interface PoolOptions {
  readonly size: number;
  readonly open: () => Promise<Connection>;
  /** Calls that may wait for a connection, and how long. */
  readonly waitingMax: number;
  readonly waitMs: number;
}

export interface Pool {
  /** Runs it on one of the connections, in turn; a pool of one is a queue. @throws UnavailableError */
  run<Result>(work: PooledWork<Result>): Promise<Result>;
  /** Ends the connections; nothing may run any more. */
  close(): Promise<void>;
}

/**
 * @param leave hands over what the connection still has to do when the work is done: whoever has it next waits for that
 */
export type PooledWork<Result> = (connection: Connection, leave: (settling: Promise<void>) => void) => Promise<Result>;

interface Slot {
  connection: Connection | null;
  settling: Promise<void> | null;
}

/** Connections are made when they are needed, and again when they were lost. */
export function createPool({ size, open, waitingMax, waitMs }: PoolOptions): Pool {
  // The end is taken first, so that only as many connections are made as are needed at a time.
  const free: Slot[] = Array.from({ length: size }, () => ({ connection: null, settling: null }));
  const slots: readonly Slot[] = [...free];
  const waiting: PromiseWithResolvers<Slot>[] = [];

  async function take(): Promise<Slot> {
    const slot = free.pop();
    if (slot !== undefined) return slot;
    if (waiting.length >= waitingMax) {
      throw new UnavailableError('store_busy', `${waitingMax} calls wait for a connection to PostgreSQL already.`);
    }
    const turn = Promise.withResolvers<Slot>();
    waiting.push(turn);
    const timer = setTimeout(() => {
      waiting.splice(waiting.indexOf(turn), 1);
      turn.reject(new UnavailableError('store_busy', `No connection to PostgreSQL was free for ${waitMs} ms.`));
    }, waitMs);
    try {
      return await turn.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  function giveBack(slot: Slot): void {
    const next = waiting.shift();
    if (next === undefined) free.push(slot);
    else next.resolve(slot);
  }

  async function connected(slot: Slot): Promise<Connection> {
    if (slot.settling !== null) await slot.settling;
    slot.settling = null;
    if (slot.connection?.isOpen()) return slot.connection;
    slot.connection = null;
    try {
      return (slot.connection = await open());
    } catch (error) {
      // They would find the same, one after the other.
      for (const turn of waiting.splice(0)) turn.reject(error);
      throw error;
    }
  }

  return {
    async run(work) {
      const slot = await take();
      try {
        return await work(await connected(slot), (settling) => {
          slot.settling = settling;
        });
      } finally {
        giveBack(slot);
      }
    },
    async close() {
      await Promise.all(slots.map(({ connection }) => connection?.close()));
    },
  };
}
