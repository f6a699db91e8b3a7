// `npm test`: types, lint, then the test projects. Every part runs even if one before it failed. The last line is
// `N passed, N failed`, alone; the type check and the lint count as one test each. The exit code is 1 if anything
// failed.
//
//   --check   only types and lint
//   --full    also what takes minutes (*.long.scenario.ts)
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { checkStack } from '../src/testing/stack/maven.ts';
import { findChromium } from '../test/browser/chromium.ts';

const root = join(import.meta.dirname, '..');
const checkOnly = process.argv.includes('--check');
const full = process.argv.includes('--full');
const isCi = process.env.CI === 'true';

interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly notes?: readonly string[];
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Tools start `node` by name: it must be the pinned one, which lies beside them. */
const environment: NodeJS.ProcessEnv = {
  ...process.env,
  PATH: `${join(root, 'node_modules', '.bin')}${delimiter}${process.env.PATH ?? ''}`,
  ...(full ? { ESP_TEST_FULL: '1' } : {}),
};

function run(script: string, args: readonly string[]): boolean {
  const file = join(root, 'node_modules', script);
  const { status } = spawnSync(process.execPath, [file, ...args], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: environment,
  });
  return status === 0;
}

function check(name: string, passes: () => boolean): Outcome {
  const startedAt = performance.now();
  const ok = passes();
  say(`${ok ? '✓' : '✗'} ${name} (${seconds(startedAt)})`);
  return ok ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

function types(): boolean {
  const tsc = 'typescript/lib/tsc.js';
  const projects = ['.', 'dashboard'].filter((path) => existsSync(join(root, path, 'tsconfig.json')));
  return projects.map((path) => run(tsc, ['-p', path, '--noEmit'])).every(Boolean);
}

function lint(): boolean {
  return run('@biomejs/biome/bin/biome', ['check', '--error-on-warnings', '.']);
}

interface VitestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

function tests(projects: readonly string[]): Outcome {
  const directory = mkdtempSync(join(tmpdir(), 'esp-report-'));
  const reportFile = join(directory, 'report.json');
  try {
    const ok = run('vitest/vitest.mjs', [
      'run',
      ...projects.flatMap((name) => ['--project', name]),
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${reportFile}`,
    ]);
    if (!existsSync(reportFile)) return { passed: 0, failed: 1, notes: ['the tests ended without a report'] };
    return count(JSON.parse(readFileSync(reportFile, 'utf8')) as VitestReport, ok);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function count({ numPassedTests, numFailedTests, testResults }: VitestReport, ok: boolean): Outcome {
  // A file that can't even be loaded has no tests that could have failed; it counts as one.
  const broken = testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  ).length;
  const skipped = testResults.flatMap(({ assertionResults }) =>
    assertionResults.filter(({ status }) => status === 'skipped' || status === 'pending' || status === 'todo'),
  );
  const failed = numFailedTests + broken + (isCi ? skipped.length : 0);
  return {
    passed: numPassedTests,
    // An error outside of any test (an unhandled rejection) fails the run without failing a test.
    failed: failed === 0 && !ok ? 1 : failed,
    notes: skipped.map(({ fullName }) => `left out: ${fullName}`),
  };
}

/** Which projects can run here. What can't is a note for a person and a failure for CI. */
function chooseProjects(): { readonly projects: readonly string[]; readonly outcome: Outcome } {
  const optional = [
    { project: 'browser', missing: whyNoBrowser() },
    { project: 'production', missing: whyNoProduction() },
  ];
  const notes = optional.flatMap(({ missing }) => missing ?? []);
  return {
    projects: ['unit', 'scenarios', ...optional.flatMap(({ project, missing }) => (missing === null ? [project] : []))],
    outcome: { passed: 0, failed: isCi ? notes.length : 0, notes },
  };
}

function whyNoBrowser(): string | null {
  if (findChromium() !== null) return null;
  return (
    'left out: the browser tests, because no Chromium was found. Get one with `apt-get install chromium`, ' +
    '`brew install chromium` or from https://www.google.com/chrome, or set CHROMIUM to its path.'
  );
}

function whyNoProduction(): string | null {
  const stack = checkStack();
  if (stack.available) return null;
  return `left out: the tests on real Kafka, PostgreSQL and Redis. ${stack.reason}`;
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`;
}

const outcomes: Outcome[] = [check('types', types), check('lint', lint)];
if (!checkOnly) {
  const { projects, outcome } = chooseProjects();
  outcomes.push(tests(projects), outcome);
}

for (const note of outcomes.flatMap(({ notes }) => notes ?? [])) say(note);
const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0);
const failed = outcomes.reduce((sum, outcome) => sum + outcome.failed, 0);
say(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
