/**
 * Builds the addon in place: `node scripts/build-addon.mjs [--optional] [--sanitize=address]`.
 *
 * Needs g++, make, python3, librbd-dev and librados-dev. With --optional (npm install) a missing one is said in one line and
 * is not an error: the package then works without RBD. node-gyp is the one that npm brings; no headers are downloaded when
 * Node's own are installed.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const optional = process.argv.includes('--optional');
const sanitize = process.argv.find((word) => word.startsWith('--sanitize='))?.slice('--sanitize='.length);

function say(text) {
  process.stderr.write(`node-rados: ${text}\n`);
}

function works(command, args, input) {
  return spawnSync(command, args, { input, stdio: ['pipe', 'ignore', 'ignore'] }).status === 0;
}

/** Debian packages that are missing. */
function missing() {
  const compiler = process.env.CXX ?? 'g++';
  if (!works(compiler, ['--version'])) return ['g++', 'make', 'python3', 'librbd-dev', 'librados-dev'];
  const header = (name) => works(compiler, ['-x', 'c++', '-E', '-'], `#include <${name}>\n`);
  return [
    works('make', ['--version']) ? '' : 'make',
    works('python3', ['--version']) ? '' : 'python3',
    header('rbd/librbd.h') ? '' : 'librbd-dev',
    header('rados/librados.h') ? '' : 'librados-dev',
  ].filter((name) => name !== '');
}

/** npm's own node-gyp: named in the environment of a script that npm runs, else beside npm. */
function nodeGyp() {
  const prefix = dirname(dirname(process.execPath));
  const inNpm = 'node_modules/npm/node_modules/node-gyp/bin/node-gyp.js';
  const places = [
    process.env.npm_config_node_gyp,
    join(prefix, 'lib', inNpm),
    join('/usr/share/nodejs/node-gyp/bin/node-gyp.js'),
  ];
  return places.find((place) => place !== undefined && place !== '' && existsSync(place));
}

function build() {
  const wanted = missing();
  if (wanted.length > 0) {
    say(`RBD will not be available: install ${wanted.join(', ')} and build again`);
    return optional ? 0 : 1;
  }
  const gyp = nodeGyp();
  const [command, first] = gyp === undefined ? ['node-gyp', []] : [process.execPath, [gyp]];
  const args = [...first, 'rebuild', '--directory', root];
  const prefix = dirname(dirname(process.execPath));
  if (existsSync(join(prefix, 'include/node/node_api.h'))) args.push(`--nodedir=${prefix}`);
  if (sanitize !== undefined) args.push('--', `-Dsanitize=${sanitize}`);
  const { status, error, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  if (status === 0) {
    say('addon built');
    return 0;
  }
  process.stderr.write(stderr ?? '');
  say(
    `the addon does not build${error === undefined ? '' : `: ${error.message}`}; RBD will not be available`,
  );
  return optional ? 0 : 1;
}

process.exitCode = build();
