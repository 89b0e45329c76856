/** How this machine looks at its own addresses and at others' ports. */
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { FrontProbe } from './front-network.ts';
import { isOwnAddress } from './local-addresses.ts';

let known = new Set<string>();

export const systemFrontProbe: FrontProbe = {
  // Lists those only that are up and running. The system may have no room for an answer: then those that it said last.
  addresses: () => {
    try {
      const entries = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
      known = new Set(entries.map(({ address }) => address));
    } catch {}
    return known;
  },

  canBind: (address) =>
    new Promise((resolve) => {
      const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
      socket.on('error', () => {
        socket.close();
        resolve(false);
      });
      socket.bind({ address, port: 0, exclusive: true }, () => {
        socket.close();
        resolve(isOwnAddress(address));
      });
    }),

  reaches: (host, port, timeout) =>
    new Promise((resolve) => {
      const socket = connect({ host, port, timeout });
      const end = (reached: boolean): void => {
        socket.destroy();
        resolve(reached);
      };
      socket.on('connect', () => end(true));
      socket.on('timeout', () => end(false));
      socket.on('error', () => end(false));
    }),
};
