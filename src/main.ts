#!/usr/bin/env node
/**
 * The program: one command line for the gateway (`serve`) and for managing it. The gateway's code is loaded only by the
 * command that needs it.
 */
import { readFileSync } from 'node:fs';
import { runCommandLine } from './cli/command-line.ts';
import { serveCommand } from './cli/serve.ts';

/** package.json lies one level above both src/ and dist/. */
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const streams = {
  out: (text: string) => void process.stdout.write(`${text}\n`),
  err: (text: string) => void process.stderr.write(`${text}\n`),
  screen: () =>
    process.stdout.isTTY ? { rows: process.stdout.rows, columns: process.stdout.columns } : undefined,
  progress: process.stderr.isTTY ? (text: string) => void process.stderr.write(text) : undefined,
};
// Not process.exit(): what was written must reach its reader.
const failed = (status: number) => {
  process.exitCode = status;
};

// Whoever reads may have seen enough (`anagate ... | head`). A gateway goes on all the same.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  if (process.argv[2] !== 'serve') process.exit();
});

const status = await runCommandLine(process.argv.slice(2), {
  streams,
  env: process.env,
  version,
  ownCommands: [serveCommand({ streams, env: process.env, version, failed })],
});
if (status !== 0) failed(status);
