/** `npm run bench`: what is measured, and how to read it, is in docs/performance.md. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import type { Measured, Measurement } from './measurement.ts';
import { measurements } from './measurements.ts';
import { accountMark } from './parts/account.ts';
import { describeMachine } from './parts/machine.ts';
import { profileText } from './parts/profile.ts';
import { shareServers } from './parts/servers.ts';
import { machineText, markText } from './parts/text.ts';

const resultsDir = join(import.meta.dirname, 'results');

interface Options {
  readonly seconds: number;
  readonly rounds: number;
  readonly scale: number;
  readonly dir: string;
  readonly json: boolean;
  readonly marks: boolean;
  readonly profile: boolean;
}

async function run(chosen: readonly Measurement[], isByName: boolean, options: Options): Promise<void> {
  const progress = (line: string) => process.stderr.write(`${line}\n`);
  const show = (text: string) => process.stdout.write(options.json ? '' : `${text}\n\n`);
  const startedAt = new Date().toISOString();
  const stamp = startedAt.replaceAll(/[:.]/g, '-');
  const machine = describeMachine(options.dir);
  const results: Record<string, object> = {};
  const found: Measured[] = [];
  show(machineText(machine));
  await using servers = shareServers();
  for (const { name, measure } of chosen) {
    progress(`measuring: ${name}`);
    const beganAt = performance.now();
    const profileDir = options.profile ? join(resultsDir, `${stamp}-${name}-profile`) : null;
    const { seconds, rounds, scale, dir: directory } = options;
    const say = (line: string) => progress(`  ${line}`);
    const setup = { seconds, rounds, scale, directory, isByName, profileDir, progress: say, servers: servers.get };
    try {
      const measured = await measure(setup);
      show(measured.text);
      if (profileDir !== null) show(profileText(profileDir));
      results[name] = measured.result;
      found.push(measured);
      say(`took ${Math.round((performance.now() - beganAt) / 1_000)} s`);
    } catch (error) {
      // What the others found, in as much as an hour, is still worth having.
      progress(`FAILED: ${name}: ${error instanceof Error ? error.stack : String(error)}`);
      process.exitCode = 1;
    }
  }

  const accounts = found.flatMap((measured) => measured.accounts);
  const marks = [
    ...found.flatMap((measured) => measured.marks).sort((a, b) => a.number.localeCompare(b.number, 'en')),
    ...(accounts.length > 0 ? [accountMark(accounts)] : []),
  ];
  const { seconds, rounds, scale } = options;
  const whole = { startedAt, seconds, rounds, scale, machine, ...results, marks };
  mkdirSync(resultsDir, { recursive: true });
  const file = join(resultsDir, `${stamp}.json`);
  writeFileSync(file, `${JSON.stringify(whole, null, 2)}\n`);
  progress(`written to ${file}`);
  if (options.json) process.stdout.write(`${JSON.stringify(whole, null, 2)}\n`);
  else if (options.marks) process.stdout.write(`${marks.map(markText).join('\n')}\n`);
  if (options.marks && marks.some(({ held }) => !held)) process.exitCode = 1;
}

function parsePositive(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError('must be a number above 0');
}

// Ctrl-C reaches the product too; what was started ends with this process.
process.once('SIGINT', () => process.exit(130));

const names = measurements.map(({ name }) => name);
const defaults = measurements.filter(({ isDefault }) => isDefault);

await new Command('bench')
  .description('Measures the product beside baselines on this machine, in turn, and counts every event.')
  .argument('[measurement]', `one of ${names.join(', ')}, or what several begin with: growth; default: all but those`)
  .option('--seconds <seconds>', 'length of one round', parsePositive, 4)
  .option('--rounds <rounds>', 'rounds of each side', parsePositive, 3)
  .option('--scale <part>', 'growth: of its rows, events and backlogs, to try it out', parsePositive, 1)
  .option('--dir <directory>', 'where data directories are made; must not be in memory', tmpdir())
  .option('--marks', 'one line a mark; exit code 1 when one is short', false)
  .option('--json', 'print the results as JSON', false)
  .option('--profile', 'take CPU profiles of the product and print where its time goes (slower)', false)
  .action(async (name: string | undefined, options: Options, command: Command) => {
    if (name === undefined) return run(defaults, false, options);
    const known = measurements.filter((one) => one.name === name || one.name.startsWith(`${name}-`));
    if (known.length === 0) command.error(`error: no measurement is called ${name}: ${names.join(', ')}`);
    return run(known, true, options);
  })
  .parseAsync();
