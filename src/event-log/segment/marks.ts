/**
 * What the threads of one process know together about the embedded log: how far it is durable, where it starts, who
 * reads it, and that something of this has changed. Only the thread that appends moves `end` and `start`; it does so
 * after the flush and before it answers, so a reader that goes by them sees nothing that is not on disk.
 */
export interface LogMarks {
  readonly shared: SharedArrayBuffer;
  readonly logId: string;
  end(partition: number): number;
  start(partition: number): number;
  setEnd(partition: number, offset: number): void;
  setStart(partition: number, offset: number): void;
  /** Number of joins so far: the latest member of the group is the one that got this number. */
  generation(): number;
  nextGeneration(): number;
  /** The newest segment and how many of its bytes are durable. What `end` tells lies in front of it. */
  tail(): LogPlace;
  setTail(tail: LogPlace): void;
  /** The oldest segment that is kept. */
  firstSegment(): number;
  setFirstSegment(number: number): void;
  /** Wakes every wait of every thread, to look again. */
  announce(): void;
  /** Wakes the waits of this handle only. */
  recheck(): void;
  /**
   * True as soon as `isMet`, false after `timeoutMs` (null: never). Rejects with the signal's reason. `isMet` is called
   * after each announcement, so it must be cheap.
   */
  until(isMet: () => boolean, timeoutMs: number | null, signal?: AbortSignal): Promise<boolean>;
}

export interface LogPlace {
  readonly segment: number;
  readonly bytes: number;
}

const changesWord = 0;
const generationWord = 1;
const firstSegmentWord = 2;
const logIdAt = 16;
const logIdBytes = 16;
const tailAt = logIdAt + logIdBytes;
const headerBytes = tailAt + BigInt64Array.BYTES_PER_ELEMENT;

export function createLogMarks(partitions: number, logId: string): LogMarks {
  const shared = new SharedArrayBuffer(headerBytes + partitions * 2 * BigInt64Array.BYTES_PER_ELEMENT);
  Buffer.from(shared, logIdAt, logIdBytes).write(logId.replaceAll('-', ''), 'hex');
  return openLogMarks(shared, partitions);
}

export function openLogMarks(shared: SharedArrayBuffer, partitions: number): LogMarks {
  const words = new Int32Array(shared, 0, logIdAt / Int32Array.BYTES_PER_ELEMENT);
  const tailWord = new BigInt64Array(shared, tailAt, 1);
  const offsets = new BigInt64Array(shared, headerBytes, partitions * 2);
  const hex = Buffer.from(shared, logIdAt, logIdBytes).toString('hex');
  const { until, recheck } = createWaits(words);
  return {
    shared,
    logId: hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
    end: (partition) => Number(Atomics.load(offsets, partition)),
    start: (partition) => Number(Atomics.load(offsets, partitions + partition)),
    setEnd: (partition, offset) => void Atomics.store(offsets, partition, BigInt(offset)),
    setStart: (partition, offset) => void Atomics.store(offsets, partitions + partition, BigInt(offset)),
    generation: () => Atomics.load(words, generationWord),
    nextGeneration: () => Atomics.add(words, generationWord, 1) + 1,
    tail() {
      // One word, so that the two are never of two moments.
      const tail = Atomics.load(tailWord, 0);
      return { segment: Number(tail >> 32n), bytes: Number(tail & 0xffff_ffffn) };
    },
    setTail: ({ segment, bytes }) => void Atomics.store(tailWord, 0, (BigInt(segment) << 32n) | BigInt(bytes)),
    firstSegment: () => Atomics.load(words, firstSegmentWord),
    setFirstSegment: (number) => void Atomics.store(words, firstSegmentWord, number),
    announce() {
      Atomics.add(words, changesWord, 1);
      Atomics.notify(words, changesWord);
    },
    recheck,
    until,
  };
}

interface Wait {
  readonly isMet: () => boolean;
  readonly settle: (isMet: boolean) => void;
}

/**
 * Any number of waits on one `Atomics.waitAsync`. That can't be taken back and does not keep a process alive; timers
 * and listeners of our own can, and do.
 */
function createWaits(words: Int32Array): Pick<LogMarks, 'until' | 'recheck'> {
  const waits = new Set<Wait>();
  let isListening = false;

  function recheck(): void {
    for (const wait of waits) if (wait.isMet()) wait.settle(true);
  }

  async function listen(): Promise<void> {
    isListening = true;
    while (waits.size > 0) {
      // Taken before looking, so that a change between looking and waiting ends the wait at once.
      const seen = Atomics.load(words, changesWord);
      recheck();
      if (waits.size === 0) break;
      const change = Atomics.waitAsync(words, changesWord, seen);
      if (change.async) await change.value;
    }
    isListening = false;
  }

  function until(isMet: () => boolean, timeoutMs: number | null, signal?: AbortSignal): Promise<boolean> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (isMet()) return Promise.resolve(true);
    if (timeoutMs !== null && timeoutMs <= 0) return Promise.resolve(false);
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    const timer = timeoutMs === null ? undefined : setTimeout(() => settle(false), timeoutMs);
    const onAbort = () => {
      leave();
      reject(signal?.reason);
    };
    function leave(): void {
      waits.delete(wait);
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    }
    function settle(wasMet: boolean): void {
      leave();
      resolve(wasMet);
    }
    const wait: Wait = { isMet, settle };
    waits.add(wait);
    signal?.addEventListener('abort', onAbort);
    if (!isListening) void listen();
    return promise;
  }

  return { until, recheck };
}
