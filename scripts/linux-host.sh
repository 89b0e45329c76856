#!/bin/bash
# linux-host.sh - boot a real Linux kernel (nvme-tcp, nvme-cli, fio) in qemu/TCG and run commands in it.
#
#   linux-host.sh build [-s SUITE]          download and build kernel and image into the cache (1-2 min, once)
#   linux-host.sh start [opts]              boot a guest; returns when it takes commands (3-6 s)
#   linux-host.sh exec [opts] CMD...        run a bash command line in it; exit = its status (124: ran past -t)
#   linux-host.sh script [opts] [ARG...]    run the bash script on stdin in it
#   linux-host.sh console [opts]            print the guest's kernel console log so far
#   linux-host.sh stop [opts]               kill the guest (no shutdown: like a power cut; its disk is disposable)
#   linux-host.sh bridge-up|bridge-down [--netns NS]   make or remove the network namespace
#
# options (before the first non-option word)
#   -n NAME     guest's name (default "default")
#   -s SUITE    Debian release of kernel and userland: bookworm | trixie (default) | forky     env LH_SUITE
#   -t SECONDS  limit of exec and script (default 120), of the boot (default 120)
#   --netns NS  network namespace (default "anagate-lh"; made if absent) with two bridges: it is 10.88.0.1 and
#               10.89.0.1, a guest is .(10+ID) on both. Start the target inside it: ip netns exec NS ...
#               There is no route out of it.
#   --id N      guest number 0..200 (default 0): host NQN, MACs and addresses come from it
#   --mem MiB   (default 1024)    --smp N (default 2)
#
# env: LH_CACHE (default /var/tmp/anagate-linux-host), LH_STATE (default /tmp/anagate-linux-host.$UID),
#      LH_MIRROR (default: the Debian mirror of this machine's apt). Needs root: apt-get, network namespaces, taps.
set -u -o pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/linux-host
LH_CACHE=${LH_CACHE:-/var/tmp/anagate-linux-host}
LH_STATE=${LH_STATE:-/tmp/anagate-linux-host.$(id -u)}
LH_SUITE=${LH_SUITE:-trixie}
FLAVOUR=cloud-amd64
CHANNELS=6 # command channels (virtio-serial ports) per guest; one more is kept for kills
PACKAGES="bash coreutils dash grep sed gawk findutils procps psmisc kmod util-linux mount e2fsprogs xfsprogs iproute2
  iputils-ping nvme-cli fio tcpdump strace jq busybox-static libc-bin base-files base-passwd hostname diffutils debianutils"
NAME=default LIMIT=120 NETNS=anagate-lh GID=0 MEM=1024 SMP=2

die() { echo "linux-host: $*" >&2; exit 125; }
say() { echo "linux-host: $*" >&2; }

parse() { # options; leaves the rest in REST
  while [ $# -gt 0 ]; do case $1 in
    -n) NAME=$2; shift 2;; -t) LIMIT=$2; shift 2;; -s) LH_SUITE=$2; shift 2;;
    --netns) NETNS=$2; shift 2;; --id) GID=$2; shift 2;; --mem) MEM=$2; shift 2;; --smp) SMP=$2; shift 2;;
    --) shift; break;; -*) die "unknown option $1";; *) break;; esac; done
  [[ $NAME =~ ^[A-Za-z0-9._-]+$ ]] || die "bad name $NAME"
  D=$LH_STATE/$NAME; REST=("$@"); }

