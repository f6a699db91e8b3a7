import type { Closed } from './readiness.ts';

/**
 * Whether the process takes requests, as one thread decides it and all that serve HTTP go by it: asked for each request, so it lies
 * in shared memory. A thread that is started anew finds it as it is.
 */
export interface SharedGate {
  /** For `openGate` in another thread. */
  readonly memory: SharedArrayBuffer;
  /** From then on connections end with their next answer. */
  stop(): void;
  /** From then on nothing is taken. */
  drained(): void;
  setReplaced(isReplaced: boolean): void;
}

export interface Gate {
  isStopping(): boolean;
  closed(): Extract<Closed, 'shutting_down' | 'log_replaced'> | null;
}

const phaseAt = 0;
const replacedAt = 1;
const cellCount = 2;
const phases = { serving: 0, stopping: 1, drained: 2 } as const;

export function createGate(): SharedGate & Gate {
  const cells = new Int32Array(new SharedArrayBuffer(cellCount * Int32Array.BYTES_PER_ELEMENT));
  const memory = cells.buffer;
  return {
    ...openGate(memory),
    memory,
    stop: () => void Atomics.store(cells, phaseAt, phases.stopping),
    drained: () => void Atomics.store(cells, phaseAt, phases.drained),
    setReplaced: (isReplaced) => void Atomics.store(cells, replacedAt, Number(isReplaced)),
  };
}

export function openGate(memory: SharedArrayBuffer): Gate {
  const cells = new Int32Array(memory);
  return {
    isStopping: () => Atomics.load(cells, phaseAt) !== phases.serving,
    closed() {
      if (Atomics.load(cells, phaseAt) === phases.drained) return 'shutting_down';
      return Atomics.load(cells, replacedAt) === 0 ? null : 'log_replaced';
    },
  };
}
