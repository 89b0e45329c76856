/** `anagate version` */
import type { CliVersion } from '../../control/gateway-types.ts';
import type { Verb } from '../command.ts';

export const version: Verb = {
  name: 'version',
  describe: "Show this CLI's version",
  options: {},
  examples: [['version', 'needs no gateway']],
  run: async (_args, session) => {
    const answer: CliVersion = { status: 0, error_message: 'Success', version: session.version };
    return session.report('cli_version', answer, () => `CLI version: ${session.version}`);
  },
};
