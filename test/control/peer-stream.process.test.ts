/** How the end of a process looks from the other end of its stream. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from 'vitest';
import { Follower, Happenings, Leader } from './peer-rig.ts';

const ROOT = join(import.meta.dirname, '../..');
/** Between our noticing that a process is gone and our noticing that its stream is: on a busy machine both are late. */
const AT_ONCE_MS = 50;
const KILLS = 4;

/** Another gateway. */
class Peer {
  readonly happenings = new Happenings();
  readonly process: ChildProcess;
  /** When the process was noticed to be gone. */
  readonly ended: Promise<number>;

  constructor(...words: string[]) {
    const command = ['scripts/run-ts.mjs', 'test/control/peer-process.ts', ...words];
    this.process = spawn(process.execPath, command, { cwd: ROOT, stdio: ['pipe', 'pipe', 'inherit'] });
    this.ended = once(this.process, 'exit').then(() => performance.now());
    createInterface({ input: this.process.stdout! }).on('line', (line) => this.happenings.add(line));
    peers.push(this);
  }

  static async leader(): Promise<{ peer: Peer; port: number }> {
    const peer = new Peer('leader');
    const [line] = await once(createInterface({ input: peer.process.stdout! }), 'line');
    return { peer, port: Number(String(line).split(' ')[1]) };
  }
}

const peers: Peer[] = [];
let leader: Leader | null = null;
afterEach(async () => {
  for (const { process: child } of peers) child.kill('SIGKILL');
  await Promise.all(peers.splice(0).map(({ ended }) => ended));
  leader?.kill();
  leader = null;
});

describe('The leader', () => {
  it(`notices a killed follower at once, ${KILLS} of ${KILLS} times`, async () => {
    leader = await Leader.start();
    const { happenings, port } = leader;
    const names = Array.from({ length: KILLS }, (_, i) => `gw-a-${i}`);
    const followers = names.map((name) => new Peer('follower', String(port), name));
    await Promise.all(names.map((name) => happenings.have(`beacon ${name} 2`)));
    const delays: number[] = [];
    for (const [i, { process: child, ended }] of followers.entries()) {
      const killedMs = performance.now();
      child.kill('SIGKILL');
      const [endMs, goneMs] = await Promise.all([happenings.have(`end ${names[i]} abrupt`), ended]);
      delays.push(endMs - killedMs);
      expect(endMs - goneMs).toBeLessThan(AT_ONCE_MS);
    }
    process.stderr.write(`abrupt end of a follower, ms: ${delays.map((ms) => ms.toFixed(0)).join(' ')}\n`);
  });

  it('does not mistake a follower that takes leave for a killed one', async () => {
    leader = await Leader.start();
    const peer = new Peer('follower', String(leader.port), 'gw-a-1');
    await leader.happenings.have('beacon gw-a-1 1');
    peer.process.stdin!.write('leave\n');
    await peer.ended;
    await leader.happenings.have('end gw-a-1 clean');
  });

  it('sees no end of a follower that hangs, hears it again when it goes on, and sees it end if it is killed meanwhile', async () => {
    leader = await Leader.start();
    const { happenings, port } = leader;
    const [waking, dying] = [
      new Peer('follower', String(port), 'gw-a-1'),
      new Peer('follower', String(port), 'gw-b-1'),
    ];
    await Promise.all([happenings.have('beacon gw-a-1 1'), happenings.have('beacon gw-b-1 1')]);
    waking.process.kill('SIGSTOP');
    dying.process.kill('SIGSTOP');
    // Epochs pile up for nobody: only the newest is sent.
    for (let epoch = 1; epoch <= 10_000; epoch += 1) leader.streams.push(epoch);
    dying.process.kill('SIGKILL');
    await happenings.have('end gw-b-1 abrupt');
    await new Promise((resolve) => setTimeout(resolve, 3000));
    expect(happenings.lines.filter((line) => line.startsWith('end gw-a'))).toEqual([]);
    const heard = happenings.lines.filter((line) => line.startsWith('beacon gw-a')).length;
    waking.process.kill('SIGCONT');
    await happenings.have(`beacon gw-a-1 ${heard + 1}`);
    await waking.happenings.have('epoch 10000');
  });
});

describe('A follower', () => {
  it('notices at once that the leader was killed, and tells that from a leader that stops', async () => {
    for (const [how, end] of [
      ['SIGKILL', 'abrupt'],
      ['leave', 'clean'],
    ] as const) {
      const { peer, port } = await Peer.leader();
      const follower = new Follower(port, 'gw-a-1');
      const beacons = setInterval(() => follower.beacon(), 500);
      await peer.happenings.have('beacon gw-a-1 2');
      const beganMs = performance.now();
      if (how === 'leave') peer.process.stdin!.write('leave\n');
      else peer.process.kill(how);
      const [endMs, goneMs] = await Promise.all([follower.happenings.have(`end ${end}`), peer.ended]);
      clearInterval(beacons);
      process.stderr.write(`${end} end of the leader: ${(endMs - beganMs).toFixed(0)} ms\n`);
      expect(endMs - goneMs).toBeLessThan(AT_ONCE_MS);
    }
  });

  it('sees no end of a leader that hangs, and it is an abrupt end only of what was alive just before', async () => {
    const { peer, port } = await Peer.leader();
    const follower = new Follower(port, 'gw-a-1');
    follower.beacon();
    await peer.happenings.have('beacon gw-a-1 1');
    peer.process.kill('SIGSTOP');
    const beacons = setInterval(() => follower.beacon(), 100);
    await new Promise((resolve) => setTimeout(resolve, 3000));
    expect(follower.happenings.lines).toEqual([]);
    clearInterval(beacons);
    // The silence has spoken long ago; who breaks the connection now is not known.
    peer.process.kill('SIGKILL');
    await follower.happenings.have('end clean');
  });
});
