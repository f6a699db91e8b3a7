import { constants } from 'node:fs';
import type { Random } from './random.ts';
import { type DiskFile, type DiskNode, diskError, type SimulatedDisk } from './simulated-disk.ts';

/**
 * The calls of `node:fs` and `node:fs/promises` that the embedded log makes, over a simulated disk. What is called side
 * by side is done in any order. Any call may fail: before it had an effect, half way through, or after it; and the
 * process may die between any two of them, or in the middle of one.
 */
export interface SimulatedFiles {
  readonly fs: ReturnType<typeof callsOf>['fs'];
  readonly promises: ReturnType<typeof callsOf>['promises'];
  /** Of so many calls one fails; 0: none does. */
  setFaultRate(callsPerFault: number): void;
  /** What becomes of the next call of this kind, or of a later one. */
  planNext(name: CallName, fate: Fate, skipping?: number): void;
  /** Dies at the n-th call from now on: what was called is never answered. */
  dieAfter(calls: number): void;
  die(): void;
  readonly death: Promise<void>;
  isDead(): boolean;
  /** Descriptors that the living process holds. */
  openCount(): number;
  /** What no program should do: closing, or using, a descriptor that is not open. */
  readonly misuses: readonly string[];
}

interface Descriptor {
  readonly node: DiskNode;
  readonly path: string;
  readonly flushesByWriting: boolean;
  errorsSeen: number;
}

type Callback<Result> = (error: Error | null, result?: Result) => void;
export type CallName = 'open' | 'close' | 'read' | 'write' | 'flush' | 'stat' | 'readdir' | 'rename' | 'mkdir' | 'rm';

/**
 * How much of a call is done, and whether it says so. `died`: nobody is there to be told, and what it wrote is not
 * flushed.
 */
export interface Fate {
  readonly code: Parameters<typeof diskError>[0] | null;
  readonly effect: 'none' | 'part' | 'whole';
  readonly died?: boolean;
}

const numbers = new WeakMap<DiskFile, number>();
let numbersGiven = 0;

function statOf(file: DiskFile) {
  if (!numbers.has(file)) numbers.set(file, ++numbersGiven);
  return { size: file.bytes.length, nlink: file.names, ino: numbers.get(file)!, dev: 1 };
}

const fine: Fate = { code: null, effect: 'whole' };
const effects = ['none', 'part', 'whole'] as const;

