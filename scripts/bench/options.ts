/** The command line of the benchmark. */
import { parseArgs } from 'node:util';

export const USAGE = `usage: npm run bench -- [options]

Measures the gateway (dist/, memory namespace) and, in alternation, the floor: a bare Node server for the same traffic.
  --seconds N      length of one measurement (default 1)
  --rounds N       measurements of each case; medians are shown (default 3)
  --only A,B       only cases whose name contains A or B; "idle" is a case
  --list           list the cases and end
  --json           print the results as JSON
  --size MIB       size of the namespace (default 256)
  --working-set M  part of it that random I/O goes to, MiB (default 16; the cases "-wide" use 256)
  --node-flags F   flags for both servers, e.g. "--max-semi-space-size=32"
  --profile        profile the gateway instead: where its CPU time goes, for each case of --only (default read and write, QD 32 x 4)
  --top N          functions shown by --profile (default 40)
  --no-build       use dist/ as it is
An external target instead of a gateway of our own (no CPU figures):
  --address A      its address; reads only, unless:
  --destroy-data   writes too: what is on the namespace is lost
  --port P         (default 4420)   --nqn NQN   --nsid N (default 1)   --host-nqn NQN
  --no-floor       leave the floor out`;

export interface Options {
  seconds: number;
  rounds: number;
  only: string[];
  list: boolean;
  json: boolean;
  sizeMib: number;
  workingSetMib: number;
  nodeFlags: string[];
  profile: boolean;
  top: number;
  build: boolean;
  floor: boolean;
  external: { host: string; port: number; subsystemNqn: string; nsid: number } | undefined;
  hostNqn: string;
  destroyData: boolean;
}

/** Throws an Error with a sentence for people. */
export function parseOptions(argv: string[]): Options | 'help' {
  const { values } = parseArgs({
    args: argv,
    options: {
      help: { type: 'boolean', short: 'h' },
      seconds: { type: 'string', default: '1' },
      rounds: { type: 'string', default: '3' },
      only: { type: 'string', default: '' },
      list: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      size: { type: 'string', default: '256' },
      'working-set': { type: 'string', default: '16' },
      'node-flags': { type: 'string', default: '' },
      profile: { type: 'boolean', default: false },
      top: { type: 'string', default: '40' },
      'no-build': { type: 'boolean', default: false },
      'no-floor': { type: 'boolean', default: false },
      address: { type: 'string' },
      'destroy-data': { type: 'boolean', default: false },
      port: { type: 'string', default: '4420' },
      nqn: { type: 'string' },
      nsid: { type: 'string', default: '1' },
      'host-nqn': { type: 'string', default: 'nqn.2026-11.io.anagate:bench-host' },
    },
  });
  if (values.help) return 'help';
  const number = (name: 'seconds' | 'rounds' | 'size' | 'working-set' | 'top' | 'port' | 'nsid'): number => {
    const value = Number(values[name]);
    if (!(value > 0)) throw new Error(`--${name} ${values[name]} is not a positive number`);
    return value;
  };
  if (values.address !== undefined && values.nqn === undefined) throw new Error('--address needs --nqn');
  return {
    seconds: number('seconds'),
    rounds: Math.ceil(number('rounds')),
    only: values.only.split(',').filter((part) => part !== ''),
    list: values.list,
    json: values.json,
    sizeMib: number('size'),
    workingSetMib: number('working-set'),
    nodeFlags: values['node-flags'].split(' ').filter((flag) => flag !== ''),
    profile: values.profile,
    top: number('top'),
    build: !values['no-build'],
    floor: !values['no-floor'],
    external:
      values.address === undefined
        ? undefined
        : {
            host: values.address,
            port: number('port'),
            subsystemNqn: values.nqn ?? '',
            nsid: number('nsid'),
          },
    hostNqn: values['host-nqn'],
    destroyData: values['destroy-data'],
  };
}
