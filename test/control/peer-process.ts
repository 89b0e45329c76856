/**
 * A gateway's end of a stream as a process of its own: `peer-process.ts leader` or `peer-process.ts follower PORT INCARNATION`.
 * Writes what happens as lines; a line on standard input ends it in peace.
 */
import { once } from 'node:events';
import { Follower, Leader } from './peer-rig.ts';

const BEACON_MS = 500;
const say = (line: string) => process.stdout.write(`${line}\n`);

const [role, port, incarnation] = process.argv.slice(2);
if (role === 'leader') {
  const leader = await Leader.start();
  leader.happenings.onLine = say;
  say(`port ${leader.port}`);
  await once(process.stdin, 'data');
  await leader.stop();
} else {
  const follower = new Follower(Number(port), incarnation!);
  follower.happenings.onLine = say;
  follower.beacon();
  const beacons = setInterval(() => follower.beacon(), BEACON_MS);
  await once(process.stdin, 'data');
  clearInterval(beacons);
  await follower.stream.close();
}
process.exit();
