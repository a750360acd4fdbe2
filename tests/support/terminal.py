"""`python -m tests.support.terminal COMMAND` becomes that command, with a terminal as its standard input."""

from __future__ import annotations

import os
import pty
import sys

ON_TERMINAL = (sys.executable, "-m", "tests.support.terminal")


if __name__ == "__main__":
    ours, theirs = pty.openpty()
    os.set_inheritable(ours, True)  # the terminal exists only while this end is open
    os.dup2(theirs, 0)
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606  (a test's own command)
