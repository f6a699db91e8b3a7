import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { checkRequirements } from './requirements.ts';

afterEach(() => vi.unstubAllEnvs());

/** A directory with nothing but these commands, each a script. */
function commandsIn(commands: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(join(tmpdir(), 'esp-commands-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  mkdirSync(join(directory, 'bin'));
  for (const [name, script] of Object.entries(commands)) {
    writeFileSync(join(directory, 'bin', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  return directory;
}

function onlyTheseCommands(commands: Readonly<Record<string, string>>): void {
  vi.stubEnv('PATH', join(commandsIn(commands), 'bin'));
  vi.stubEnv('JAVA_HOME', undefined);
}

const java = (version: string) => `echo 'openjdk version "${version}" 2025-04-15' >&2`;

describe('what the native stack needs', () => {
  it('names everything that is missing, and how to get it', () => {
    onlyTheseCommands({});
    expect(checkRequirements(['kafka', 'postgres-18'])).toEqual({
      available: false,
      reason: expect.stringMatching(/^missing: Java 17 or newer, Maven, xz\. Get them with `apt-get install .*maven/),
    });
  });

  it('is content with Java where everything has been fetched', () => {
    onlyTheseCommands({ java: java('21.0.2') });
    expect(checkRequirements([])).toEqual({ available: true });
    expect(checkRequirements(['redis'])).toMatchObject({
      available: false,
      reason: expect.stringMatching(/: Maven\./),
    });
  });

  it('wants xz for PostgreSQL only', () => {
    onlyTheseCommands({ java: java('17.0.15'), mvn: 'exit 0' });
    expect(checkRequirements(['kafka', 'redis'])).toEqual({ available: true });
    expect(checkRequirements(['postgres-14'])).toMatchObject({ reason: expect.stringMatching(/^missing: xz\./) });
  });

  it.each(['1.8.0_392', '11.0.22'])('Java %s is too old', (version) => {
    onlyTheseCommands({ java: java(version) });
    expect(checkRequirements([])).toMatchObject({ reason: expect.stringMatching(/^missing: Java 17 or newer\./) });
  });

  it('a command that fails is missing', () => {
    onlyTheseCommands({ java: `${java('17')}; exit 1` });
    expect(checkRequirements([]).available).toBe(false);
  });

  it('looks into JAVA_HOME first', () => {
    onlyTheseCommands({ java: java('11.0.22') });
    vi.stubEnv('JAVA_HOME', commandsIn({ java: java('17.0.15') }));
    expect(checkRequirements([])).toEqual({ available: true });
  });
});
