"""Runs the bash script on stdin in a guest: channel.py STATE_DIR CHANNELS SECONDS.

Streams its output, exits with its status; 124: ran past the limit, 125: the guest or its channels are gone.
The protocol is guest-agent.sh's; channel number CHANNELS is kept for kills.
"""
import base64
import fcntl
import os
import select
import signal
import sys
import time

state, channels, limit_s = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
ident = os.urandom(8).hex()
out = sys.stdout.buffer


def give_up(message, status=125):
    out.flush()
    sys.stderr.write("linux-host: %s\n" % message)
    sys.exit(status)


def guest_alive():
    try:
        os.kill(int(open(state + "/pid").read()), 0)
        return True
    except (OSError, ValueError):
        return False


def send(fd, data):
    end = time.time() + 20
    while data:
        try:
            data = data[os.write(fd, data[:4096]):]
        except BlockingIOError:
            if time.time() > end:
                raise
            time.sleep(0.005)


def open_channel(number):
    path = "%s/p%d" % (state, number)
    return os.open(path + ".in", os.O_WRONLY | os.O_NONBLOCK), os.open(path + ".out", os.O_RDONLY | os.O_NONBLOCK)


def wait_for(fd, text, seconds):
    """Reads until `text` came; False after `seconds`."""
    end, seen = time.time() + seconds, b""
    while time.time() < end:
        if text in seen:
            return True
        if select.select([fd], [], [], 0.2)[0]:
            seen = seen[-4096:] + os.read(fd, 65536)
        elif not guest_alive():
            give_up("the guest went away")
    return text in seen


def kill_run(signal_number=None, _frame=None):
    try:
        with open(state + "/lock.kill", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            w, r = open_channel(channels)
            send(w, ("K %s\n" % ident).encode())
            wait_for(r, ident.encode(), 5)
    except OSError:
        pass
    if signal_number is not None:
        os._exit(128 + signal_number)


def take_channel():
    for number in range(channels):
        lock = open("%s/lock.%d" % (state, number), "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        w, r = open_channel(number)
        send(w, ("P %s\n" % ident).encode())  # a channel still busy with an abandoned run does not answer
        if wait_for(r, ("@@LH-PONG " + ident).encode(), 3):
            return lock, w, r
    give_up("every command channel is busy")


def run(script):
    _lock, w, r = take_channel()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, kill_run)
    send(w, ("R %s %d %s\n" % (ident, limit_s, base64.b64encode(script).decode())).encode())
    begin, end = ("@@LH-BEGIN %s\n" % ident).encode(), ("\n@@LH-END %s " % ident).encode()
    buffered, begun, limit = b"", False, time.time() + limit_s + 15
    while True:
        if select.select([r], [], [], 0.5)[0]:
            data = os.read(r, 65536)
            if not data:
                give_up("the guest went away")
            buffered += data
        elif not guest_alive():
            out.write(buffered)
            give_up("the guest went away")
        if not begun:
            at = buffered.find(begin)
            begun = at >= 0
            buffered = buffered[at + len(begin):] if begun else buffered[-len(begin):]
        if begun:
            at = buffered.find(end)
            if at >= 0 and b"\n" in buffered[at + len(end):]:
                out.write(buffered[:at])
                out.flush()
                sys.exit(int(buffered[at + len(end):].split(b"\n")[0]))
            keep = len(end) + 8
            if at < 0 and len(buffered) > keep:
                out.write(buffered[:-keep])
                out.flush()
                buffered = buffered[-keep:]
        if time.time() > limit:
            out.write(buffered)
            kill_run()
            give_up("no answer 15 s past the limit", 124)


if not guest_alive():
    give_up("no such guest running")
try:
    run(sys.stdin.buffer.read())
except OSError as error:
    give_up("channel: %s" % error)
