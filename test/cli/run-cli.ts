/** Runs command lines in this process against a served FakeGateway. */
import { runCommandLine } from '../../src/cli/command-line.ts';

export interface CliResult {
  status: number;
  out: string;
  err: string;
}

/** `line` is split at spaces; a part that must hold spaces or be empty is given in `more`. */
export async function runCli(
  line: string,
  env: Record<string, string> = {},
  more: string[] = [],
): Promise<CliResult> {
  const out: string[] = [];
  const err: string[] = [];
  const status = await runCommandLine([...line.split(' ').filter((word) => word !== ''), ...more], {
    streams: { out: (text) => out.push(text), err: (text) => err.push(text) },
    env,
    version: '0.1.0',
    ownCommands: [
      { command: 'serve', describe: 'Run a gateway', builder: (y) => y.strict(), handler: () => {} },
    ],
  });
  return { status, out: out.join('\n'), err: err.join('\n') };
}
