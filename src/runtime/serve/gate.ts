import type { ClosedCode } from '../../ingest/ingest-answer.ts';

/**
 * Whether the process takes events, as the main thread decides it and all threads that serve HTTP go by it: asked for
 * each request, so it lies in shared memory. A thread that is started anew finds it as it is.
 */
export interface Gate {
  /** From then on connections end with their next answer. */
  isStopping(): boolean;
  closed(): Extract<ClosedCode, 'shutting_down' | 'log_replaced'> | null;
}

export interface GateWriter extends Gate {
  /** For `openGate` in another thread. */
  readonly memory: SharedArrayBuffer;
  /** `drained`: whoever hands out requests has had time to look away, and nothing is taken any more. */
  setPhase(phase: Exclude<Phase, 'serving'>): void;
  setReplaced(isReplaced: boolean): void;
}

const phases = { serving: 0, stopping: 1, drained: 2 } as const;
type Phase = keyof typeof phases;

const phaseAt = 0;
const replacedAt = 1;
const cellCount = 2;

export function createGate(): GateWriter {
  const cells = new Int32Array(new SharedArrayBuffer(cellCount * Int32Array.BYTES_PER_ELEMENT));
  const memory = cells.buffer;
  return {
    ...openGate(memory),
    memory,
    setPhase: (phase) => void Atomics.store(cells, phaseAt, phases[phase]),
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