export function createSimulatedFiles(disk: SimulatedDisk, random: Random): SimulatedFiles {
  const descriptors = new Map<number, Descriptor>();
  const misuses: string[] = [];
  const pending: { readonly name: CallName; readonly perform: (fate: Fate) => () => void }[] = [];
  const planned: { readonly name: CallName; readonly fate: Fate; skipping: number }[] = [];
  let faultRate = 0;
  let callsLeft = Number.POSITIVE_INFINITY;
  const death = Promise.withResolvers<void>();
  let nextDescriptor = 100;
  let isDue = false;
  let hasDied = false;

  function fateOf(name: CallName): Fate {
    const index = planned.findIndex((plan) => plan.name === name);
    const plan = planned[index];
    if (plan !== undefined) {
      plan.skipping -= 1;
      if (plan.skipping < 0) planned.splice(index, 1);
      return plan.skipping < 0 ? plan.fate : fine;
    }
    if (faultRate === 0 || random.below(faultRate) !== 0) return fine;
    return { code: random.pick(['EIO', 'ENOSPC', 'EDQUOT', 'EMFILE'] as const), effect: random.pick(effects) };
  }

  /** One call at a time, whichever comes first, when nothing else is to be done. */
  function turn(): void {
    isDue = false;
    const [call] = pending.splice(random.below(pending.length), 1);
    if (call === undefined) return;
    if (random.below(8) === 0) disk.writeBack();
    callsLeft -= 1;
    if (callsLeft <= 0) {
      pending.push(call);
      die();
      return;
    }
    const fate = fateOf(call.name);
    const answer = call.perform(fate);
    if (fate.died) {
      die();
      return;
    }
    schedule();
    answer();
  }

  function schedule(): void {
    if (isDue || pending.length === 0) return;
    isDue = true;
    setImmediate(turn);
  }

  function die(): void {
    for (const call of pending.splice(0)) {
      call.perform({ code: 'EIO', effect: random.pick(['none', 'part', 'whole', 'whole'] as const), died: true });
    }
    descriptors.clear();
    hasDied = true;
    callsLeft = Number.POSITIVE_INFINITY;
    death.resolve();
  }

  function call<Result>(name: CallName, work: (fate: Fate) => Result, callback: Callback<Result>): void {
    pending.push({
      name,
      perform(fate) {
        try {
          const result = work(fate);
          if (fate.code !== null) throw diskError(fate.code);
          return () => callback(null, result);
        } catch (error) {
          return () => callback(error as Error);
        }
      },
    });
    schedule();
  }

  function callNow<Result>(name: CallName, work: (fate: Fate) => Result): Result {
    const fate = fateOf(name);
    const result = work(fate);
    if (fate.code !== null) throw diskError(fate.code);
    return result;
  }

  function descriptorOf(number: number, what: string): Descriptor {
    const descriptor = descriptors.get(number);
    if (descriptor === undefined) {
      misuses.push(`${what} of descriptor ${number}, which is not open`);
      throw diskError('EBADF');
    }
    return descriptor;
  }

  const calls = callsOf(disk, random, {
    descriptorOf,
    call,
    callNow,
    add(descriptor) {
      nextDescriptor += 1;
      descriptors.set(nextDescriptor, descriptor);
      return nextDescriptor;
    },
    remove: (number) => void descriptors.delete(number),
  });
  return {
    ...calls,
    misuses,
    setFaultRate(callsPerFault) {
      faultRate = callsPerFault;
    },
    planNext(name, fate, skipping = 0) {
      planned.push({ name, fate, skipping });
    },
    dieAfter(count) {
      callsLeft = count;
    },
    die,
    death: death.promise,
    isDead: () => hasDied,
    openCount: () => descriptors.size,
  };
}

interface Kernel {
  descriptorOf(number: number, what: string): Descriptor;
  call<Result>(name: CallName, work: (fate: Fate) => Result, callback: Callback<Result>): void;
  callNow<Result>(name: CallName, work: (fate: Fate) => Result): Result;
  add(descriptor: Descriptor): number;
  remove(number: number): void;
}

