"""`python -m tests.support.stretched_process RESIDENT_BYTES`: a process with a command line of 600 MB.

It belongs to an unprivileged user, and has a name of 15 characters and the given resident memory. It prints a
line when it is ready, and ends with its standard input. The status is 77 if the kernel refuses the change.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
import sys
from pathlib import Path

NAME = b"a-long-program-"
STRETCHED = 600 * 2**20  # bytes
NOBODY = 65534
# linux/prctl.h, and its struct prctl_mm_map
PR_SET_NAME, PR_SET_MM, PR_SET_MM_MAP = 15, 35, 14
MAP = "11Q Q 2I"
NO_EXECUTABLE = 2**32 - 1  # the only value that a process without root may set


def stretch(resident: int) -> mmap.mmap:
    """Move the arguments to new memory, of which `resident` bytes are touched. OSError if this is refused."""
    memory = mmap.mmap(-1, STRETCHED, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for start in range(0, resident, 2**20):
        memory[start : start + 2**20] = b"x" * 2**20
    arguments = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.sbrk.restype, libc.sbrk.argtypes = ctypes.c_void_p, [ctypes.c_ssize_t]
    field = Path("/proc/self/stat").read_text().rpartition(")")[2].split()  # the first is number 3
    code, data, heap = field[26 - 3 : 28 - 3], field[45 - 3 : 47 - 3], field[47 - 3]
    stack, environment = field[28 - 3], field[50 - 3 : 52 - 3]
    values = [*map(int, (*code, *data, heap)), libc.sbrk(0), int(stack)]
    values += [arguments, arguments + STRETCHED, *map(int, environment)]
    layout = struct.pack(MAP, *values, 0, 0, NO_EXECUTABLE)
    libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    buffer = ctypes.create_string_buffer(layout, len(layout))
    if libc.prctl(PR_SET_MM, PR_SET_MM_MAP, ctypes.addressof(buffer), len(layout), 0):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    libc.prctl(PR_SET_NAME, ctypes.addressof(ctypes.create_string_buffer(NAME)), 0, 0, 0)
    return memory


if __name__ == "__main__":
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    try:
        memory = stretch(int(sys.argv[1]))  # this name keeps the memory alive
    except OSError as error:
        sys.stdout.write(f"{error}\n")
        sys.exit(77)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()
