/** The RPCs about hosts and keys: what each asks of the gateway, what it refuses and what it answers. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { NQN, ServedGateway } from './rpc-client.ts';

const EINVAL = 22;
const ENOTSUP = 95;
const SUCCESS = { status: 0, error_message: 'Success' };

let served: ServedGateway;
beforeAll(async () => {
  served = await ServedGateway.start();
});
beforeEach(() => served.gateway.reset());
afterAll(() => served.stop());

describe('hosts', () => {
  beforeEach(() => served.addSubsystem());
  const host = 'nqn.2026-11.test:h';

  it('adds, lists and removes one, and any', async () => {
    for (const host_nqn of [host, '*']) {
      expect(await served.call('add_host', { subsystem_nqn: NQN, host_nqn })).toEqual(SUCCESS);
    }
    expect(await served.call('list_hosts', { subsystem: NQN })).toMatchObject({
      ...SUCCESS,
      allow_any_host: true,
      subsystem_nqn: NQN,
      hosts: [{ nqn: host, use_psk: false, use_dhchap: false, dhchap_controller_origin: 'no_key' }],
    });
    for (const host_nqn of [host, '*']) {
      expect(await served.call('remove_host', { subsystem_nqn: NQN, host_nqn })).toEqual(SUCCESS);
    }
    expect(await served.call('list_hosts', { subsystem: NQN })).toMatchObject({
      allow_any_host: false,
      hosts: [],
    });
  });

  it.each([
    ['a TLS key that the client has encrypted', { psk: 'x', psk_encrypted: true }, ENOTSUP],
    ['a key that the client has encrypted', { dhchap_key: 'x', key_encrypted: true }, ENOTSUP],
    ['no host', { host_nqn: '' }, EINVAL],
    ['no subsystem', { subsystem_nqn: '' }, EINVAL],
  ])('refuses %s', async (_what, request, errno) => {
    const answer = await served.call('add_host', { subsystem_nqn: NQN, host_nqn: host, ...request });
    expect(answer.status).toBe(errno);
    expect(served.gateway.listHosts(NQN).hosts).toEqual([]);
  });

  it('says which access it could not change', async () => {
    const request = { subsystem_nqn: 'nqn.x', host_nqn: '*' };
    expect((await served.call('add_host', request)).error_message).toMatch(
      /^Failure allowing open host access to nqn\.x: /,
    );
    expect((await served.call('remove_host', request)).error_message).toMatch(
      /^Failure disabling open host access to nqn\.x: /,
    );
  });

  it('keeps the connections of a removed host when asked to', async () => {
    await served.gateway.addHost(NQN, host);
    const request = { subsystem_nqn: NQN, host_nqn: host, keep_connections: true };
    expect(await served.call('remove_host', request)).toEqual(SUCCESS);
    expect(served.gateway.keptHost).toBe(host);
    served.gateway.keptHost = '';
    expect(await served.call('set_keep_host_connected', request)).toEqual(SUCCESS);
    expect(served.gateway.keptHost).toBe(host);
  });

  it('have keys, of which only is said that they are there', async () => {
    const keys = { psk: 'p', dhchap_key: 'k', dhchap_ctrlr_key: 'c' };
    expect(await served.call('add_host', { subsystem_nqn: NQN, host_nqn: host, ...keys })).toEqual(SUCCESS);
    expect(served.gateway.lastKeys).toEqual({ psk: 'p', dhchapKey: 'k', dhchapControllerKey: 'c' });
    const { hosts } = await served.call('list_hosts', { subsystem: NQN });
    expect(hosts).toEqual([
      {
        nqn: host,
        use_psk: true,
        use_dhchap: true,
        disconnected_due_to_keepalive_timeout: false,
        dhchap_controller_origin: 'host_specific',
      },
    ]);
    await served.call('add_host', { subsystem_nqn: NQN, host_nqn: `${host}2`, dhchap_key: '' });
    expect(served.gateway.lastKeys).toEqual({});
  });

  it.each([
    ['sets a key', { dhchap_key: 'k', dhchap_ctrlr_key: '-' }, { dhchapKey: 'k' }],
    ['deletes a key', { dhchap_ctrlr_key: '-' }, { dhchapKey: null }],
    ['sets a controller key', { dhchap_key: '-', dhchap_ctrlr_key: 'c' }, { dhchapControllerKey: 'c' }],
    ['takes what is absent for deleted', {}, { dhchapKey: null, dhchapControllerKey: null }],
  ])('change_host_key %s', async (_what, request, change) => {
    expect(await served.call('change_host_key', { subsystem_nqn: NQN, host_nqn: host, ...request })).toEqual(
      SUCCESS,
    );
    expect(served.gateway.lastKeys).toEqual(change);
  });

  it('say whether the subsystem has a key', async () => {
    const key = async () => {
      const { subsystems } = await served.call('list_subsystems', {});
      return subsystems.map((s) => [s.has_dhchap_key, s.created_without_key]);
    };
    expect(await key()).toEqual([[false, true]]);
    expect(await served.call('change_subsystem_key', { subsystem_nqn: NQN, dhchap_key: 'k' })).toEqual(
      SUCCESS,
    );
    expect(await key()).toEqual([[true, false]]);
    expect(await served.call('change_subsystem_key', { subsystem_nqn: NQN })).toEqual(SUCCESS);
    expect(await key()).toEqual([[false, true]]);
  });
});
