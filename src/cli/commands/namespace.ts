/** `anagate namespace ...` */
import { isAbsolute, resolve } from 'node:path';
import type { NamespaceAddReq, Sent } from '../../control/gateway-types.ts';
import { type CommandArguments, UsageError } from '../arguments.ts';
import type { Noun, Verb } from '../command.ts';
import { formatSize, parseSize } from '../size.ts';
import { getIoStats } from './io-statistics.ts';
import { list, listHosts, listLocations } from './namespace-lists.ts';
import { changeGroup, changeLocation, LOCATION } from './namespace-placement.ts';
import { addHost, changeVisibility, delHost } from './namespace-visibility.ts';
import { setQos } from './qos.ts';
import {
  DRY_RUN,
  MAX_GROUP,
  MAX_NSID,
  NSID,
  REQUIRED_NSID,
  REQUIRED_SUBSYSTEM,
  readTarget,
  YES_NO,
} from './shared-options.ts';

const MIB = 1024 * 1024;
const NQN = 'nqn.2026-11.io.anagate:shop';
const SIZE_HELP = 'a whole number with K, M, G, T or P (without: MiB), a multiple of 1 MiB';

const add: Verb = {
  name: 'add',
  describe: 'Add a namespace (a disk) to a subsystem',
  options: {
    subsystem: REQUIRED_SUBSYSTEM,
    nsid: { ...NSID, describe: 'Namespace ID, from 1 up (default: the lowest free one)' },
    uuid: {
      alias: 'u',
      type: 'string',
      requiresArg: true,
      describe: 'UUID that hosts see (default: a random one)',
    },
    backend: {
      type: 'string',
      choices: ['rbd', 'file', 'memory'],
      default: 'rbd',
      requiresArg: true,
      describe: 'What keeps the bytes: a Ceph image, a file, or memory (lost when the gateway stops)',
    },
    path: {
      type: 'string',
      requiresArg: true,
      describe: "--backend file: the file, an absolute path on the gateway's machine",
    },
    'rbd-pool': { alias: 'p', type: 'string', requiresArg: true, describe: '--backend rbd: the pool' },
    'rbd-image': { alias: 'i', type: 'string', requiresArg: true, describe: '--backend rbd: the image' },
    'rbd-create-image': {
      // ceph-nvmeof called it so once
      alias: ['c', 'create-image'],
      type: 'boolean',
      describe: '--backend rbd: create the image when it does not exist; needs --size',
    },
    'rados-namespace-name': {
      type: 'string',
      requiresArg: true,
      describe: "--backend rbd: the pool's namespace that the image is in",
    },
    'rbd-data-pool': {
      type: 'string',
      requiresArg: true,
      describe: '--backend rbd: the pool for the data of an image that is created',
    },
    'rbd-trash-image-on-delete': {
      type: 'boolean',
      describe: '--backend rbd: move the image to the trash when the namespace is deleted',
    },
    'disable-auto-resize': {
      type: 'boolean',
      describe: '--backend rbd: keep the size of the namespace when the image grows',
    },
    size: {
      type: 'string',
      requiresArg: true,
      describe: `Size of what is created: ${SIZE_HELP}. Without it --backend file takes an existing file as it is`,
    },
    'block-size': {
      alias: 's',
      type: 'string',
      choices: ['512', '4096'],
      requiresArg: true,
      describe: 'Bytes of a logical block (default: 512)',
    },
    'load-balancing-group': {
      alias: 'l',
      type: 'string',
      requiresArg: true,
      describe: 'ANA group: which gateway serves it (default: 0, the gateway chooses)',
    },
    location: LOCATION,
    'no-auto-visible': {
      type: 'boolean',
      describe: 'Only hosts that are added to it see it (namespace add_host), not all of the subsystem',
    },
    'read-only': { type: 'boolean', describe: 'Hosts cannot write to it' },
    force: { type: 'boolean', describe: 'Although another namespace uses the file or image' },
  },
  examples: [
    [
      `namespace add -n ${NQN} --backend file --path /srv/disk1.img --size 10G`,
      'a sparse file, made when missing',
    ],
    [`namespace add -n ${NQN} --backend memory --size 512M -s 4096`, ''],
    [`namespace add -n ${NQN} -p rbd -i disk1 -l 2`, 'a Ceph image'],
  ],
  run: async (args, session) => {
    const request = readNamespace(args);
    const nsid = request.nsid === undefined ? '' : `using NSID ${request.nsid} `;
    const failure = `Failure adding namespace ${nsid}to ${request.subsystem_nqn}`;
    const answer = await session.call('namespace_add', request, failure);
    return session.report(
      'nsid_status',
      answer,
      () => `Adding namespace ${answer.nsid} to ${request.subsystem_nqn}: Successful`,
    );
  },
};

