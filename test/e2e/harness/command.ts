/** Child processes of the lab: run to the end, output collected. */
import { spawn } from 'node:child_process';

export interface Outcome {
  /** Exit status; -1 when a signal ended it. */
  status: number;
  /** stdout and stderr, as they came. */
  output: string;
}

export interface CommandOptions {
  /** Fed to stdin. */
  input?: string;
  env?: Record<string, string>;
  cwd?: string;
}

/** Runs a command to its end. Rejects only when it cannot be started. */
export function run(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: 'pipe',
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ status: code ?? -1, output }));
    child.stdin.on('error', () => {}); // it may end without reading
    child.stdin.end(options.input ?? '');
  });
}

/** As {@link run}; rejects with the output when the status is not 0. */
export async function mustRun(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const { status, output } = await run(command, args, options);
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: status ${status}\n${output}`);
  return output;
}
