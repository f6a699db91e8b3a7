import { constants } from 'node:os';
import type { Random } from './random.ts';

/**
 * A disk in memory with a page cache in front of it, as a kernel has: what was written is seen by every reader at once,
 * and is on the disk when it was flushed, or before, or never. A process that is killed loses nothing of the cache; a
 * power cut leaves of what was not flushed any sectors, and of a directory's changes the first so many. A flush that
 * fails counts its sectors as clean although they may never have come down: the next flush does not try them again (as
 * Linux does it).
 */
export interface SimulatedDisk {
  /** Null where there is none. */
  find(path: string): DiskNode | null;
  makeDirectory(path: string): void;
  makeFile(path: string): DiskFile;
  /** Replaces what has the name. */
  rename(from: string, to: string): void;
  unlink(path: string): void;
  write(file: DiskFile, bytes: Uint8Array, position: number): void;
  truncate(file: DiskFile): void;
  flush(node: DiskNode): void;
  failFlush(file: DiskFile): void;
  /** Some of what is not flushed comes down by itself. */
  writeBack(): void;
  /**
   * Everything that runs is gone, and of what was not flushed there is what happened to come down; with `share` 0
   * nothing.
   */
  cutPower(share?: 0): void;
}

export type DiskNode = DiskFile | DiskDirectory;

export interface DiskFile {
  readonly kind: 'file';
  /** As every reader sees it. */
  bytes: Buffer;
  disk: Buffer;
  readonly dirty: Set<number>;
  names: number;
  /** Flushes that failed: each descriptor is told once. */
  flushErrors: number;
}

export interface DiskDirectory {
  readonly kind: 'directory';
  readonly entries: Map<string, DiskNode>;
  readonly disk: Map<string, DiskNode>;
  /** Changes that are not flushed, oldest first. */
  readonly changes: ((entries: Map<string, DiskNode>) => void)[];
}

const sectorBytes = 512;

export function createSimulatedDisk(random: Random): SimulatedDisk {
  const root = emptyDirectory();

  function find(path: string): DiskNode | null {
    let node: DiskNode | undefined = root;
    for (const name of path.split('/').filter((part) => part !== '')) {
      node = node?.kind === 'directory' ? node.entries.get(name) : undefined;
    }
    return node ?? null;
  }

  function parentOf(path: string): { readonly parent: DiskDirectory; readonly name: string } {
    const at = path.lastIndexOf('/');
    const parent = find(path.slice(0, at));
    if (parent?.kind !== 'directory') throw diskError('ENOENT');
    return { parent, name: path.slice(at + 1) };
  }

  function change(directory: DiskDirectory, apply: (entries: Map<string, DiskNode>) => void): void {
    apply(directory.entries);
    directory.changes.push(apply);
  }

  function add(path: string, node: DiskNode): void {
    const { parent, name } = parentOf(path);
    change(parent, (entries) => entries.set(name, node));
  }

  function bringDown(file: DiskFile, sector: number): void {
    const [from, to] = [sector * sectorBytes, Math.min((sector + 1) * sectorBytes, file.bytes.length)];
    file.disk = grown(file.disk, to);
    file.bytes.copy(file.disk, from, from, to);
    file.dirty.delete(sector);
  }

  function everyFile(): DiskFile[] {
    const files = new Set<DiskFile>();
    function walk({ entries, disk }: DiskDirectory): void {
      for (const node of [...entries.values(), ...disk.values()]) {
        if (node.kind === 'file') files.add(node);
        else walk(node);
      }
    }
    walk(root);
    return [...files];
  }

  function cutDirectory(directory: DiskDirectory, share: number | undefined): void {
    const changes = directory.changes.splice(0);
    const kept = share === 0 ? 0 : random.below(changes.length + 1);
    for (const apply of changes.slice(0, kept)) apply(directory.disk);
    directory.entries.clear();
    for (const [name, node] of directory.disk) {
      directory.entries.set(name, node);
      if (node.kind === 'directory') cutDirectory(node, share);
      else node.names += 1;
    }
  }

  return {
    find,
    makeDirectory: (path) => add(path, emptyDirectory()),
    makeFile(path) {
      const file: DiskFile = {
        kind: 'file',
        bytes: Buffer.alloc(0),
        disk: Buffer.alloc(0),
        dirty: new Set(),
        names: 1,
        flushErrors: 0,
      };
      add(path, file);
      return file;
    },
    rename(from, to) {
      const [source, target] = [parentOf(from), parentOf(to)];
      const node = source.parent.entries.get(source.name);
      if (node === undefined || source.parent !== target.parent) throw diskError('ENOENT');
      const replaced = target.parent.entries.get(target.name);
      if (replaced?.kind === 'file') replaced.names -= 1;
      change(source.parent, (entries) => {
        entries.delete(source.name);
        entries.set(target.name, node);
      });
    },
    unlink(path) {
      const { parent, name } = parentOf(path);
      const node = parent.entries.get(name);
      if (node?.kind !== 'file') throw diskError('ENOENT');
      node.names -= 1;
      change(parent, (entries) => entries.delete(name));
    },
    write(file, bytes, position) {
      file.bytes = grown(file.bytes, position + bytes.length);
      file.bytes.set(bytes, position);
      const last = Math.ceil((position + bytes.length) / sectorBytes);
      for (let sector = Math.floor(position / sectorBytes); sector < last; sector += 1) file.dirty.add(sector);
    },
    truncate(file) {
      file.bytes = Buffer.alloc(0);
      file.disk = Buffer.alloc(0);
      file.dirty.clear();
    },
    flush(node) {
      if (node.kind === 'file') for (const sector of [...node.dirty]) bringDown(node, sector);
      else for (const apply of node.changes.splice(0)) apply(node.disk);
    },
    failFlush(file) {
      for (const sector of [...file.dirty]) if (random.below(3) === 0) bringDown(file, sector);
      file.dirty.clear();
      file.flushErrors += 1;
    },
    writeBack() {
      const file = random.pick(everyFile());
      for (const sector of [...(file?.dirty ?? [])]) if (random.below(2) === 0) bringDown(file!, sector);
    },
    cutPower(given) {
      for (const file of everyFile()) {
        // All of it, nothing, or a mixture.
        const share = given ?? random.pick([0, 1, random.next()]);
        for (const sector of [...file.dirty]) if (random.next() < share) bringDown(file, sector);
        file.dirty.clear();
        if (file.bytes.length > file.disk.length && random.below(2) === 0) {
          const added = random.below(file.bytes.length - file.disk.length + 1);
          file.disk = grown(file.disk, file.disk.length + added);
        }
        file.bytes = Buffer.from(file.disk);
      }
      for (const file of everyFile()) file.names = 0;
      cutDirectory(root, given);
    },
  };
}

function emptyDirectory(): DiskDirectory {
  return { kind: 'directory', entries: new Map(), disk: new Map(), changes: [] };
}

function grown(bytes: Buffer, length: number): Buffer {
  if (bytes.length >= length) return bytes;
  const longer = Buffer.alloc(length);
  bytes.copy(longer);
  return longer;
}

/** As Node makes it: of a quota that is used up it knows the number only. */
export function diskError(code: keyof typeof constants.errno): NodeJS.ErrnoException {
  const errno = -constants.errno[code];
  const told = code === 'EDQUOT' ? `Unknown system error ${errno}` : code;
  return Object.assign(new Error(`${told}: of the simulated disk`), { code: told, errno });
}