# ---------------------------------------------------------------- build
need() { # tool:package ...
  local missing=() p
  for p; do command -v "${p%%:*}" >/dev/null || missing+=("${p##*:}"); done
  [ ${#missing[@]} = 0 ] && return
  command -v apt-get >/dev/null || die "needs ${missing[*]}, and there is no apt-get on this machine"
  say "apt-get install ${missing[*]}"
  apt-get update >"$LH_CACHE/apt.log" 2>&1
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >>"$LH_CACHE/apt.log" 2>&1 ||
    die "apt-get install failed, see $LH_CACHE/apt.log"; }

mirror() { # the Debian mirror of this machine's own apt
  [ -n "${LH_MIRROR:-}" ] || LH_MIRROR=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | sed -n 's,/*$,,; /\/debian$/p' | head -1)
  [ -n "$LH_MIRROR" ] || die "this machine's apt names no Debian mirror; set LH_MIRROR to the address of one"
  echo "$LH_MIRROR"; }

in_suite() { # in_suite SUITE COMMAND...: apt for one Debian release; the machine's own apt configuration is not touched
  local suite=$1 d=$LH_CACHE/apt/$1 m key=/usr/share/keyrings/debian-archive-keyring.gpg; shift
  if [ ! -e "$d/ready" ]; then
    m=$(mirror) || exit 125
    mkdir -p "$d"/{lists/partial,cache/archives/partial}; : >"$d/status"
    echo "deb [signed-by=$key] $m $suite main" >"$d/sources.list"
    case $suite in bookworm|trixie) echo "deb [signed-by=$key] $m-security $suite-security main" >>"$d/sources.list";; esac
    # a mirror that is some days old still has a valid signature; only its freshness stamp is not asked for
    cat >"$d/apt.conf" <<E
Dir::State "$d"; Dir::State::lists "$d/lists"; Dir::State::status "$d/status"; Dir::Cache "$d/cache";
Dir::Etc::sourcelist "$d/sources.list"; Dir::Etc::sourceparts "/dev/null"; Dir::Etc::parts "/dev/null";
Dir::Etc::preferencesparts "/dev/null"; Acquire::Languages "none"; APT::Architecture "amd64"; APT::Sandbox::User "root";
Acquire::Check-Valid-Until "false";
E
    APT_CONFIG=$d/apt.conf apt-get update >"$d/update.log" 2>&1 || true
    APT_CONFIG=$d/apt.conf apt-cache show nvme-cli >/dev/null 2>&1 || die "apt-get update for $suite failed, see $d/update.log"
    touch "$d/ready"
  fi
  APT_CONFIG=$d/apt.conf "$@"; }

