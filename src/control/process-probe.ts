/**
 * Whether the process behind a management port is gone. A connection that broke does not tell: a firewall or a proxy resets those of
 * living gateways, too. A new connection to a process that ended is refused by its machine's kernel at once. A firewall that refuses new
 * connections as well (REJECT) is not told from that: the kernel says ECONNREFUSED for both.
 */
import { connect } from 'node:net';
import type { Timers } from '../base/clock.ts';
import { isLoopback } from '../gateway/configuration/network-mask.ts';

/** A refusal takes less than 1 ms; who has said nothing by then is judged by its silence. */
const LIMIT_MS = 250;
/** After a stall of the event loop the limit comes before what has arrived meanwhile, which is read first. */
const LAST_TURN_MS = 50;

/** Whether the other end of a connection, as gRPC says it (`127.0.0.1:40000`, `::1:40000`), is on this machine for certain. */
export function isPeerHere(peer: string): boolean {
  return /^(::ffff:)?127\.|^(\[?::1\]?):/.test(peer);
}

/**
 * Whether nobody can say: the process is known by a loopback address, which here means this machine, and `isHere` says that
 * it need not be on this one.
 */
function isElsewhere(host: string, isHere: boolean): boolean {
  return !isHere && (host === 'localhost' || isLoopback(host));
}

/** Resolves with true when connections to there are refused, with false when one lasts, cannot be made, or nobody answers in time. */
export function isProcessGone(host: string, port: number, timers: Timers, isHere = true): Promise<boolean> {
  if (host === '' || port === 0 || isElsewhere(host, isHere)) return Promise.resolve(false);
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
