/** What users of ceph-nvmeof's CLI type is there, or is told why not. */
import { expect, it } from 'vitest';
import { isNoun } from '../../src/cli/command.ts';
import { commands } from '../../src/cli/commands/registry.ts';
import { runCli } from './run-cli.ts';

/** Nouns and verbs of ceph-nvmeof's CLI, one verb that needs nothing more first. */
const THEIRS: Readonly<Record<string, string>> = {
  gw: 'version info get_log_level set_log_level listener_info get_stats get_thread_stats set_io_stats_mode',
  gateway: 'info',
  spdk_log_level: 'get set disable',
  subsystem:
    'add del list change_key del_key add_network del_network add_kmip_server_endpoint del_kmip_server_endpoint ' +
    'list_kmip_server_endpoints',
  listener: 'add del list',
  host: 'add del list change_key del_key change_controller_key del_controller_key',
  connection: 'list get_io_statistics reset_io_statistics',
  namespace:
    'add del resize list get_io_stats change_load_balancing_group set_qos add_host del_host list_hosts list_locations ' +
    'change_visibility change_location set_rbd_trash_image set_auto_resize refresh_size',
  ns: 'list',
};

it.each(Object.entries(THEIRS))('%s', async (noun, verbs) => {
  const own = commands.filter(isNoun).find(({ name, aliases }) => [name, ...aliases].includes(noun));
  for (const verb of verbs.split(' ')) {
    if (own?.verbs.some(({ name }) => name === verb)) continue;
    const { status, err } = await runCli(`${noun} ${verb}`);
    expect([status, err], `${noun} ${verb}`).toEqual([2, expect.stringContaining('not supported: ')]);
  }
});

it('get_subsystems and version stand alone', () => {
  expect(commands.map(({ name }) => name)).toEqual(expect.arrayContaining(['get_subsystems', 'version']));
});
