import { StartupError, UnavailableError } from '../domain/failure.ts';
import {
  createSegmentEventLog,
  openSegmentLogReader,
  type SegmentEventLog,
} from '../event-log/segment/event-log.segment.ts';
import { createLogModel } from './log-model.ts';
import type { Random } from './random.ts';
import { createSimulatedDisk } from './simulated-disk.ts';
import { createSimulatedFiles, type SimulatedFiles } from './simulated-files.ts';

export const logOnDisk = { directory: '/data/log', partitions: 3, segmentBytesMax: 11_000 } as const;
const { partitions } = logOnDisk;

/**
 * One log on one disk through several lives of the process that has it: each opens it, while calls of the disk fail or
 * not, appends, trims and reads side by side, and is closed, is killed, or loses its power. Throws where the log breaks
 * its promises.
 *
 * @param run makes these files the ones that the log's code calls
 */
export async function playLog(random: Random, run: (files: SimulatedFiles) => void): Promise<void> {
  const disk = createSimulatedDisk(random);
  const model = createLogModel(partitions);
  let texts = 0;

  async function append(log: SegmentEventLog): Promise<void> {
    const lengthMax = random.pick([20, 20, 200, 1_500]);
    const made = Array.from({ length: 1 + random.below(random.pick([1, 4, 12])) }, () => {
      texts += 1;
      return `text ${texts} `.padEnd(random.below(lengthMax), '.');
    });
    const call = model.appending(made);
    const records = made.map((text) => ({ partition: random.below(partitions), value: Buffer.from(text) }));
    model.appended(call, await log.append(records), made);
  }

  async function trim(log: SegmentEventLog): Promise<void> {
    const partition = random.below(partitions);
    const { start, end } = (await log.describe()).partitions[partition]!;
    const below = random.below(2) === 0 ? end : start + random.below(end - start + 2);
    model.trimming(partition, below);
    // Whoever is refused asks for the same again.
    await log.trim(partition, below).catch(() => log.trim(partition, below));
    model.trimmed(partition, below);
  }

  async function live(files: SimulatedFiles): Promise<void> {
    files.setFaultRate(random.pick([0, 0, 40, 12]));
    if (random.below(4) === 0) files.dieAfter(1 + random.below(40));
    const log = await openAnyhow(files);
    files.setFaultRate(0);
    await model.check(log, true);
    files.setFaultRate(random.pick([0, 40, 12]));
    if (random.below(2) === 0) files.dieAfter(1 + random.below(random.pick([4, 30])));
    await use(log, random.below(random.pick([1, 3, 8])), files);
    if (random.below(3) === 0) {
      files.setFaultRate(0);
      await use(log, 1, files);
      if (files.isDead()) return;
      await model.check(log, false);
    }
    if (files.isDead()) return;
    if (random.below(3) === 0) return files.die();
    await log.close();
    if (files.openCount() > 0) throw new Error(`${files.openCount()} descriptors are still open`);
  }

  /** A few things at a time, and reads of two handles all along. */
  async function use(log: SegmentEventLog, steps: number, files: SimulatedFiles): Promise<void> {
    const reader = openSegmentLogReader({ ...logOnDisk, shared: log.shared });
    for (let step = 0; step < steps && !files.isDead(); step += 1) {
      let isOver = false;
      const works = Array.from({ length: 1 + random.below(3) }, () =>
        random.below(4) === 0 ? trim(log) : append(log),
      );
      const done = Promise.all(works.map(tolerated)).finally(() => {
        isOver = true;
      });
      // Looked at below; until then nobody listens.
      done.catch(() => undefined);
      while (!isOver && !files.isDead()) {
        await model.peek(random.pick([log, reader]), random.below(partitions), random.next());
        await new Promise(setImmediate);
      }
      await done;
    }
    if (!files.isDead()) await reader.close();
  }

  for (let lives = 2 + random.below(12); lives > 0; lives -= 1) {
    const files = createSimulatedFiles(disk, random);
    run(files);
    await Promise.race([live(files), files.death]);
    if (files.misuses.length > 0) throw new Error(files.misuses.join(', '));
    if (random.below(3) === 0) disk.cutPower();
  }
  run(createSimulatedFiles(disk, random));
  const log = await createSegmentEventLog(logOnDisk);
  await model.check(log, true);
  await append(log);
  await model.check(log, false);
  await log.close();
}

/** Whatever can't be done now must be told as that, and nothing else. */
async function tolerated(work: Promise<void>): Promise<void> {
  await work.catch((error) => {
    if (!(error instanceof UnavailableError)) throw error;
  });
}

/** A start that fails says what to do, and the next one finds everything. */
async function openAnyhow(files: SimulatedFiles): Promise<SegmentEventLog> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await createSegmentEventLog(logOnDisk);
    } catch (error) {
      if (!(error instanceof StartupError) || attempt > 5) throw error;
      if (attempt === 5) files.setFaultRate(0);
    }
  }
}
