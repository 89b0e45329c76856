/** A Linux host in qemu: runs bash in it, and knows the nvme commands that the tests need. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { join } from 'node:path';
import { mustRun, type Outcome, run } from './command.ts';
import { LINUX_HOST_TOOL, type Place } from './place.ts';

export interface LinuxHostOptions {
  /** trixie: kernel 6.12, nvme-cli 2.13 (default). bookworm: kernel 6.1, nvme-cli 2.3. */
  suite?: 'trixie' | 'bookworm';
  memoryMiB?: number;
  cpus?: number;
}

/** One path to a subsystem, as `nvme list-subsys` shows it. */
export interface Path {
  controller: string;
  address: string;
  state: string;
  anaState: string;
}

/** What the README tells users to connect with: fast notice of a dead path, fast retry, never give up. */
export const CONNECT_OPTIONS = ['--keep-alive-tmo=2', '--reconnect-delay=2', '--ctrl-loss-tmo=-1'];

export class LinuxHost {
  readonly #lab: Place;
  readonly #name: string;
  readonly #number: number;
  readonly #options: LinuxHostOptions;

  constructor(lab: Place, number: number, options: LinuxHostOptions) {
    this.#lab = lab;
    this.#name = `${lab.namespace}-h${number}`;
    this.#number = number;
    this.#options = options;
  }