function readNamespace(args: CommandArguments): Sent<NamespaceAddReq> {
  const size = args.optionalText('size');
  const common: Sent<NamespaceAddReq> = {
    subsystem_nqn: args.text('subsystem'),
    nsid: args.optionalInteger('nsid', 1, MAX_NSID),
    uuid: args.optionalText('uuid'),
    block_size: Number(args.optionalText('block-size') ?? 512),
    anagrpid: args.optionalInteger('load-balancing-group', 0, MAX_GROUP) ?? 0,
    location: args.optionalText('location'),
    no_auto_visible: args.flag('no-auto-visible'),
    read_only: args.flag('read-only'),
    force: args.flag('force'),
    size: size === undefined ? undefined : parseSize(size),
  };
  const backend = args.text('backend');
  checkOptionsOfBackend(args, backend);
  if (backend === 'file')
    return { ...common, backend, path: readPath(args), create_image: size !== undefined };
  if (backend === 'memory') {
    if (size === undefined) throw new UsageError('--backend memory needs --size');
    return { ...common, backend };
  }
  const create = args.flag('rbd-create-image');
  if (create && size === undefined) throw new UsageError('--rbd-create-image needs --size');
  if (!create && size !== undefined) {
    throw new UsageError('--size is for a new image; add --rbd-create-image, or leave --size out');
  }
  return {
    ...common,
    rbd_pool_name: args.text('rbd-pool'),
    rbd_image_name: args.text('rbd-image'),
    create_image: create,
    rados_namespace_name: args.optionalText('rados-namespace-name'),
    rbd_data_pool_name: args.optionalText('rbd-data-pool'),
    trash_image: args.flag('rbd-trash-image-on-delete'),
    disable_auto_resize: args.flag('disable-auto-resize'),
  };
}

const OPTIONS_OF_BACKEND: Readonly<Record<string, readonly string[]>> = {
  file: ['path'],
  memory: [],
  rbd: [
    'rbd-pool',
    'rbd-image',
    'rbd-create-image',
    'rados-namespace-name',
    'rbd-data-pool',
    'rbd-trash-image-on-delete',
    'disable-auto-resize',
  ],
};

/** Refuses an option of another backend, which would be ignored. */
function checkOptionsOfBackend(args: CommandArguments, backend: string): void {
  for (const [owner, options] of Object.entries(OPTIONS_OF_BACKEND)) {
    const given = options.find((option) => args.has(option));
    if (owner !== backend && given !== undefined) {
      throw new UsageError(`--${given} is for --backend ${owner}, but the backend is ${backend}`);
    }
  }
}

function readPath(args: CommandArguments): string {
  const path = args.optionalText('path');
  if (path === undefined) throw new UsageError('--backend file needs --path');
  if (isAbsolute(path)) return path;
  throw new UsageError(
    `--path must be absolute, as it is on the gateway's machine; here it would be ${resolve(path)}`,
  );
}

const del: Verb = {
  name: 'del',
  describe: 'Take a namespace away from a subsystem. Its file or image stays, unless it was added otherwise',
  options: {
    subsystem: REQUIRED_SUBSYSTEM,
    nsid: REQUIRED_NSID,
    'i-am-sure': {
      type: 'boolean',
      describe:
        'Needed when the namespace was added with --rbd-trash-image-on-delete: its image goes to the trash',
    },
    'dry-run': DRY_RUN,
  },
  examples: [
    [`namespace del -n ${NQN} --nsid 1 --dry-run`, ''],
    [`namespace del -n ${NQN} --nsid 1`, ''],
  ],
  run: async (args, session) => {
    const { nqn, nsid } = readTarget(args);
    const request = { subsystem_nqn: nqn, nsid, i_am_sure: args.flag('i-am-sure') };
    const failure = `Failure deleting namespace ${nsid} from ${nqn}`;
    const success = `Deleting namespace ${nsid} from ${nqn}`;
    return session.change('namespace_delete', request, { dryRun: args.flag('dry-run'), failure, success });
  },
};

