#!/usr/bin/busybox sh
# One command channel of a test guest, a virtio-serial port. Lines in:
#   R ID SECONDS BASE64   run that bash script; answers @@LH-BEGIN ID, its output, @@LH-END ID STATUS
#   K ID                  kill that run (any channel)     P ID   answers @@LH-PONG ID
exec 3<>"/dev/$1"
while IFS= read -r l <&3; do
  set -- $l
  case ${1:-} in
  P) echo "@@LH-PONG ${2:-}" >&3;;
  K) if [ -e "/run/lh/$2.pid" ]; then read -r p <"/run/lh/$2.pid"; kill -9 "-$p"; fi
     echo "@@LH-KILLED $2" >&3;;
  R) id=$2
     echo "$4" | busybox base64 -d >"/run/lh/$id.sh"
     echo "@@LH-BEGIN $id" >&3
     /usr/bin/setsid /usr/bin/timeout -k 5 "$3" /bin/bash "/run/lh/$id.sh" </dev/null >&3 2>&1 3>&- &
     p=$!
     echo $p >"/run/lh/$id.pid"
     wait $p
     rc=$?
     busybox rm -f "/run/lh/$id.sh" "/run/lh/$id.pid"
     printf '\n@@LH-END %s %s\n' "$id" "$rc" >&3;;
  esac
done
