#!/bin/busybox sh
# First stage of a test guest (busybox ash in the initrd): load the modules of the root disk, switch to it.
b=/bin/busybox
$b mount -t devtmpfs d /dev
$b mount -t proc p /proc
$b mount -t sysfs s /sys
for m in /m/*; do $b insmod "$m"; done
i=0
while [ ! -b /dev/vda ]; do
  $b usleep 20000
  i=$((i + 1))
  [ $i -gt 500 ] && { echo "LH: no root disk"; $b poweroff -f; }
done
$b mount -t ext4 -o noatime /dev/vda /new || { echo "LH: root mount failed"; $b poweroff -f; }
for d in dev proc sys; do $b mount -o move /$d /new/$d; done
exec $b switch_root /new /sbin/lh-init
