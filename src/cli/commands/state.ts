/** `anagate state ...` */
import { readFileSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { Options } from 'yargs';
import { SETTING_DEFAULTS } from '../../config/settings.ts';
import type { ImportStateInfo } from '../../control/gateway-types.ts';
import { type CommandArguments, UsageError } from '../arguments.ts';
import type { Noun, Verb } from '../command.ts';
import type { Session } from '../session.ts';
import { callState, OFFLINE } from './offline-option.ts';

const STANDARD_INPUT = 0;
const OWNER_ONLY = 0o600;

const exportState: Verb = {
  name: 'export',
  describe: 'Write the whole configuration of the group as one JSON document. Keys in it stay encrypted',
  options: {
    file: { type: 'string', requiresArg: true, describe: 'Where to (default: standard output)' },
    ...OFFLINE,
  },
  examples: [
    ['state export', ''],
    ['state export --file /root/shop.json', 'a backup'],
    ['state export --offline --config /etc/anagate.conf --file /root/shop.json', 'no gateway runs'],
  ],
  run: async (args, session) => {
    const answer = await callState('export_state', {}, 'Failure exporting the configuration', {
      args,
      session,
    });
    if (answer.status !== 0) {
      session.output.error(answer.error_message);
      return answer.status;
    }
    const text = (await promisify(gunzip)(answer.document)).toString();
    const file = args.optionalText('file');
    if (file === undefined) session.output.info(text.trimEnd());
    else {
      writeFileSync(file, text, { mode: OWNER_ONLY });
      session.output.info(`Exporting the configuration (version ${answer.version}) to ${file}: Successful`);
    }
    return 0;
  },
};

const FLAGS = {
  replace: 'Instead of all that is configured',
  merge: 'Besides what is configured; records of the same name are replaced',
  'dry-run': 'List what would change, and change nothing',
  'from-ceph-nvmeof':
    "Take over the state of a ceph-nvmeof group: that object itself (--pool, --object), or --file with a dump of it. Its images' sizes are read from Ceph",
  skip: 'With --from-ceph-nvmeof: leave out what cannot be taken over, instead of refusing all',
} as const;

const flags = Object.fromEntries(
  Object.entries(FLAGS).map(([name, describe]): [string, Options] => [name, { type: 'boolean', describe }]),
);

const importState: Verb = {
  name: 'import',
  describe: 'Make the configuration what a document says: all of it or, if a record is wrong, nothing',
  options: {
    file: {
      type: 'string',
      requiresArg: true,
      describe:
        "The document, '-' is standard input; of ceph-nvmeof: what rados listomapvals prints, or {key: value} as JSON",
    },
    ...flags,
    pool: { type: 'string', requiresArg: true, describe: '--from-ceph-nvmeof: pool of the object' },
    object: {
      type: 'string',
      requiresArg: true,
      describe: '--from-ceph-nvmeof: the object, nvmeof.<group>.state (nvmeof.state without a group)',
    },
    'ceph-conf': {
      type: 'string',
      requiresArg: true,
      describe: `--from-ceph-nvmeof: ceph.conf of the cluster (default: ${SETTING_DEFAULTS.cephConfigFile})`,
    },
    'ceph-id': {
      type: 'string',
      requiresArg: true,
      describe: `--from-ceph-nvmeof: Ceph user without "client." (default: ${SETTING_DEFAULTS.cephId})`,
    },
    ...OFFLINE,
  },
  examples: [
    ['state import --file /root/shop.json --replace --dry-run', 'what would it change?'],
    ['state import --file /root/shop.json', 'into an empty group'],
    [
      'state import --from-ceph-nvmeof --pool nvmeof --object nvmeof.shop.state',
      'move over from ceph-nvmeof',
    ],
    [
      'state import --offline --state-dir /var/lib/anagate --file /root/shop.json',
      'before the gateway starts',
    ],
  ],
  run: async (args, session) => {
    if (args.flag('replace') && args.flag('merge'))
      throw new UsageError('--replace and --merge exclude each other');
    const document = args.flag('from-ceph-nvmeof') ? await fromCephNvmeof(args, session) : readText(args);
    if (typeof document === 'number') return document;
    const request = {
      document: await promisify(gzip)(document),
      mode: args.flag('replace') ? 'replace' : args.flag('merge') ? 'merge' : 'empty',
      dry_run: args.flag('dry-run'),
    };
    const answer = await callState('import_state', request, 'Failure importing the configuration', {
      args,
      session,
    });
    return session.report('import_state_info', answer, () => summary(answer, args.flag('dry-run'), session));
  },
};

const EINVAL = 22;

function readText(args: CommandArguments): string {
  const file = args.text('file');
  try {
    return readFileSync(file === '-' ? STANDARD_INPUT : file, 'utf8');
  } catch (error) {
    throw new UsageError(`--file: ${file} cannot be read: ${(error as Error).message}`);
  }
}

/** The document that a state of ceph-nvmeof makes; an exit status when there is none, and why was said. */
async function fromCephNvmeof(args: CommandArguments, session: Session): Promise<string | number> {
  const object = args.optionalText('object');
  if ((object === undefined) === !args.has('file'))
    throw new UsageError('--from-ceph-nvmeof needs --pool and --object, or --file with a dump');
  const { readCephNvmeof } = await import('../ceph-nvmeof.ts');
  const source = {
    pool: object === undefined ? args.optionalText('pool') : args.text('pool'),
    object,
    dump: object === undefined ? readText(args) : undefined,
    configFile: args.optionalText('ceph-conf') ?? SETTING_DEFAULTS.cephConfigFile,
    id: args.optionalText('ceph-id') ?? SETTING_DEFAULTS.cephId,
  };
  const taken = await readCephNvmeof(source, (text) => session.output.detail(text));
  if ('failure' in taken) {
    session.output.error(`Failure reading the state of ceph-nvmeof: ${taken.failure.message}`);
    return taken.failure.errno;
  }
  const lines = taken.left.map(({ key, reason }) => `  ${key}: ${reason}`).join('\n');
  if (lines === '') return taken.document;
  if (!args.flag('skip')) {
    session.output.error(
      `Not everything can be taken over; nothing was imported. --skip leaves this out:\n${lines}`,
    );
    return EINVAL;
  }
  session.output.warning(`Left out:\n${lines}`);
  return taken.document;
}

function summary({ changes, commits }: ImportStateInfo, dryRun: boolean, session: Session): string {
  if (changes.length === 0) return 'Nothing to change: the configuration is as the document says';
  const count = (kind: string) => changes.filter(({ change }) => change === kind).length;
  const parts = commits > 1 ? `, in ${commits} commits, each a valid configuration by itself` : '';
  const counts = `${count('added')} added, ${count('changed')} changed, ${count('removed')} removed${parts}`;
  if (!dryRun) return `Importing the configuration (records: ${counts}): Successful`;
  const rows = changes.map(({ key, change, remark }) => [change, key, remark]);
  return `Nothing was changed. Records that would be: ${counts}\n${session.output.table(['Change', 'Record', 'Remark'], rows)}`;
}

export const state: Noun = {
  name: 'state',
  aliases: [],
  describe: 'The whole configuration of the group: backup, restore, moving over from ceph-nvmeof',
  verbs: [exportState, importState],
};
