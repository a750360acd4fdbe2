"""`python -m tests.hardware.cuda_child [copy]`: holds a CUDA context on the first GPU until its input ends.

Prints "holding" when it has one. With `copy` it copies from host to device meanwhile, and at the end prints
how many bytes in how many seconds. If CUDA refuses a call, it prints the error and ends with status 3.
"""

from __future__ import annotations

import ctypes
import select
import sys
import time

LIBRARY = "libcuda.so.1"
REFUSED = 3
CHUNK = 64 * 1024**2  # bytes of one copy; at 50 GB/s it takes about a millisecond


class Cuda:
    """The few functions of the driver API that are needed."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(LIBRARY)

    def call(self, name: str, *arguments: object) -> None:
        """Call a function of the driver API. The process ends if the call fails."""
        status = getattr(self._library, name)(*arguments)
        if status:
            sys.stdout.write(f"{name} gives CUDA error {status}\n")
            sys.stdout.flush()
            sys.exit(REFUSED)

    def hold_context(self) -> None:
        """Retain the primary context of the first GPU, and make it current."""
        device, context = ctypes.c_int(), ctypes.c_void_p()
        self.call("cuInit", ctypes.c_uint(0))
        self.call("cuDeviceGet", ctypes.byref(device), ctypes.c_int(0))
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self.call("cuCtxSetCurrent", context)

    def copy_until_input_ends(self) -> tuple[int, float]:
        """From pinned memory, so that the link is the limit. Bytes and seconds."""
        there, here = ctypes.c_uint64(), ctypes.c_void_p()
        self.call("cuMemAlloc_v2", ctypes.byref(there), ctypes.c_size_t(CHUNK))
        self.call("cuMemHostAlloc", ctypes.byref(here), ctypes.c_size_t(CHUNK), ctypes.c_uint(0))
        copied, started = 0, time.monotonic()
        while not input_ended(0.0):
            self.call("cuMemcpyHtoD_v2", there, here, ctypes.c_size_t(CHUNK))
            copied += CHUNK
        return copied, time.monotonic() - started


def input_ended(patience: float | None) -> bool:
    """Whether the parent closed our input, or is gone; None waits for it."""
    return bool(select.select([sys.stdin], [], [], patience)[0])


def main() -> None:
    cuda = Cuda()
    cuda.hold_context()
    sys.stdout.write("holding\n")
    sys.stdout.flush()
    if "copy" in sys.argv[1:]:
        copied, seconds = cuda.copy_until_input_ends()
        sys.stdout.write(f"{copied} {seconds}\n")
    else:
        input_ended(None)


if __name__ == "__main__":
    main()