  get consoleFile(): string {
    return join(this.#lab.directory, this.#name, 'console.log');
  }

  get hostNqn(): string {
    return `nqn.2014-08.org.nvmexpress:uuid:6c696e75-7868-4f73-8000-${this.#number.toString(16).padStart(12, '0')}`;
  }

  async boot(): Promise<void> {
    const { suite = 'trixie', memoryMiB = 768, cpus = 2 } = this.#options;
    const lab = ['--netns', this.#lab.namespace, '--id', String(this.#number)];
    await this.#tool('start', ['-s', suite, ...lab, '--mem', String(memoryMiB), '--smp', String(cpus)]);
  }

  /** Power cut: nothing is shut down. */
  async powerOff(): Promise<void> {
    await this.#tool('stop', []);
  }

  /** Runs a bash script, at most `seconds`; status 124 when that passed, 125 when the guest is gone. */
  try(script: string, seconds = 120): Promise<Outcome> {
    return run(LINUX_HOST_TOOL, ['script', '-n', this.#name, '-t', String(seconds)], {
      env: this.#environment(),
      input: script,
    });
  }

  /** Starts a bash script, at most `seconds`; its output comes as it is written, the exit status is the script's. */
  start(script: string, seconds: number): ChildProcessWithoutNullStreams {
    const words = ['script', '-n', this.#name, '-t', String(seconds)];
    const child = spawn(LINUX_HOST_TOOL, words, { env: { ...process.env, ...this.#environment() } });
    child.stdin.end(script);
    return child;
  }

  /** As {@link try}, with the output trimmed; rejects when the status is not 0. */
  async sh(script: string, seconds = 120): Promise<string> {
    const { status, output } = await this.try(script, seconds);
    if (status !== 0) throw new Error(`in ${this.#name}: ${script}\nstatus ${status}\n${output}`);
    return output.trim();
  }

  /** The JSON that a command prints. */
  async json<T>(command: string): Promise<T> {
    const output = await this.sh(`${command} 2>/dev/null`);
    try {
      return JSON.parse(output) as T;
    } catch {
      throw new Error(`${command} printed no JSON:\n${output}`);
    }
  }

  /** Waits inside the guest until a condition (bash) holds; rejects with `what` after `seconds`. */
  async until(what: string, condition: string, seconds = 15): Promise<void> {
    const loop = `for ((i = 0; i < ${seconds * 10}; i++)); do if ${condition}; then exit 0; fi; sleep 0.1; done; exit 99`;
    const { status, output } = await this.try(loop, seconds * 2 + 10);
    if (status !== 0) throw new Error(`not within ${seconds} s: ${what} (status ${status})\n${output}`);
  }

  connectAll(address: string, ...options: string[]): Promise<string> {
    return this.sh(['nvme connect-all -t tcp -s 8009 -a', address, ...CONNECT_OPTIONS, ...options].join(' '));
  }

  /**
   * What nvme-cli's udev rule (70-nvmf-autoconnect.rules) does from now on, as there is no udev in the guest: when a persistent
   * discovery connection is told that the log changed, it connects to all that the log has.
   */
  async autoconnect(): Promise<void> {
    const connect = [
      '--device=$(basename $DEVNAME) -t tcp -a $NVME_TRADDR -s $NVME_TRSVCID --persistent',
      ...CONNECT_OPTIONS,
    ];
    await this.sh(`
      printf '%s\n' '#!/bin/bash' '[ "$NVME_AEN" = 0x70f002 ] || exit 0' 'echo $NVME_TRADDR >>/tmp/log-changed' \
        'exec nvme connect-all ${connect.join(' ')} >>/tmp/autoconnect 2>&1' >/tmp/on-uevent
      chmod +x /tmp/on-uevent
      setsid busybox uevent /tmp/on-uevent >/dev/null 2>&1 </dev/null &`);
  }

  /** How often the discovery service at an address has said that its log changed, since {@link autoconnect}. */
  async logChanges(address: string): Promise<number> {
    return Number(await this.sh(`grep -cxF ${address} /tmp/log-changed 2>/dev/null || true`));
  }

  /** Opens a persistent discovery connection, which is told of changes from then on. */
  async watchDiscovery(address: string): Promise<void> {
    await this.sh(`nvme discover -t tcp -a ${address} -s 8009 --persistent`);
  }

  /** What a gateway's discovery service lists: `nqn@address` of each listener, sorted. */
  async discover(address: string): Promise<string[]> {
    interface Log {
      records: { subtype: string; traddr: string; subnqn: string }[];
    }
    const { records } = await this.json<Log>(`nvme discover -t tcp -a ${address} -s 8009 -o json`);
    return records.map(({ subnqn, traddr }) => `${subnqn}@${traddr}`).sort();
  }

  connect(address: string, nqn: string, ...options: string[]): Promise<string> {
    return this.sh(
      ['nvme connect -t tcp -s 4420 -a', address, '-n', nqn, ...CONNECT_OPTIONS, ...options].join(' '),
    );
  }

  disconnectAll(): Promise<string> {
    return this.sh('nvme disconnect-all');
  }

  /** Name of the block device of a namespace (nvme1n1), once the kernel has it. */
  device(nqn: string, nsid: number, seconds = 15): Promise<string> {
    return this.sh(
      `for ((i = 0; i < ${seconds * 10}; i++)); do
        for s in /sys/class/nvme-subsystem/*; do
          [ "$(cat $s/subsysnqn 2>/dev/null)" = ${nqn} ] || continue
          for n in $s/nvme*n*; do
            [[ \${n##*/} =~ ^nvme[0-9]+n[0-9]+$ ]] || continue
            [ "$(cat $n/nsid 2>/dev/null)" = ${nsid} ] && [ -b /dev/\${n##*/} ] && { echo \${n##*/}; exit 0; }
          done
        done
        sleep 0.1
      done
      echo "no block device for namespace ${nsid} of ${nqn}"; nvme list-subsys; ls /sys/block; dmesg | tail -20; exit 1`,
      seconds * 2 + 10,
    );
  }

  /** Paths of a block device. */
  async paths(device: string): Promise<Path[]> {
    interface Listed {
      Subsystems: { Paths: { Name: string; Address: string; State: string; ANAState: string }[] }[];
    }
    const listed = await this.json<Listed[]>(`nvme list-subsys -o json /dev/${device}`);
    return listed[0].Subsystems[0].Paths.map((path) => ({
      controller: path.Name,
      address: /traddr=([^,]+)/.exec(path.Address)?.[1] ?? '',
      state: path.State,
      anaState: path.ANAState,
    }));
  }

  /** Size in bytes that the kernel sees. */
  async sizeOf(device: string): Promise<number> {
    return Number(await this.sh(`blockdev --getsize64 /dev/${device}`));
  }

  /** MD5 (the cheapest for an emulated CPU) of a whole block device, read past the page cache. */
  async digest(device: string): Promise<string> {
    const sum = await this.sh(`dd if=/dev/${device} bs=1M iflag=direct status=none | md5sum`);
    return sum.split(' ')[0];
  }

  /** Lines of the kernel log about NVMe that tell of trouble, but for those that a test expects. */
  async nvmeComplaints(expected?: RegExp): Promise<string[]> {
    const log = await this.sh(
      `{ dmesg --level=emerg,alert,crit,err,warn; dmesg | grep -iE 'error|fail|timeout|invalid|not supported|missing|reset'; } | grep -iE 'nvme|I/O|hung|buffer' | sort -u || true`,
    );
    // what we asked for; and a keep-alive that was under way when the host itself disconnected
    const harmless =
      /will reconnect forever|nvme_keep_alive_end_io error=4$|long keepalive RTT \(4294\d{6} ms\)/;
    return log.split('\n').filter((line) => line !== '' && !harmless.test(line) && !expected?.test(line));
  }

  async #tool(command: string, args: string[]): Promise<void> {
    await mustRun(LINUX_HOST_TOOL, [command, '-n', this.#name, ...args], { env: this.#environment() });
  }

  #environment(): Record<string, string> {
    return { LH_STATE: this.#lab.directory };
  }
}
