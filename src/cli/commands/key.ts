/** `anagate key ...` */
import type { Noun, Verb } from '../command.ts';

const list: Verb = {
  name: 'list',
  describe: 'List the keys that encrypt the keys of hosts and subsystems, and how many each encrypts',
  options: {},
  examples: [['key list', '']],
  run: async (_args, session) => {
    const answer = await session.call('list_encryption_keys', {}, 'Failure listing the encryption keys');
    return session.report('encryption_keys_info', answer, () => {
      if (answer.keys.length === 0) return 'No key file, and no key that would need one';
      const rows = answer.keys.map(({ id, known, secrets }) => [id, known ? 'yes' : 'no', secrets]);
      return session.output.table(['Key', "In this gateway's key file", 'Encrypts'], rows);
    });
  },
};

const rotate: Verb = {
  name: 'rotate',
  describe: "Encrypt the keys of hosts and subsystems with the first key of the gateway's key file",
  options: {},
  examples: [
    [
      'key rotate',
      'once every gateway of the group has a file with the new key first and the old one second',
    ],
  ],
  run: async (_args, session) => {
    const answer = await session.call('rotate_encryption_key', {}, 'Failure encrypting the keys anew');
    return session.report(
      'rotate_encryption_key_info',
      answer,
      () => `Encrypting with key ${answer.key_id} (hosts and subsystems: ${answer.changed}): Successful`,
    );
  },
};

export const key: Noun = {
  name: 'key',
  aliases: [],
  describe: 'The encryption keys for the keys of hosts and subsystems',
  verbs: [list, rotate],
};
