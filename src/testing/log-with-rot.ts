import { DamagedError } from '../domain/failure.ts';
import { createSegmentEventLog, type SegmentEventLog } from '../event-log/segment/event-log.segment.ts';
import { recordsFor, textOf } from './event-log.contract.harness.ts';
import { logOnDisk } from './log-on-faulty-disk.ts';
import type { Random } from './random.ts';
import { createSimulatedDisk, type DiskDirectory, type DiskFile, type SimulatedDisk } from './simulated-disk.ts';
import { createSimulatedFiles, type SimulatedFiles } from './simulated-files.ts';

const { directory, partitions } = logOnDisk;
const sectorBytes = 512;
/** Two appends or three fit into a segment. */
const open = () => createSegmentEventLog({ ...logOnDisk, segmentBytesMax: 8_192 + 700 });

export interface Rot {
  readonly segment: string;
  readonly at: number;
  /** Records that were answered and can't be read. */
  readonly damaged: readonly Place[];
  /** Offsets that no record ever had, and that are told to be damaged: it can't be known better. */
  readonly imagined: readonly Place[];
}

interface Place {
  readonly partition: number;
  readonly offset: number;
}

/**
 * One log after another with one byte changed, each byte once, or one sector of bytes; as closing left it, or as a
 * process that was killed did. Throws where one does not open, gives a record otherwise than it was, or gives an offset
 * away that was answered before.
 *
 * @param run makes these files the ones that the log's code calls
 */
export async function rotEach(
  what: 'byte' | 'sector',
  random: Random,
  isKilled: boolean,
  run: (files: SimulatedFiles) => void,
): Promise<readonly Rot[]> {
  const disk = createSimulatedDisk(random);
  run(createSimulatedFiles(disk, random));
  const { texts, killed } = await makeLog(disk);
  const sound = isKilled ? killed : segmentsOf(disk);
  const newest = [...sound.keys()].at(-1);
  const found: Rot[] = [];
  for (const [segment, bytes] of sound) {
    // What a process that was killed may have left half written is taken for that, wherever it is damaged.
    const end = isKilled && segment === newest ? bytes.lastIndexOf('ESPG') : bytes.length;
    const length = what === 'byte' ? 1 : sectorBytes;
    for (const at of tellingPositions(bytes.subarray(0, end), length)) {
      putBack(disk, sound);
      const { bytes: rotten } = disk.find(`${directory}/${segment}`) as DiskFile;
      for (let nth = at; nth < at + length; nth += 1) rotten[nth]! ^= 0x11;
      run(createSimulatedFiles(disk, random));
      const log = await open();
      const damaged = await readAll(log, texts);
      await appendBehind(log);
      await log.close();
      const isKnown = ({ partition, offset }: Place) => offset < texts[partition]!.length;
      found.push({
        segment,
        at,
        damaged: damaged.filter(isKnown),
        imagined: damaged.filter((place) => !isKnown(place)),
      });
    }
  }
  return found;
}

/** What is in it by partition and offset, and its files as they were before it was closed. */
async function makeLog(disk: SimulatedDisk) {
  const log = await open();
  const texts = Array.from({ length: partitions }, () => [] as string[]);
  for (let call = 0; call < 9; call += 1) {
    // The last partition has nothing in the last segment.
    const into = [...texts.keys()].slice(0, call < 5 ? partitions : partitions - 1);
    const records = into.flatMap((partition) => {
      const own = Array.from({ length: 1 + (call % 2) }, (_, nth) => `${partition}-${call}-${nth}`.padEnd(20, '.'));
      texts[partition]!.push(...own);
      return recordsFor(partition, own);
    });
    await log.append(records);
    if (call === 3) await log.trim(0, 2);
  }
  const killed = segmentsOf(disk);
  await log.close();
  return { texts, killed };
}

/** Oldest first, the newest without most of the zeros that are kept ahead of its end. */
function segmentsOf(disk: SimulatedDisk): ReadonlyMap<string, Buffer> {
  const { entries } = disk.find(directory) as DiskDirectory;
  const files = [...entries].map(([name, node]) => [name, Buffer.from((node as DiskFile).bytes)] as const);
  const oldestFirst = files.sort(([a], [b]) => (a < b ? -1 : 1));
  const [newest, bytes] = oldestFirst.pop()!;
  const used = bytes.findLastIndex((byte) => byte !== 0) + 1;
  return new Map([...oldestFirst, [newest, bytes.subarray(0, used + 200)]]);
}

function putBack(disk: SimulatedDisk, segments: ReadonlyMap<string, Buffer>): void {
  const { entries } = disk.find(directory) as DiskDirectory;
  for (const name of [...entries.keys()]) disk.unlink(`${directory}/${name}`);
  for (const [name, bytes] of segments) disk.write(disk.makeFile(`${directory}/${name}`), bytes, 0);
}

/** Of bytes that say something, and of padding a few; of sectors all that lie within. */
function tellingPositions(bytes: Buffer, length: number): number[] {
  if (length === 1) return [...bytes.keys()].filter((at) => bytes[at] !== 0 || at % sectorBytes === sectorBytes - 1);
  return [...bytes.keys()].filter((at) => at % sectorBytes === 0 && at + length <= bytes.length);
}

async function readAll(log: SegmentEventLog, texts: readonly (readonly string[])[]): Promise<Place[]> {
  const damaged: Place[] = [];
  const { partitions: bounds } = await log.describe();
  for (const { partition, start, end } of bounds) {
    const known = texts[partition]!;
    if (start > 2 || end < known.length) throw new Error(`partition ${partition} goes from ${start} to ${end}`);
    for (let offset = start; offset < end; offset += 1) {
      const text = await log.recordAt(partition, offset).then(textOf, (error) => error as Error);
      if (text instanceof DamagedError && text.from <= offset && offset < text.to && text.to <= end) {
        damaged.push({ partition, offset });
      } else if (text !== known[offset]) throw new Error(`partition ${partition} offset ${offset} is ${text}`);
    }
  }
  return damaged;
}

async function appendBehind(log: SegmentEventLog): Promise<void> {
  const { partitions: before } = await log.describe();
  const appended = await log.append(before.flatMap(({ partition }) => recordsFor(partition, ['next'])));
  for (const { partition, offset } of appended) {
    if (offset !== before[partition]!.end) throw new Error(`partition ${partition} goes on at ${offset}`);
    const text = textOf(await log.recordAt(partition, offset));
    if (text !== 'next') throw new Error(`partition ${partition} offset ${offset} is ${text}`);
  }
}