function callsOf(disk: SimulatedDisk, random: Random, kernel: Kernel) {
  const { descriptorOf, call, callNow } = kernel;

  function open(path: string, flags: string | number, { code, effect }: Fate): number {
    if (code !== null && effect === 'none') return -1;
    let node = disk.find(path);
    if (node === null && flags === 'w') node = disk.makeFile(path);
    if (node === null) throw diskError('ENOENT');
    if (flags === 'w' && node.kind === 'file') disk.truncate(node);
    if (code !== null) return -1;
    const flushesByWriting = typeof flags === 'number' && (flags & constants.O_DSYNC) !== 0;
    return kernel.add({ node, path, flushesByWriting, errorsSeen: node.kind === 'file' ? node.flushErrors : 0 });
  }

  function close(number: number): void {
    descriptorOf(number, 'close');
    // However it is answered, the descriptor is gone.
    kernel.remove(number);
  }

  function fileOf(number: number, what: string): DiskFile {
    const { node } = descriptorOf(number, what);
    if (node.kind !== 'file') throw diskError('EISDIR');
    return node;
  }

  function flush(number: number, fate: Fate): void {
    const descriptor = descriptorOf(number, 'flush');
    const { node } = descriptor;
    if (node.kind === 'directory') {
      if (fate.code === null || fate.effect === 'whole') disk.flush(node);
      return;
    }
    if (fate.died) return;
    if (fate.code !== null && fate.effect !== 'none') disk.failFlush(node);
    if (fate.code === null) disk.flush(node);
    const isNews = node.flushErrors > descriptor.errorsSeen;
    descriptor.errorsSeen = node.flushErrors;
    if (isNews) throw diskError('EIO');
  }

  function write(number: number, bytes: Uint8Array, position: number, fate: Fate): number {
    const file = fileOf(number, 'write');
    if (fate.effect === 'none') return 0;
    // A write may be a short one without failing.
    const isShort = fate.effect === 'part' || random.below(20) === 0;
    const count = isShort ? random.below(bytes.length) + 1 : bytes.length;
    disk.write(file, bytes.subarray(0, count), position);
    if (descriptorOf(number, 'write').flushesByWriting) flush(number, fate);
    return count;
  }

  function read(number: number, into: Uint8Array, position: number): number {
    const from = fileOf(number, 'read').bytes.subarray(position, position + into.length);
    const count = from.length > 1 && random.below(10) === 0 ? random.below(from.length) + 1 : from.length;
    into.set(from.subarray(0, count));
    return count;
  }

  const promised = <Result>(name: CallName, work: (fate: Fate) => Result): Promise<Result> =>
    new Promise((resolve, reject) => {
      call(name, work, (error, result) => (error ? reject(error) : resolve(result as Result)));
    });

  /** Some calls have an effect or none. */
  const ifDone =
    (work: () => void) =>
    ({ code, effect }: Fate): void => {
      if (code === null || effect === 'whole') work();
    };

  function handleOf(number: number) {
    return {
      fd: number,
      async writeFile(bytes: Uint8Array) {
        for (let at = 0; at < bytes.length; ) {
          const from = at;
          at += await promised('write', (fate) => write(number, bytes.subarray(from), from, fate));
        }
      },
      readFile: () => promised('read', () => Buffer.from(fileOf(number, 'read').bytes)),
      datasync: () => promised('flush', (fate) => flush(number, fate)),
      sync: () => promised('flush', (fate) => flush(number, fate)),
      close: () => promised('close', () => close(number)),
    };
  }

  return {
    fs: {
      constants,
      openSync: (path: string, flags: string | number) => callNow('open', (fate) => open(path, flags, fate)),
      closeSync: (number: number) => callNow('close', () => close(number)),
      readSync: (number: number, into: Uint8Array, offset: number, length: number, position: number) =>
        callNow('read', () => read(number, into.subarray(offset, offset + length), position)),
      statSync: (path: string) => callNow('stat', () => statOf(fileAt(disk, path))),
      fstatSync: (number: number) =>
        callNow('stat', () => {
          return statOf(fileOf(number, 'stat'));
        }),
      write: (
        number: number,
        bytes: Uint8Array,
        offset: number,
        length: number,
        position: number,
        callback: Callback<number>,
      ) => call('write', (fate) => write(number, bytes.subarray(offset, offset + length), position, fate), callback),
      fdatasync: (number: number, callback: Callback<void>) => call('flush', (fate) => flush(number, fate), callback),
      close: (number: number, callback: Callback<void>) => call('close', () => close(number), callback),
    },
    promises: {
      open: async (path: string, flags: string) => handleOf(await promised('open', (fate) => open(path, flags, fate))),
      readdir: (path: string) => promised('readdir', () => namesIn(disk, path)),
      rename: (from: string, to: string) =>
        promised(
          'rename',
          ifDone(() => disk.rename(from, to)),
        ),
      mkdir: (path: string) =>
        promised(
          'mkdir',
          ifDone(() => {
            for (let at = path.indexOf('/', 1); at >= 0; at = path.indexOf('/', at + 1)) makeMissing(path.slice(0, at));
            makeMissing(path);
          }),
        ),
      rm: (path: string) =>
        promised(
          'rm',
          ifDone(() => {
            if (disk.find(path) !== null) disk.unlink(path);
          }),
        ),
    },
  };

  function makeMissing(path: string): void {
    if (disk.find(path) === null) disk.makeDirectory(path);
  }
}

function fileAt(disk: SimulatedDisk, path: string): DiskFile {
  const node = disk.find(path);
  if (node?.kind !== 'file') throw diskError('ENOENT');
  return node;
}

function namesIn(disk: SimulatedDisk, path: string): string[] {
  const node = disk.find(path);
  if (node?.kind !== 'directory') throw diskError('ENOENT');
  return [...node.entries.keys()];
}
