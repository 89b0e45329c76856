/**
 * Whether the process behind a management port is gone. A connection that broke does not tell: a firewall or a proxy resets those of
 * living gateways, too. A new connection to a process that ended is refused by its machine's kernel at once.
 */
import { connect } from 'node:net';
import type { Timers } from '../base/clock.ts';

/** A refusal takes less than 1 ms; who has said nothing by then is judged by its silence. */
const LIMIT_MS = 250;
/** After a stall of the event loop the limit comes before what has arrived meanwhile, which is read first. */
const LAST_TURN_MS = 50;

/** Resolves with true when connections to there are refused, with false when one lasts, cannot be made, or nobody answers in time. */
export function isProcessGone(host: string, port: number, timers: Timers): Promise<boolean> {
  if (host === '' || port === 0) return Promise.resolve(false);
  return new Promise((resolve) => {
    let over = false;
    const end = (isGone: boolean): void => {
      over = true;
      limit.cancel();
      resolve(isGone);
    };
    const dial = (): (() => void) => {
      let code: string | undefined;
      const socket = connect({ host, port })
        .on('error', (error: NodeJS.ErrnoException) => {
          code = error.code;
        })
        .on('close', () => {
          if (over) return;
          if (code !== undefined && code !== 'ECONNRESET') end(code === 'ECONNREFUSED');
          // A process that is being ended: this connection was still taken, the next one is not.
          else hangUp = dial();
        })
        .resume();
      return () => socket.destroy();
    };
    const giveUp = (): void => {
      end(false);
      hangUp();
    };
    let limit = timers.after(LIMIT_MS, () => {
      limit = timers.after(LAST_TURN_MS, giveUp);
    });
    let hangUp = dial();
  });
}
