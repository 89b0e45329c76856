# cluster.sh: what ceph16.sh and ceph20.sh have in common; sourced by them: a real Ceph cluster, without systemd, devices or
# root-owned system state. They say where its programs come from.
#
#   start | stop | status | env | install | node | kill osd.0 [SIGNAL] | revive osd.0
#
# Variables, all of the environment:
#   CEPH_DIR        everything that the cluster writes
#   CEPH_PORT       first of its 100 ports
#   CEPH_ADDR       127.0.0.1, or an address that this machine, or the network namespace that the script runs in, already has:
#                   `ip netns exec NS env CEPH_ADDR=10.89.0.1 ceph16.sh start`; the same NS and variables for `revive`
#   CEPH_CACHE      downloaded packages
#   MONS=1 OSDS=1 MGR=1
#   STORE=bluestore|memstore  SIZE=bytes
#   LIFE=3600       the cluster stops itself after so many seconds; 0 = never
#   MON_LEASE=1     seconds; Ceph's own 5 makes a dead leader's replacement take 15-20 s
#
# From the script that sources this: SELF (its path), D (the folder), PORT, CIPHER, FSID, MONMAP_ARGS, CONF_GLOBAL (lines of
# ceph.conf), cmd_install, cmd_env, cmd_node.
# shellcheck shell=bash
ADDR=${CEPH_ADDR:-127.0.0.1}
MONS=${MONS:-1} OSDS=${OSDS:-1} MGR=${MGR:-1} STORE=${STORE:-bluestore} SIZE=${SIZE:-10737418240} LIFE=${LIFE:-3600}
MON_LEASE=${MON_LEASE:-1}
say() { printf '%s\n' "$*" >&2; }
die() { say "$0: $*"; exit 1; }
alive() { # NAME -> 0 if the daemon whose pid file is $D/NAME.pid runs and is ours
  local p; p=$(cat "$D/$1.pid" 2>/dev/null) && [ -r "/proc/$p/cmdline" ] && tr '\0' ' ' 2>/dev/null <"/proc/$p/cmdline" | grep -qF -- "$D/ceph.conf"
}
names() { # every daemon this cluster has
  local n; for n in "$D"/mon.? "$D"/osd.? "$D"/mgr.x; do [ -d "$n" ] && basename "$n"; done
}
kill_one() { # NAME SIGNAL: kill and wait until gone
  local p i; alive "$1" || return 0
  p=$(cat "$D/$1.pid"); kill "-${2:-KILL}" "$p" 2>/dev/null
  case ${2:-KILL} in STOP|CONT) return 0;; esac
  for i in $(seq 300); do grep -q . "/proc/$p/cmdline" 2>/dev/null || return 0; sleep 0.05; done  # a zombie's is empty
  return 1
}
start_one() { # NAME
  alive "$1" && return 0
  rm -f "$D/$1.asok" "$D/$1.pid"
  case $1 in
    mon.*) ceph-mon -c "$D/ceph.conf" -i "${1#mon.}" ;;
    osd.*) ceph-osd -c "$D/ceph.conf" -i "${1#osd.}" ;;
    mgr.*) ceph-mgr -c "$D/ceph.conf" -i "${1#mgr.}" ;;
    *) die "no daemon $1" ;;
  esac >>"$D/$1.out" 2>&1 </dev/null 9>&-
}
key() { # [aes|aes256k]: a cephx secret: le16 type, le32+le32 time, le16 length, bytes
  if [ "$1" = aes256k ]; then { printf '\2\0\0\0\0\0\0\0\0\0\40\0'; head -c 32 /dev/urandom; }
  else { printf '\1\0\0\0\0\0\0\0\0\0\20\0'; head -c 16 /dev/urandom; }; fi | base64 -w0
}
write_conf() {
  local i hosts= ids='a b c d e' n=0
  for i in $ids; do
    [ $n -lt "$MONS" ] || break
    hosts="$hosts${hosts:+,}[v2:$ADDR:$((PORT + 2 * n)),v1:$ADDR:$((PORT + 2 * n + 1))]"; n=$((n + 1))
  done
  cat >"$D/ceph.conf" <<C
[global]
fsid = $FSID
mon_host = $hosts
public_addr = $ADDR
cluster_addr = $ADDR
ms_bind_ipv4 = true
ms_bind_ipv6 = false
ms_bind_port_min = $((PORT + 10))
ms_bind_port_max = $((PORT + 99))
keyring = $D/keyring
run_dir = $D
crash_dir = $D
log_file = $D/\$name.log
admin_socket = $D/\$name.asok
osd_crush_chooseleaf_type = 0
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pgp_num = 8
osd_pool_default_pg_autoscale_mode = off
$CONF_GLOBAL
[client]
log_file = /dev/null
admin_socket =
[mon]
mon_data = $D/mon.\$id
pid_file = $D/\$name.pid
mon_cluster_log_file = $D/cluster.log
mon_allow_pool_size_one = true
mon_allow_pool_delete = true
mon_warn_on_pool_no_redundancy = false
mon_data_avail_warn = 1
mon_data_avail_crit = 1
auth_allow_insecure_global_id_reclaim = false
paxos_propose_interval = 0.05
mon_lease = $MON_LEASE
mon_election_timeout = $MON_LEASE
[mgr]
mgr_data = $D/mgr.\$id
pid_file = $D/\$name.pid
[osd]
osd_data = $D/osd.\$id
pid_file = $D/\$name.pid
osd_objectstore = $STORE
bluestore_block_size = $SIZE
memstore_device_bytes = $SIZE
bluestore_fsck_on_mkfs = false
bdev_aio_poll_ms = 10
osd_op_queue = wpq
osd_op_num_shards = 2
osd_op_num_threads_per_shard = 2
osd_memory_target = 939524096
debug_rocksdb = 0/0
debug_bluestore = 0/0
debug_bluefs = 0/0
debug_bdev = 0/0
C
}
cmd_start() {
  local n i ok=1 t0 mons= argv= cmds=
  t0=$(date +%s%N)
  cmd_install || die 'install failed'
  mkdir -p "$(dirname "$D")"; exec 9>"$D.lock"; flock 9
  if [ -e "$D/up" ]; then
    for n in $(names); do alive "$n" || ok=0; done
    [ $ok = 1 ] && { say "already up in $D"; return 0; }
    if [ "$STORE" = bluestore ]; then            # data survives: start what is missing
      for n in $(names); do start_one "$n"; done
      timeout 60 rbd -c "$D/ceph.conf" ls >/dev/null && { say "revived in $D"; return 0; }
    fi
  fi
  cmd_stop_locked; mkdir -p "$D"; write_conf
  {
    printf '[mon.]\n\tkey = %s\n\tcaps mon = "allow *"\n' "$(key "$CIPHER")"
    printf '[client.admin]\n\tkey = %s\n\tcaps mon = "allow *"\n\tcaps osd = "allow *"\n\tcaps mgr = "allow *"\n\tcaps mds = "allow *"\n' "$(key "$CIPHER")"
    [ "$MGR" = 1 ] && printf '[mgr.x]\n\tkey = %s\n\tcaps mon = "allow profile mgr"\n\tcaps osd = "allow *"\n\tcaps mds = "allow *"\n' "$(key "$CIPHER")"
    for ((i = 0; i < OSDS; i++)); do printf '[osd.%s]\n\tkey = %s\n\tcaps mon = "allow profile osd"\n\tcaps mgr = "allow profile osd"\n\tcaps osd = "allow *"\n' $i "$(key "$CIPHER")"; done
  } >"$D/keyring"
  # osd mkfs needs no monitor: run it beside the monitors' start
  local pids= uuid
  for ((i = 0; i < OSDS; i++)); do
    mkdir -p "$D/osd.$i"; uuid=$(cat /proc/sys/kernel/random/uuid)
    cmds="${cmds}osd new $uuid $i
"
    ceph-osd -c "$D/ceph.conf" -i $i --mkfs --osd-uuid "$uuid" --no-mon-config >"$D/osd.$i.out" 2>&1 9>&- & pids="$pids $!"
  done
  n=0
  for i in a b c d e; do
    [ $n -lt "$MONS" ] || break
    argv="$argv --addv $i [v2:$ADDR:$((PORT + 2 * n)),v1:$ADDR:$((PORT + 2 * n + 1))]"; mons="$mons $i"; n=$((n + 1))
  done
  # shellcheck disable=SC2086
  monmaptool --create --clobber $MONMAP_ARGS --fsid "$FSID" $argv "$D/monmap" >"$D/monmap.out" 2>&1 || die "monmaptool: $(cat "$D/monmap.out")"
  for i in $mons; do
    mkdir -p "$D/mon.$i"
    ceph-mon -c "$D/ceph.conf" -i "$i" --mkfs --monmap "$D/monmap" --keyring "$D/keyring" >"$D/mon.$i.out" 2>&1 9>&- || die "mon.$i mkfs: $(tail -3 "$D/mon.$i.out")"
  done
  for i in $mons; do start_one "mon.$i" || die "mon.$i: $(tail -3 "$D/mon.$i.out")"; done
  # one CLI process, several commands (each `ceph` start costs 0.2-0.4 s)
  printf '%sosd pool create rbd 8 8\nosd pool application enable rbd rbd\n' "$cmds" |
    timeout 60 ceph -c "$D/ceph.conf" >"$D/setup.out" 2>&1 9>&- || die "setup: $(tail -3 "$D/setup.out")"
  for i in $pids; do wait "$i" || die "osd mkfs: $(tail -3 "$D"/osd.*.out)"; done
  for ((i = 0; i < OSDS; i++)); do start_one "osd.$i" || die "osd.$i: $(tail -3 "$D/osd.$i.out")"; done
  # the first RBD operation waits for the placement groups: it is the readiness check
  timeout 60 rbd -c "$D/ceph.conf" pool init rbd >"$D/init.out" 2>&1 9>&- || die "rbd pool init: $(tail -3 "$D/init.out")"
  if [ "$MGR" = 1 ]; then mkdir -p "$D/mgr.x"; start_one mgr.x || die "mgr.x: $(tail -3 "$D/mgr.x.out")"; fi
  if [ "$LIFE" -gt 0 ]; then  # dead man's switch: one bash, no child, stops the cluster after LIFE seconds
    mkfifo "$D/dog.fifo"
    CEPH_DIR=$D setsid bash -c 'exec 8<>"$1/dog.fifo"; read -t "$2" -u 8 _; exec "$3" stop' dog "$D" "$LIFE" "$SELF" </dev/null >/dev/null 2>&1 9>&- &
    echo $! >"$D/dog"
  fi
  : >"$D/up"
  say "up in $D after $((($(date +%s%N) - t0) / 1000000)) ms (mons=$MONS osds=$OSDS mgr=$MGR store=$STORE)"
}
cmd_stop_locked() {
  local n p
  [ -d "$D" ] || return 0
  p=$(cat "$D/dog" 2>/dev/null)
  [ -n "$p" ] && [ "$p" != $$ ] && [ -r "/proc/$p/cmdline" ] && tr '\0' ' ' 2>/dev/null <"/proc/$p/cmdline" | grep -qF "dog $D " && kill "$p" 2>/dev/null
  for n in $(names); do kill_one "$n" KILL || say "$n would not die"; done
  rm -rf "$D"
}
cmd_stop() { mkdir -p "$(dirname "$D")"; exec 9>"$D.lock"; flock 9; cmd_stop_locked; rm -f "$D.lock"; }
cmd_status() {
  local n rc=0
  for n in $(names); do
    if alive "$n"; then printf '%s pid %s rss %s MiB\n' "$n" "$(cat "$D/$n.pid")" "$(awk '/VmRSS/{print int($2/1024)}' "/proc/$(cat "$D/$n.pid")/status")"
    else printf '%s down\n' "$n"; rc=1; fi
  done
  [ -e "$D/up" ] || rc=1
  return $rc
}
main() { # COMMAND ...
  case ${1:-} in
    install) cmd_install ;;
    start) cmd_start ;;
    stop) cmd_stop ;;
    status) cmd_status ;;
    env) cmd_env ;;
    kill) [ -n "${2:-}" ] || die 'kill NAME [SIGNAL]'; kill_one "$2" "${3:-KILL}" ;;
    revive) [ -n "${2:-}" ] || die 'revive NAME'; start_one "$2" ;;
    node) cmd_node ;;
    *) say "usage: $0 start|stop|status|env|install|kill NAME [SIGNAL]|revive NAME"; exit 2 ;;
  esac
}
