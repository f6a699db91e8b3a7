#!/usr/bin/env node
// Starts the command line on a Node that can run it: this one, or else the Node that came along as a dependency. Plain
// JavaScript that even an old Node can read.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import * as modules from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isSupportedNode, supportedNode } from './supported-node.js';

/** A clone has the sources, a package what was built of them. */
const source = new URL('../src/cli/main.ts', import.meta.url);
const main = existsSync(source) ? source : new URL('../dist/cli/main.js', import.meta.url);

function pinnedNode() {
  const os = process.platform === 'win32' ? 'win' : process.platform;
  const names = [`node-${os}-${process.arch}`, `node-bin-${os}-${process.arch}`];
  const require = modules.createRequire(import.meta.url);
  for (const name of names) {
    try {
      const manifest = require.resolve(`${name}/package.json`);
      const { version, bin } = require(manifest);
      if (isSupportedNode(version)) return join(dirname(manifest), bin.node);
    } catch {
      // Not installed for this platform; the next name may be.
    }
  }
  return null;
}

/** What serves, and is started for that. */
const serving = new Set(['start', 'api', 'worker']);

/**
 * Half of what each thread's young generation may hold before it is collected, in MiB; Node takes it only when it
 * starts. V8's own 32 fills whatever the load. What was measured of it is told with the bound of the old one
 * (src/cli/tune-heap.ts).
 */
const youngMib = 8;

function nodeFlags() {
  const given = [process.env.NODE_OPTIONS, ...process.execArgv].join(' ');
  const isGiven = /semi[-_]space[-_]size/.test(given);
  return serving.has(process.argv[2]) && !isGiven ? [`--max-semi-space-size=${youngMib}`] : [];
}

/**
 * With the GNU C library (others ignore this) threads keep what they have freed in up to eight arenas a core, each with
 * holes of its own. Two are enough for all; docs/performance-tried.md has what that saves.
 */
function environment() {
  return { MALLOC_ARENA_MAX: '2', ...process.env };
}

/** Whether Node has to begin anew, for what it or the C library takes only then. */
function beginsAnew(flags) {
  return flags.length > 0 || (serving.has(process.argv[2]) && process.env.MALLOC_ARENA_MAX === undefined);
}

/**
 * Begins this process anew, so that nobody has two to stop. Returns where that can't be: on Windows, and on an old
 * Node.
 */
function become(node, args) {
  if (process.execve && process.platform !== 'win32') process.execve(node, [node, ...args], environment());
}

function runOn(node) {
  const args = [...nodeFlags(), fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  become(node, args);
  const child = spawn(node, args, { stdio: 'inherit', env: environment() });
  // A terminal's Ctrl-C reaches the child by itself, and a second one would end it at once; what is sent to this
  // process alone must be handed on. Either way this process stays until the child has ended.
  process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'));
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    process.stderr.write(`esp: ${node} can not be started: ${error.message}\n`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code);
    // Ends the way the child did, so that whoever waits sees the same.
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeAllListeners(name);
    process.kill(process.pid, signal);
  });
}

if (isSupportedNode(process.versions.node)) {
  const flags = nodeFlags();
  // It takes as long as an empty Node. (Windows goes on as it is, and needs more memory.)
  if (beginsAnew(flags)) become(process.execPath, [...process.execArgv, ...flags, ...process.argv.slice(1)]);
  // Compiled code is kept from one start to the next. In a clone this must come before the first TypeScript file: what
  // is in the cache needs no stripping, and the idle server is 35 MB smaller without the stripper. What is compiled
  // goes by V8's flags, and each that serves sets others (src/cli/tune-heap.ts): one folder for all would be compiled
  // anew in turn. Beside the modules, not in the system's shared temporary directory, where others could write as well;
  // where that can't be written, nothing is kept.
  const folder = serving.has(process.argv[2]) ? `compiled-${process.argv[2]}` : 'compiled';
  modules.enableCompileCache(
    fileURLToPath(new URL(`../node_modules/.cache/event-stream-processor/${folder}`, import.meta.url)),
  );
  await import(main.href);
} else {
  const node = pinnedNode();
  if (node === null) {
    process.stderr.write(
      `esp needs Node ${supportedNode}; this is ${process.versions.node}, and none came along for ${process.platform}-${process.arch}\n`,
    );
    process.exit(1);
  }
  runOn(node);
}
