#!/bin/bash
# lab.sh - a lab for failover, inside network namespaces of its own: gateways with one cable to the hosts and one to Ceph each,
# a Ceph cluster, Linux hosts in qemu; cables can be cut one by one.
#
#   lab.sh [--netns NS] up [N]                          the two bridges, and gateways' namespaces 1..N (default 3)
#   lab.sh [--netns NS] add I                           one more gateway's namespace
#   lab.sh [--netns NS] exec I|lab CMD...               run a command in gateway I's namespace, or in the one of the bridges
#   lab.sh [--netns NS] cut I [host|ceph|all] [silent|unplug]
#                                                       silent: packets vanish both ways; unplug: the gateway sees no carrier
#   lab.sh [--netns NS] heal I [host|ceph|all]
#   lab.sh [--netns NS] ceph start|stop|env|kill|revive ...   scripts/ceph/ceph16.sh (CEPH_RELEASE=20: ceph20.sh) at 10.89.0.1
#   lab.sh [--netns NS] host start|exec|stop ...        scripts/linux-host.sh, its guest on the bridges
#   lab.sh [--netns NS] down                            kill what runs in the namespaces, and remove them
#
#   namespace NS (default anagate-lab)   lhbr0 10.88.0.1/24  hosts <-> gateways     lhbr1 10.89.0.1/24  gateways <-> Ceph
#   gateway I: namespace NS-gwI          eth0  10.88.0.(100+I)                      eth1  10.89.0.(100+I)
#   host ID                              eth0  10.88.0.(10+ID)                      eth1  10.89.0.(10+ID)
#   There is no route between the bridges and none out.
#
# By hand: lab.sh up 3; lab.sh ceph start; lab.sh exec 1 node dist/main.js serve --config gw1.conf &
#          lab.sh host start; lab.sh host exec 'nvme connect-all -t tcp -a 10.88.0.101 -s 8009'; lab.sh cut 1 ceph; lab.sh down
# Needs root and iproute2.
set -u -o pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
NS=anagate-lab
[ "${1:-}" = --netns ] && { NS=$2; shift 2; }

die() { echo "lab: $*" >&2; exit 1; }
namespaces() { ip netns list | awk -v ns="$NS" '$1 == ns || index($1, ns "-gw") == 1 { print $1 }'; }
in_lab() { ip netns exec "$NS" "$@"; }
quiet_arp() { # an address answers on its own bridge only
  ip netns exec "$1" sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2 net.ipv4.ip_forward=0; }

add() { # I
  local i=$1 n=$NS-gw$1 b
  ip netns add "$n" || return 1
  for b in 0 1; do
    # fixed MAC addresses: a host's ARP cache survives a gateway's namespace
    ip -n "$NS" link add "gv$i-$b" type veth peer name "eth$b" address "$(printf 52:54:00:89:0%d:%02x $b "$i")" netns "$n" &&
      ip -n "$NS" link set "gv$i-$b" master "lhbr$b" up &&
      ip -n "$n" addr add "10.8$((8 + b)).0.$((100 + i))/24" dev "eth$b" && ip -n "$n" link set "eth$b" up || return 1
  done
  ip -n "$n" link set lo up; quiet_arp "$n"; }

up() { # N
  local i
  "$HERE/linux-host.sh" bridge-up --netns "$NS" || exit 1
  quiet_arp "$NS"
  for ((i = 1; i <= $1; i++)); do add "$i" || die "no namespace for gateway $i"; done; }

ports() { # I host|ceph|all
  case $2 in host) echo "gv$1-0";; ceph) echo "gv$1-1";; all) echo "gv$1-0 gv$1-1";; *) die "host, ceph or all, not $2";; esac; }

cut() { # I WHICH HOW
  local p all; all=$(ports "$1" "$2") || exit 1
  for p in $all; do
    case $3 in
    silent) in_lab bridge link set dev "$p" state 0;;
    unplug) ip -n "$NS" link set "$p" down;;
    *) die "silent or unplug, not $3";;
    esac || return 1
  done; }

heal() { # I WHICH
  local p all; all=$(ports "$1" "$2") || exit 1
  for p in $all; do ip -n "$NS" link set "$p" up && in_lab bridge link set dev "$p" state 3 || return 1; done; }

down() {
  local n p tries
  for ((tries = 0; tries < 20; tries++)); do
    p=$(for n in $(namespaces); do ip netns pids "$n"; done)
    [ -n "$p" ] || break
    # shellcheck disable=SC2086
    kill -KILL $p 2>/dev/null
    sleep 0.1
  done
  for n in $(namespaces); do ip netns del "$n"; done; }

command=${1:-help}; [ $# -gt 0 ] && shift
case $command in
up) up "${1:-3}";;
add) add "$1";;
exec) n=$NS-gw$1; [ "$1" = lab ] && n=$NS; shift; exec ip netns exec "$n" "$@";;
cut) cut "$1" "${2:-all}" "${3:-silent}";;
heal) heal "$1" "${2:-all}";;
ceph) in_lab env CEPH_ADDR=10.89.0.1 "CEPH_DIR=${CEPH_DIR:-/var/tmp/$NS-ceph}" "$HERE/ceph/ceph${CEPH_RELEASE:-16}.sh" "$@";;
host) verb=$1; shift; exec "$HERE/linux-host.sh" "$verb" --netns "$NS" "$@";;
down) down;;
*) sed -n '2,/^set -u/p' "$0" | sed '$d; s/^# \{0,1\}//'; [ "$command" = help ] || exit 2;;
esac
