import type { Telemetry } from '../../telemetry/telemetry.ts';

/** Collects the end of every part as it is started, and runs them backwards. */
export interface Lifecycle {
  add(name: string, end: () => Promise<unknown>): void;
  isStopping(): boolean;
  /** May be called again: the answer is the first call's. An end that fails is told, and the next one runs. */
  stop(reason: string): Promise<{ readonly forced: boolean }>;
}

export function createLifecycle(options: { readonly telemetry: Telemetry; readonly deadlineMs: number }): Lifecycle {
  const ends: { name: string; end: () => Promise<unknown> }[] = [];
  let stopped: Promise<{ forced: boolean }> | null = null;

  async function runBackwards(): Promise<void> {
    for (const { name, end } of ends.toReversed()) {
      try {
        await end();
      } catch (error) {
        options.telemetry.emit('stop.failed', { step: name, error: String(error) });
      }
    }
  }

  async function stopOnce(reason: string): Promise<{ forced: boolean }> {
    options.telemetry.emit('process.stopping', { reason });
    const deadline = Promise.withResolvers<'deadline'>();
    const timer = setTimeout(() => deadline.resolve('deadline'), options.deadlineMs);
    const forced = (await Promise.race([runBackwards(), deadline.promise])) === 'deadline';
    clearTimeout(timer);
    options.telemetry.emit('process.stopped', { forced });
    return { forced };
  }

  return {
    add(name, end) {
      ends.push({ name, end });
    },
    isStopping: () => stopped !== null,
    stop(reason) {
      stopped ??= stopOnce(reason);
      return stopped;
    },
  };
}
