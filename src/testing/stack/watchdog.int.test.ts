import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { isRunning } from './process-table.ts';
import { waitUntil } from './wait-until.ts';

/** Starts a server, says where it is, and stays. */
function ownerSource(module: string, start: string): string {
  return `
    import { ${start} } from ${JSON.stringify(join(import.meta.dirname, module))};
    const server = await ${start}();
    process.stdout.write(JSON.stringify({ pid: server.pid(), directory: server.directory }));
  `;
}

describe('watchdog', () => {
  it.each([
    ['redis.ts', 'startRedis'],
    ['postgres.ts', 'startPostgres'],
  ])('a server of %s does not outlive the process that started it, nor does its directory', async (module, start) => {
    const owner = spawn(process.execPath, ['--input-type=module', '-e', ownerSource(module, start)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(owner, 'exit');
    onTestFinished(async () => {
      owner.kill('SIGKILL');
      await exited;
    });
    const [said] = await once(owner.stdout, 'data');
    const { pid, directory } = JSON.parse(String(said)) as { readonly pid: number; readonly directory: string };
    expect(isRunning(pid)).toBe(true);

    owner.kill('SIGKILL');
    await waitUntil('the server to be killed', () => !isRunning(pid));
    await waitUntil('its directory to be removed', () => !existsSync(directory));
  });
});
