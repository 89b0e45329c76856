"""unpack-vmlinux.py VMLINUZ VMLINUX: the uncompressed ELF kernel inside a bzImage.

It boots through its PVH note, so that TCG need not run the decompressor (1-2 s a boot).
"""
import subprocess
import sys

PACKERS = (
    (b"\x28\xb5\x2f\xfd", ["zstd", "-dcq"]),
    (b"\x02\x21\x4c\x18", ["lz4", "-dcq"]),
    (b"\xfd7zXZ\0", ["xz", "-dcq", "--single-stream"]),
    (b"\x1f\x8b\x08", ["gzip", "-dcq"]),
)
image = open(sys.argv[1], "rb").read()
for magic, unpack in PACKERS:
    at = image.find(magic)
    while at >= 0:
        elf = subprocess.run(unpack, input=image[at:], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        if elf[:4] == b"\x7fELF":
            open(sys.argv[2], "wb").write(elf)
            sys.exit(0)
        at = image.find(magic, at + 1)
sys.exit("no ELF kernel inside " + sys.argv[1])
