import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

export type StackPart = 'kafka' | 'redis' | `postgres-${PostgresMajor}`;
export type PostgresMajor = 14 | 15 | 16 | 17 | 18;

/** Whether the stack can be started here, and if not, what a person can do about it. */
export type StackAvailability = { readonly available: true } | { readonly available: false; readonly reason: string };

const javaMajorMin = 17;
const java = `Java ${javaMajorMin} or newer`;

/** The platforms that all three servers' artifacts exist for, in the words of each. */
const platforms: Readonly<Record<string, { readonly redis: string; readonly postgres: string }>> = {
  'linux-x64': { redis: 'linux-amd64', postgres: 'linux-amd64' },
  'linux-arm64': { redis: 'linux-arm64', postgres: 'linux-arm64v8' },
  'darwin-x64': { redis: 'darwin-amd64', postgres: 'darwin-amd64' },
  'darwin-arm64': { redis: 'darwin-arm64', postgres: 'darwin-arm64v8' },
};

/** The platform in the words of the part's artifacts. */
export function platformOf(part: StackPart): string {
  const platform = platforms[`${process.platform}-${process.arch}`];
  if (!platform) throw new Error(platformMissing());
  return part === 'redis' ? platform.redis : platform.postgres;
}

function platformMissing(): string {
  return `the native stack knows ${Object.keys(platforms).join(', ')}, not ${process.platform}-${process.arch}; use compose.yaml`;
}

export function javaCommand(): string {
  const home = process.env.JAVA_HOME;
  return home ? join(home, 'bin', 'java') : 'java';
}

/** Looks at this machine; `parts` are those that are still to be fetched, in which case Maven is needed too. */
export function checkRequirements(toFetch: readonly StackPart[]): StackAvailability {
  if (!platforms[`${process.platform}-${process.arch}`]) return { available: false, reason: platformMissing() };
  const missing = [
    ...(findJava() !== null ? [] : [java]),
    ...(toFetch.length === 0 || runs('mvn', ['--version']) ? [] : ['Maven']),
    ...(!toFetch.some((part) => part.startsWith('postgres-')) || runs('xz', ['--version']) ? [] : ['xz']),
  ];
  return missing.length === 0 ? { available: true } : { available: false, reason: howToGet(missing) };
}

function howToGet(missing: readonly string[]): string {
  return (
    `missing: ${missing.join(', ')}. Get them with \`apt-get install default-jre-headless maven xz-utils\` or ` +
    '`brew install openjdk maven xz`; JAVA_HOME is looked at too.'
  );
}

/** All that the JVM says of itself; throws where there is none that will do. */
export function requireJava(): string {
  const version = findJava();
  if (version === null) throw new Error(`the native stack can't be started: ${howToGet([java])}`);
  return version;
}

function findJava(): string | null {
  const { status, stderr } = spawnSync(javaCommand(), ['-version'], { encoding: 'utf8', timeout: 30_000 });
  if (status !== 0) return null;
  const major = /version "(?:1\.)?(\d+)/.exec(stderr)?.[1];
  return Number(major) >= javaMajorMin ? stderr : null;
}

function runs(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore', timeout: 30_000 }).status === 0;
}