build_kernel() { # -> $LH_CACHE/kernel/SUITE/{vmlinux,initrd,kver,lib/modules/KVER}
  local o=$LH_CACHE/kernel/$LH_SUITE x=$LH_CACHE/kernel/$LH_SUITE.unpacked v p m vmlinuz
  [ -e "$o/ok" ] && return
  rm -rf "$o" "$x"; mkdir -p "$o/lib/modules" "$x/debs"
  v=$(in_suite "$LH_SUITE" apt-cache depends "linux-image-$FLAVOUR" | sed -n 's/^ *Depends: linux-image-//p' | head -1)
  [ -n "$v" ] || die "no linux-image-$FLAVOUR in $LH_SUITE"
  say "kernel $v ($LH_SUITE): download and unpack"
  # from forky on the kernel is split over several packages
  for p in linux-image linux-binary linux-modules linux-base; do
    in_suite "$LH_SUITE" apt-cache show "$p-$v" >/dev/null 2>&1 || continue
    ( cd "$x/debs" && in_suite "$LH_SUITE" apt-get download "$p-$v" >>"$o/log" 2>&1 ) || die "kernel download failed, see $o/log"
  done
  for p in "$x"/debs/*.deb; do dpkg-deb -x "$p" "$x" || die "unpack $p"; done
  m=$(ls -d "$x/lib/modules/$v" "$x/usr/lib/modules/$v" 2>/dev/null | head -1)
  vmlinuz=$(ls "$x/boot/vmlinuz-$v" "$m/vmlinuz" 2>/dev/null | head -1)
  "$PYTHON" "$HERE/unpack-vmlinux.py" "$vmlinuz" "$o/vmlinux" || die "no kernel for $LH_SUITE"
  mv "$m" "$o/lib/modules/$v"; rm -f "$o/lib/modules/$v/vmlinuz"
  find "$o/lib/modules/$v" -name '*.ko.xz' -print0 | xargs -0 -r -P2 -n200 xz -d
  find "$o/lib/modules/$v" -name '*.ko.zst' -print0 | xargs -0 -r -P2 -n200 zstd -dq --rm
  depmod -b "$o" "$v" || die depmod
  build_initrd "$o" "$v"
  echo "$v" >"$o/kver"; rm -rf "$x"; touch "$o/ok"; }

build_initrd() { # KERNEL_DIR VERSION: busybox, and the modules that the root disk, the channels and the network card need
  local r=$1/initrd.d i=10 module ko
  mkdir -p "$r"/{bin,proc,sys,dev,new,m}
  cp "$(command -v busybox)" "$r/bin/busybox"; cp "$HERE/initrd-init.sh" "$r/init"
  for module in virtio_pci virtio_blk virtio_console virtio_net virtio_rng ext4; do
    modprobe -d "$1" -S "$2" -q --show-depends "$module" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
  done | awk '!seen[$0]++' >"$1/initrd.modules"
  while read -r ko; do cp "$ko" "$r/m/$i-$(basename "$ko")"; i=$((i + 1)); done <"$1/initrd.modules"
  ( cd "$r" && find . | cpio -o -H newc --quiet ) >"$1/initrd"; rm -rf "$r"; }

build_root() { # -> $LH_CACHE/root/SUITE/, a directory
  local o=$LH_CACHE/root/$LH_SUITE inc= p
  # the package list is part of the mark, so that a changed list builds anew
  [ "$(cat "$o.ok" 2>/dev/null)" = "$PACKAGES" ] && return
  for p in $PACKAGES; do in_suite "$LH_SUITE" apt-cache show "$p" >/dev/null 2>&1 && inc=$inc,$p; done
  say "userland $LH_SUITE: mmdebstrap (about a minute)"; rm -rf "$o" "$o.ok" "$LH_CACHE/img/$LH_SUITE-"*; mkdir -p "$LH_CACHE/root"
  # extracted only: no maintainer script runs, nothing is installed on this machine
  mmdebstrap --variant=extract --include="${inc#,}" --aptopt='Acquire::Check-Valid-Until "false"' \
    --aptopt='APT::Install-Recommends "false"' --dpkgopt='path-exclude=/usr/share/doc/*' "$LH_SUITE" "$o" "$(mirror)" \
    >"$o.log" 2>&1 || die "mmdebstrap failed, see $o.log"
  rm -rf "$o"/usr/share/{doc,man,locale,info,bash-completion,perl*,zsh,fonts,icons} "$o"/usr/lib/x86_64-linux-gnu/{perl*,gconv} \
    "$o"/var/lib/apt/lists/* "$o"/var/cache/apt/*
  # bookworm's packages still ship files below /bin, /sbin, /lib: merge them into /usr
  for p in bin sbin lib lib64; do
    [ -L "$o/$p" ] && continue
    [ -d "$o/$p" ] && { mkdir -p "$o/usr/$p"; cp -a "$o/$p/." "$o/usr/$p/"; rm -rf "${o:?}/$p"; }
    ln -s "usr/$p" "$o/$p"
  done
  # what the maintainer scripts would have done
  cp "$o/usr/share/base-passwd/passwd.master" "$o/etc/passwd"; cp "$o/usr/share/base-passwd/group.master" "$o/etc/group"
  [ -e "$o/bin/sh" ] || ln -sf bash "$o/bin/sh"
  [ -e "$o/usr/bin/awk" ] || ln -s gawk "$o/usr/bin/awk"
  [ -e "$o/usr/bin/which" ] || ln -s which.debianutils "$o/usr/bin/which"
  echo "127.0.0.1 localhost" >"$o/etc/hosts"; : >"$o/etc/fstab"; ln -sf /proc/mounts "$o/etc/mtab"; mkdir -p "$o"/{mnt,run,tmp,etc/nvme,root}
  for p in nvme-cli fio xfsprogs; do in_suite "$LH_SUITE" apt-cache show --no-all-versions "$p" | sed -n "s/^Version:/$p/p"; done >"$o.versions"
  echo "$PACKAGES" >"$o.ok"; }

build_image() { # -> $IMG, the root disk of all guests of this suite
  local r=$LH_CACHE/root/$LH_SUITE
  IMG=$LH_CACHE/img/$LH_SUITE-$(cat "$HERE/guest-init.sh" "$HERE/guest-agent.sh" "$r.ok" "$K/kver" | sha256sum | cut -c1-12).ext4
  [ -e "$IMG" ] && return
  say "image $LH_SUITE"; mkdir -p "$LH_CACHE/img"; rm -f "$LH_CACHE/img/$LH_SUITE-"*
  install -m 755 "$HERE/guest-init.sh" "$r/usr/sbin/lh-init"; install -m 755 "$HERE/guest-agent.sh" "$r/usr/sbin/lh-agent"
  rm -rf "$r/usr/lib/modules"; mkdir -p "$r/usr/lib/modules"; cp -a "$K/lib/modules/$(cat "$K/kver")" "$r/usr/lib/modules/"
  truncate -s 1500M "$IMG.tmp"
  mke2fs -q -F -t ext4 -O ^has_journal -m 0 -d "$r" "$IMG.tmp" || die "mke2fs"
  mv "$IMG.tmp" "$IMG"; rm -rf "$r/usr/lib/modules"; }

build() {
  [ "$(id -u)" = 0 ] || die "needs root: packages from apt, network namespaces, taps"
  mkdir -p "$LH_CACHE" || die "cannot write $LH_CACHE"
  exec 8>"$LH_CACHE/lock"; flock 8
  need qemu-system-x86_64:qemu-system-x86 mmdebstrap:mmdebstrap busybox:busybox-static cpio:cpio zstd:zstd lz4:lz4 xz:xz-utils \
    mke2fs:e2fsprogs depmod:kmod python3:python3-minimal ip:iproute2
  K=$LH_CACHE/kernel/$LH_SUITE
  build_kernel; build_root; build_image
  flock -u 8; exec 8>&-; }

# ---------------------------------------------------------------- network
in_ns() { ip netns exec "$NETNS" "$@"; }
bridge_up() {
  need ip:iproute2
  ip netns list | grep -qw -- "$NETNS" || ip netns add "$NETNS" || die "no network namespace $NETNS"
  ip -n "$NETNS" link set lo up
  local i
  for i in 0 1; do
    ip -n "$NETNS" link show "lhbr$i" >/dev/null 2>&1 && continue
    ip -n "$NETNS" link add "lhbr$i" type bridge && ip -n "$NETNS" addr add "10.8$((8 + i)).0.1/24" dev "lhbr$i" && ip -n "$NETNS" link set "lhbr$i" up || die "bridge lhbr$i"
  done; }

# ---------------------------------------------------------------- guest
alive() { local p; p=$(cat "$D/pid" 2>/dev/null) && [ -n "$p" ] && grep -qzF "lh-guest-$NAME" "/proc/$p/cmdline" 2>/dev/null; }

PANICS=0
boot_failed() { # under TCG two CPUs may run code that the booting kernel is patching: a panic then is the emulator's, and rare
  tail -n 20 "$D/qemu.log" "$D/console.log" >&2
  grep -aq 'Kernel panic' "$D/console.log" && [ $((PANICS += 1)) -lt 3 ] || die "guest $NAME died while booting"
  say "guest $NAME: the emulated kernel panicked while booting; booting it again"
  stop; start; }

start() {
  local i tap a cmd q end began=$EPOCHREALTIME
  build; bridge_up
  alive && die "guest $NAME is already running (pid $(cat "$D/pid"))"
  rm -rf "$D"; mkdir -p "$D"
  a=(-name "lh-guest-$NAME" -nodefaults -no-user-config -display none -no-reboot -M q35,usb=off,sata=off,smbus=off,vmport=off
     -accel tcg,thread=multi -cpu Westmere -m "$MEM" -smp "$SMP"
     -kernel "$K/vmlinux" -initrd "$K/initrd" -serial "file:$D/console.log"
     -drive "if=none,id=root,file=$IMG,format=raw,snapshot=on,cache=unsafe" -device virtio-blk-pci,drive=root
     -object rng-builtin,id=rng -device virtio-rng-pci,rng=rng -device "virtio-serial-pci,max_ports=$((CHANNELS + 2))")
  cmd="console=ttyS0 quiet loglevel=6 panic=-1 mitigations=off nokaslr tsc=reliable no_timer_check random.trust_cpu=on audit=0 net.ifnames=0 lh.id=$GID"
  for i in 0 1; do
    tap=lht$GID-$i
    ip -n "$NETNS" link del "$tap" 2>/dev/null
    in_ns ip tuntap add "$tap" mode tap && ip -n "$NETNS" link set "$tap" master "lhbr$i" up || die "tap $tap"
    a+=(-netdev "tap,id=n$i,ifname=$tap,script=no,downscript=no"
        -device "virtio-net-pci,netdev=n$i,romfile=,mac=52:54:00:88:$(printf %02x "$i"):$(printf %02x "$GID")")
    cmd+=" lh.ip$i=10.8$((8 + i)).0.$((10 + GID))/24"
  done
  for ((i = 0; i <= CHANNELS; i++)); do
    mkfifo "$D/p$i.in" "$D/p$i.out"
    a+=(-chardev "pipe,id=c$i,path=$D/p$i" -device "virtserialport,chardev=c$i,name=lh.$i,nr=$((i + 1))")
  done
  ip netns exec "$NETNS" setsid qemu-system-x86_64 "${a[@]}" -append "$cmd" >"$D/qemu.log" 2>&1 </dev/null &
  q=$!; disown; echo "$q" >"$D/pid"; printf '%s\n' "$NETNS" "$GID" >"$D/meta"
  end=$((SECONDS + LIMIT))
  until grep -aq 'LH: ready' "$D/console.log" 2>/dev/null; do
    kill -0 "$q" 2>/dev/null || { boot_failed; return; }
    [ $SECONDS -lt $end ] || { tail -n 20 "$D/console.log" >&2; stop; die "guest $NAME not up after $LIMIT s"; }
    sleep 0.05
  done
  say "guest $NAME up in $(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN{printf "%.1f", b-a}') s: kernel $(cat "$K/kver"), pid $q, console $D/console.log"; }

stop() {
  local p i; p=$(cat "$D/pid" 2>/dev/null)
  if alive; then kill -KILL "$p" 2>/dev/null; for i in {1..100}; do alive || break; sleep 0.02; done; fi
  if [ -e "$D/meta" ]; then { read -r NETNS; read -r GID; } <"$D/meta"; for i in 0 1; do ip -n "$NETNS" link del "lht$GID-$i" 2>/dev/null; done; fi
  rm -f "$D/pid" "$D"/p*.in "$D"/p*.out; return 0; }

client() { "$PYTHON" "$HERE/channel.py" "$D" "$CHANNELS" "$LIMIT"; } # < script

command=${1:-help}; [ $# -gt 0 ] && shift
parse "$@"; set -- ${REST[@]+"${REST[@]}"}
PYTHON=python3; [ -x /usr/bin/python3 ] && PYTHON=/usr/bin/python3 # rather the system's own than a version manager's slow wrapper
case $command in
build) build; say "ready: kernel $(cat "$K/kver"), $(paste -sd, "$LH_CACHE/root/$LH_SUITE.versions")";;
start) start;;
exec) [ $# -gt 0 ] || die "exec CMD..."; printf '%s\n' "$*" | client;;
script) { [ $# = 0 ] || { printf 'set -- '; printf '%q ' "$@"; echo; }; cat; } | client;;
console) cat "$D/console.log";;
stop) stop;;
bridge-up) bridge_up;;
bridge-down) ip netns del "$NETNS";;
*) sed -n '2,/^set -u/p' "$0" | sed '$d; s/^# \{0,1\}//'; [ "$command" = help ] || [ "$command" = --help ] || exit 125;;
esac
