#!/usr/bin/busybox sh
# Process 1 of a test guest: mounts, identity, network, then one agent per command channel.
# busybox ash throughout: under TCG every dynamic exec costs 50-100 ms.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LC_ALL=C
exec </dev/null >/dev/ttyS0 2>&1
b=busybox
$b mount -t tmpfs -o mode=755 t /run
$b mount -t tmpfs t /tmp
$b mkdir -p /dev/pts /dev/shm /run/lh /run/lock /run/nvme
$b mount -t devpts d /dev/pts
$b mount -t tmpfs t /dev/shm
# lh.NAME=VALUE on the kernel command line becomes lh_NAME
read -r cmdline </proc/cmdline
for w in $cmdline; do case $w in lh.*) k=${w%%=*}; eval "lh_${k#lh.}=\${w#*=}";; esac; done
# one NVMe identity per guest number, stable across boots
u=$(printf '6c696e75-7868-4f73-8000-%012x' "${lh_id:-0}")
echo "nqn.2014-08.org.nvmexpress:uuid:$u" >/etc/nvme/hostnqn
echo "$u" >/etc/nvme/hostid
echo "lh-${lh_id:-0}" >/proc/sys/kernel/hostname
$b ip link set lo up
for i in 0 1; do
  [ -e /sys/class/net/eth$i ] || continue
  $b ip link set eth$i up
  eval "a=\${lh_ip$i:-}"
  [ -z "$a" ] || $b ip addr add "$a" dev eth$i
done
modprobe -a configfs nvme-tcp
$b mount -t configfs c /sys/kernel/config
$b mount -t debugfs d /sys/kernel/debug
for v in /sys/class/virtio-ports/*; do $b setsid /usr/sbin/lh-agent "${v##*/}" & done
read -r t </proc/uptime
echo "LH: ready $t"
while :; do wait; $b sleep 3600; done