const resize: Verb = {
  name: 'resize',
  describe: 'Make a namespace larger. Hosts see it at once',
  options: {
    subsystem: REQUIRED_SUBSYSTEM,
    nsid: REQUIRED_NSID,
    size: { type: 'string', demandOption: true, requiresArg: true, describe: `New size: ${SIZE_HELP}` },
  },
  examples: [[`namespace resize -n ${NQN} --nsid 1 --size 20G`, '']],
  run: async (args, session) => {
    const { nqn, nsid } = readTarget(args);
    const bytes = parseSize(args.text('size'));
    const request = { subsystem_nqn: nqn, nsid, new_size: bytes / MIB };
    const failure = `Failure resizing namespace ${nsid} in ${nqn}`;
    const answer = await session.call('namespace_resize', request, failure);
    return session.report(
      'req_status',
      answer,
      () => `Resizing namespace ${nsid} in ${nqn} to ${formatSize(bytes)}: Successful`,
    );
  },
};

const refreshSize: Verb = {
  name: 'refresh_size',
  describe:
    'Take over the size that the image has now, also when it was made smaller or is not followed by itself',
  options: { subsystem: REQUIRED_SUBSYSTEM, nsid: REQUIRED_NSID },
  examples: [[`namespace refresh_size -n ${NQN} --nsid 1`, '']],
  run: async (args, session) => {
    const { nqn, nsid } = readTarget(args);
    const what = `size of namespace ${nsid} in ${nqn}`;
    const request = { subsystem_nqn: nqn, nsid, new_size: 0 };
    const answer = await session.call('namespace_resize', request, `Failure refreshing ${what}`);
    return session.report('req_status', answer, () => `Refreshing ${what}: Successful`);
  },
};

const setTrash: Verb = {
  name: 'set_rbd_trash_image',
  describe: 'Say whether the image goes to the trash when the namespace is deleted',
  options: {
    subsystem: REQUIRED_SUBSYSTEM,
    nsid: REQUIRED_NSID,
    'rbd-trash-image-on-delete': { ...YES_NO, describe: 'Whether it goes to the trash, or stays' },
  },
  examples: [[`namespace set_rbd_trash_image -n ${NQN} --nsid 1 --rbd-trash-image-on-delete yes`, '']],
  run: async (args, session) => {
    const { nqn, nsid } = readTarget(args);
    const yesNo = args.text('rbd-trash-image-on-delete');
    const what = `RBD trash image flag of namespace ${nsid} in ${nqn} to "${yesNo}"`;
    const request = { subsystem_nqn: nqn, nsid, trash_image: yesNo === 'yes' };
    const answer = await session.call('namespace_set_rbd_trash_image', request, `Failure setting ${what}`);
    return session.report('req_status', answer, () => `Setting ${what}: Successful`);
  },
};

const setAutoResize: Verb = {
  name: 'set_auto_resize',
  describe:
    'Say whether the namespace grows when its image does. Switched on, it takes the size of the image at once',
  options: {
    subsystem: REQUIRED_SUBSYSTEM,
    nsid: REQUIRED_NSID,
    'auto-resize-enabled': { ...YES_NO, describe: 'Whether it grows, or keeps its size' },
  },
  examples: [[`namespace set_auto_resize -n ${NQN} --nsid 1 --auto-resize-enabled no`, '']],
  run: async (args, session) => {
    const { nqn, nsid } = readTarget(args);
    const yesNo = args.text('auto-resize-enabled');
    const what = `auto resize of namespace ${nsid} in ${nqn} to "${yesNo}"`;
    const request = { subsystem_nqn: nqn, nsid, auto_resize: yesNo === 'yes' };
    const answer = await session.call('namespace_set_auto_resize', request, `Failure setting ${what}`);
    return session.report('req_status', answer, () => `Setting ${what}: Successful`);
  },
};

export const namespace: Noun = {
  name: 'namespace',
  aliases: ['ns'],
  describe: 'Namespaces: the disks of a subsystem',
  verbs: [
    add,
    del,
    resize,
    refreshSize,
    changeGroup,
    changeLocation,
    changeVisibility,
    addHost,
    delHost,
    setTrash,
    setAutoResize,
    setQos,
    list,
    listHosts,
    listLocations,
    getIoStats,
  ],
};
