// Runs before every npm script. Plain JavaScript without dependencies, because on a fresh clone it runs on whatever Node
// the machine has (20 or newer) and nothing is installed yet. When everything is in place it takes a few milliseconds.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isSupportedNode, supportedNode } from '../bin/supported-node.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const at = (...parts) => join(root, ...parts);
// Not inside dashboard/dist, where it would be served and packed.
const dashboardStamp = at('node_modules', '.cache', 'event-stream-processor', 'dashboard-hash');

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return null;
  }
}

/**
 * npm writes node_modules/.package-lock.json last, so its presence means a finished install. Packages of other platforms
 * are optional and absent there; what is present must be the very version that the lock file names.
 */
function isInstalled() {
  const wanted = readJson(at('package-lock.json'))?.packages;
  const present = readJson(at('node_modules', '.package-lock.json'))?.packages;
  if (!wanted || !present) return false;
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === '') continue;
    const found = present[path];
    if (!found && entry.optional) continue;
    if (found?.version !== entry.version || found?.integrity !== entry.integrity) return false;
  }
  return true;
}

function install() {
  const startedAt = Date.now();
  say('Installing what package-lock.json lists (needed once) …');
  // The npm that runs us, rather than whichever comes first on PATH. No install scripts: every binary comes prebuilt as a
  // package of its own, so nothing ever needs a compiler.
  const npm = process.env.npm_execpath;
  const flags = [
    'ci',
    '--ignore-scripts',
    '--include=dev',
    '--include=optional',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ];
  const result = npm?.endsWith('.js')
    ? spawnSync(process.execPath, [npm, ...flags], { cwd: root, stdio: ['ignore', 2, 2] })
    : spawnSync('npm', flags, { cwd: root, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' });
  if (result.status !== 0) {
    fail('npm ci did not succeed; its message is above. Is the npm registry reachable from here?');
  }
  say(`Installed in ${seconds(startedAt)}.`);
}

/**
 * The Node that everything else runs on: a dependency like any other, so nobody has to install it. One package for each
 * platform, all with a command `node`; npm 10 lets the absent ones stand in the way of the one that is there, and links
 * none, so it is linked here.
 */
function provideNode() {
  const isWindows = process.platform === 'win32';
  const link = at('node_modules', '.bin', isWindows ? 'node.cmd' : 'node');
  if (existsSync(link)) return;
  const os = isWindows ? 'win' : process.platform;
  const names = [`node-${os}-${process.arch}`, `node-bin-${os}-${process.arch}`];
  const name = names.find((candidate) => existsSync(at('node_modules', candidate)));
  if (name) {
    mkdirSync(dirname(link), { recursive: true });
    rmSync(link, { force: true });
    if (isWindows) writeFileSync(link, `@"%~dp0\\..\\${name}\\bin\\node.exe" %*\r\n`);
    else symlinkSync(`../${name}/bin/node`, link);
    return;
  }
  if (isSupportedNode(process.versions.node)) return;
  fail(
    `Node ${process.versions.node} can not run this, and the pinned Node is not available for ${process.platform}-${process.arch}. ` +
      `Install Node ${supportedNode}, and try again.`,
  );
}

function dashboardFiles(directory, found = []) {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.name === 'dist' || entry.name === 'node_modules' || entry.name.includes('.test.')) continue;
    const path = join(directory, entry.name);
    if (entry.isDirectory()) dashboardFiles(path, found);
    else found.push(path);
  }
  return found;
}

/** Of contents, not of times: a checkout or an unpacked archive may carry any times at all. */
function dashboardHash() {
  const hash = createHash('sha256');
  for (const path of [...dashboardFiles(at('dashboard')).sort(), at('package-lock.json')]) {
    hash
      .update(`${path.slice(root.length)}\0`)
      .update(readFileSync(path))
      .update('\0');
  }
  return hash.digest('hex');
}

function buildDashboard() {
  const hash = dashboardHash();
  const built = existsSync(at('dashboard', 'dist', 'index.html'));
  if (built && existsSync(dashboardStamp) && readFileSync(dashboardStamp, 'utf8') === hash) return;
  const startedAt = Date.now();
  say('Building the dashboard …');
  const result = spawnSync(
    'node',
    [at('node_modules', 'vite', 'bin', 'vite.js'), 'build', at('dashboard'), '--logLevel', 'warn'],
    {
      cwd: root,
      stdio: ['ignore', 2, 2],
    },
  );
  if (result.status !== 0) fail('The dashboard could not be built; the reason is above.');
  mkdirSync(dirname(dashboardStamp), { recursive: true });
  writeFileSync(dashboardStamp, hash);
  say(`Built in ${seconds(startedAt)}.`);
}

function seconds(since) {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}

// Standard error, so that `npm run esp -- … --json` has nothing but data on standard output.
function say(message) {
  process.stderr.write(`${message}\n`);
}

function fail(message) {
  say(message);
  process.exit(1);
}

/**
 * The scripts say `exec`, so that no shell stands between npm and the server, which would keep npm's SIGTERM to itself.
 * Windows has no such word and no such signal; there it is a command that runs its arguments.
 */
function provideExec() {
  if (process.platform === 'win32') writeFileSync(at('node_modules', '.bin', 'exec.cmd'), '@%*\r\n');
}

if (!isInstalled()) install();
provideNode();
provideExec();
if (existsSync(at('dashboard', 'index.html'))) buildDashboard();
