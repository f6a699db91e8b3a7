import { closeSync, fdatasyncSync, fstatSync, openSync, statSync } from 'node:fs';
import { UnavailableError } from '../domain/failure.ts';
import { limits } from '../domain/limits.ts';
import { closedError, type LogDatabase, messageOf } from './event-log.lmdb.file.ts';
import type { LogMarks } from './event-log.lmdb.marks.ts';

/**
 * One thread's hold on the log's file. What is read or written of a mapped file counts as memory of the process until the
 * file is closed, and a busy log goes through all of its file in time. So a handle that has nothing to do closes the file
 * once much of it was touched, and opens it when it is needed again; the map is gone when every thread's handle has done so.
 */
export interface LogHandle {
  /** Runs a read on the newest state. Throws UnavailableError. */
  read<Result>(work: (database: LogDatabase) => Result): Result;
  /** One transaction, durable when it resolves. Rejects with whatever lmdb says. */
  write(put: (database: LogDatabase) => void): Promise<void>;
  /** Tells how much of the file was brought into memory. */
  touch(bytes: number): void;
  /** Whether the file still has its name: what is appended to a deleted one is lost with the process. */
  isDeleted(): boolean;
  close(): Promise<void>;
}

/** When an idle handle lets go of its file. */
export interface LetGoLimits {
  readonly idleMs: number;
  readonly touchedBytesMax: number;
}

export interface LogHandleOptions {
  readonly path: string;
  readonly marks: LogMarks;
  readonly open: () => LogDatabase;
  readonly letGoLimits?: LetGoLimits | undefined;
}

/** How often idleMs may pass before a handle no longer waits for the others to let go. */
const brokenRounds = 4;
const usualLetGoLimits: LetGoLimits = { idleMs: limits.logMapIdleMs, touchedBytesMax: limits.logMapTouchedBytesMax };

export function openLogHandle(options: LogHandleOptions): LogHandle {
  const { path, marks, open } = options;
  const { idleMs, touchedBytesMax } = options.letGoLimits ?? usualLetGoLimits;
  const descriptor = openSync(path, 'r');
  let database: LogDatabase | null = openCounted();
  let isClosed = false;
  let writing = 0;
  let usedAt = performance.now();
  let lettingGo: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    const isIdle = performance.now() - usedAt >= idleMs;
    const isDue = marks.isBroken() || (isIdle && marks.touchedBytes() >= touchedBytesMax);
    if (writing === 0 && isDue) letGo();
  }, idleMs).unref();

  function openCounted(): LogDatabase {
    const opened = open();
    marks.handleOpened();
    return opened;
  }

  function use(): LogDatabase {
    if (isClosed) throw closedError();
    // The others let go within idleMs; a thread that died has no say in it for ever.
    if (marks.isBroken() && performance.now() - usedAt < brokenRounds * idleMs) {
      throw new UnavailableError('log_unavailable', 'the log is being opened anew after a write that the disk refused');
    }
    usedAt = performance.now();
    database ??= reopen();
    return database;
  }

  function reopen(): LogDatabase {
    // Opened by name it would be made anew, empty.
    if (statSync(path, { throwIfNoEntry: false })?.ino !== fstatSync(descriptor).ino) {
      throw new UnavailableError('log_deleted', `${path} was deleted or replaced while it was open: restart`);
    }
    // After a failed write the page cache and the disk may differ.
    fdatasyncSync(descriptor);
    return openCounted();
  }

  function letGo(): void {
    if (database === null) return;
    const closing = database.close();
    database = null;
    lettingGo = Promise.all([lettingGo, closing]).then(() => marks.handleClosed());
  }

  function unreadable(error: unknown): UnavailableError {
    const reason = messageOf(error);
    // LMDB is done with a file whose root page could not be written, until every thread has closed it.
    if (/MDB_PANIC/.test(reason)) {
      marks.setBroken();
      letGo();
    }
    return new UnavailableError('log_unavailable', `the log can't be read: ${reason}`, { cause: error });
  }

  return {
    read(work) {
      let used: LogDatabase | null = null;
      try {
        used = use();
        // lmdb keeps one snapshot for a turn of the event loop, in which what was just announced would be missing …
        used.resetReadTxn();
        return work(used);
      } catch (error) {
        throw error instanceof UnavailableError ? error : unreadable(error);
      } finally {
        // … and one that is held keeps old pages from being used again.
        if (used !== null && used === database) used.resetReadTxn();
      }
    },
    async write(put) {
      const used = use();
      writing += 1;
      try {
        await used.batch(() => put(used));
      } finally {
        writing -= 1;
        usedAt = performance.now();
      }
    },
    touch: (bytes) => marks.touch(bytes),
    isDeleted: () => fstatSync(descriptor).nlink === 0,
    async close() {
      if (isClosed) return;
      isClosed = true;
      clearInterval(timer);
      letGo();
      await lettingGo;
      closeSync(descriptor);
    },
  };
}
