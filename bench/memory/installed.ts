import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Setup } from '../measurement.ts';
import { projectRoot, startEmbedded } from '../parts/product.ts';
import { makeDataDir } from '../parts/setup.ts';
import { type Spread, spreadOf } from '../parts/statistics.ts';

export interface InstalledStart {
  /** The very first after an installation, which compiles everything and keeps it, until it is ready. */
  readonly firstMs: number;
  /** Of those after it. */
  readonly readyMs: Spread;
}

const starts = 3;

/** `esp start` as it is installed from the packed tarball, each time on a directory without data. */
export async function measureInstalledStart(setup: Setup): Promise<InstalledStart> {
  await using stack = new AsyncDisposableStack();
  const directory = makeDataDir(setup, stack);
  const mainFile = install(directory);
  const startOnce = async (name: string) => {
    const startedAt = performance.now();
    const product = await startEmbedded({ dataDir: join(directory, name), profileDir: null, mainFile });
    const readyMs = performance.now() - startedAt;
    await product.stop();
    return readyMs;
  };
  const firstMs = await startOnce('first');
  const readyMs: number[] = [];
  for (let nth = 1; nth <= starts; nth += 1) readyMs.push(await startOnce(`again-${nth}`));
  const start = { firstMs, readyMs: spreadOf(readyMs) };
  setup.progress(`installed: ready after ${Math.round(start.readyMs.median)} ms`);
  return start;
}

/** What npm would put there, with the dependencies that are here. @returns the file of the command */
function install(directory: string): string {
  const run = (command: string, args: readonly string[], cwd = projectRoot) =>
    execFileSync(command, args, { cwd, stdio: ['ignore', 'pipe', 'ignore'], encoding: 'utf8' });
  run(process.execPath, [join('scripts', 'build.ts')]);
  const packed = JSON.parse(run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', directory]));
  const modules = join(directory, 'node_modules');
  mkdirSync(modules);
  for (const name of readdirSync(join(projectRoot, 'node_modules'))) {
    if (!name.startsWith('.')) symlinkSync(join(projectRoot, 'node_modules', name), join(modules, name));
  }
  run('tar', ['-xzf', packed[0].filename], directory);
  const home = join(modules, 'event-stream-processor');
  renameSync(join(directory, 'package'), home);
  return join(home, 'bin', 'esp.js');
}
