/**
 * Other names for the same things: those of the API's fields, and of `ceph nvmeof`. They are turned into the CLI's own before the
 * command line is read, so that help and messages have one name for each thing.
 */

/** Another name of an option -> its name. Underscores count as dashes. */
const OPTIONS: Readonly<Record<string, string>> = {
  nqn: 'subsystem',
  'subsystem-nqn': 'subsystem',
  host: 'host-nqn',
  serial: 'serial-number',
  'rbd-pool-name': 'rbd-pool',
  'rbd-image-name': 'rbd-image',
  'rbd-data-pool-name': 'rbd-data-pool',
  'rados-namespace': 'rados-namespace-name',
  anagrpid: 'load-balancing-group',
  'ana-group': 'load-balancing-group',
  gateway: 'gateway-name',
};

/** @param isOption tells whether some command has an option of that name, which then is meant */
export function inOwnWords(
  argv: readonly string[],
  isOption: (name: string) => boolean,
  verbs: ReadonlySet<string>,
): string[] {
  return argv.map((word, place) => {
    if (place < 2 && !word.startsWith('-')) return verbNamed(word, verbs);
    const match = /^--([a-zA-Z][\w-]*)(=.*)?$/s.exec(word);
    if (match === null || isOption(match[1]!)) return word;
    const dashed = match[1]!.replaceAll('_', '-');
    const own = OPTIONS[dashed] ?? dashed;
    return isOption(own) ? `--${own}${match[2] ?? ''}` : word;
  });
}

/** `ok_to_stop` is `ok-to-stop`, and `set-auto-resize` is `set_auto_resize`. */
function verbNamed(word: string, verbs: ReadonlySet<string>): string {
  if (verbs.has(word)) return word;
  return [word.replaceAll('_', '-'), word.replaceAll('-', '_')].find((other) => verbs.has(other)) ?? word;
}

const NO_KMIP = 'images are not encrypted here, so there are no KMIP servers';
const NO_KEYS = 'authentication of hosts is not supported yet';

/** Commands of ceph-nvmeof and what to say of those that are not here. One that is here wins. */
export const NOT_HERE: Readonly<Record<string, string>> = {
  spdk_log_level: 'there is no SPDK here; the log level is that of the gateway: gw set_log_level',
  'subsystem add_kmip_server_endpoint': NO_KMIP,
  'subsystem del_kmip_server_endpoint': NO_KMIP,
  'subsystem list_kmip_server_endpoints': NO_KMIP,
  'subsystem change_key': NO_KEYS,
  'subsystem del_key': NO_KEYS,
  'host change_key': NO_KEYS,
  'host del_key': NO_KEYS,
  'host change_controller_key': NO_KEYS,
  'host del_controller_key': NO_KEYS,
};
