/** A Linux host's multipath disks and all their paths, at once. */
import type { LinuxHost } from './linux-host.ts';

export interface KernelPath {
  /** Name of the block device that it is a path of. */
  device: string;
  address: string;
  /** Of the controller: `live`, `connecting`, ... */
  state: string;
  ana: string;
  group: number;
}

const DISKS_SCRIPT = `
shopt -s nullglob
for s in /sys/class/nvme-subsystem/*; do
  read -r nqn <$s/subsysnqn
  for n in $s/nvme*n*; do
    [[ \${n##*/} =~ ^nvme[0-9]+n[0-9]+$ && -b /dev/\${n##*/} ]] && read -r nsid <$n/nsid && echo "$nqn $nsid \${n##*/}"
  done
done 2>/dev/null`;

/** Names of the disks of a subsystem, by namespace. */
export async function kernelDisks(host: LinuxHost, nqn: string): Promise<Map<number, string>> {
  const lines = (await host.sh(DISKS_SCRIPT)).split('\n').map((line) => line.split(' '));
  return new Map(lines.filter(([its]) => its === nqn).map(([, nsid, device]) => [Number(nsid), device]));
}

/** Prints `device address state ana-state ana-group` of each path. Only what bash has built in: a program costs 0.1 s there. */
const SCRIPT = `
shopt -s nullglob
for c in /sys/class/nvme/nvme*; do
  read -r state <$c/state; read -r address <$c/address; address=\${address#traddr=}; address=\${address%%,*}
  for p in $c/nvme*c*n*; do
    read -r ana <$p/ana_state || continue; read -r group <$p/ana_grpid; name=\${p##*/}
    echo "\${name%%c*}n\${name##*n} $address $state $ana $group"
  done
done 2>/dev/null`;

export async function kernelPaths(host: LinuxHost): Promise<KernelPath[]> {
  const lines = (await host.sh(SCRIPT)).split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const [device, address, state, ana, group] = line.split(' ');
    return { device, address, state, ana, group: Number(group) };
  });
}
