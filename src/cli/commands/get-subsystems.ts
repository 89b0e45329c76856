/** `anagate get_subsystems` */

import { CallFailure } from '../client.ts';
import type { Verb } from '../command.ts';

export const getSubsystems: Verb = {
  name: 'get_subsystems',
  describe: 'Show all that the gateway serves, as a document whatever the format',
  options: {},
  examples: [['get_subsystems', '']],
  run: async (_args, session) => {
    const { output } = session;
    try {
      const answer = await session.ask('get_subsystems', {});
      if (output.isDocument) output.document('subsystems_info', answer);
      else output.info(JSON.stringify(answer, null, 4));
      return 0;
    } catch (error) {
      if (!(error instanceof CallFailure)) throw error;
      output.error(`Failure getting subsystems: ${error.message}`);
      return error.errno;
    }
  },
};
