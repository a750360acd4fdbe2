"""`uv run main.py` and the command `nvidia-smi-web-agent` run the agent; `uvicorn main:app` finds its app.

Only here is the process ended by force: whoever imports `agent` keeps theirs.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # `typing` takes longer to load than all else before the signals are handled
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn

FLUSH_DEADLINE = 0.5  # seconds; the log itself waits less, but another thread may hold one of its locks


def __getattr__(name: str) -> object:
    """Makes `app` when it is asked for: `uv run main.py` makes its own."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from agent.cli import app_from_environment

    return globals().setdefault("app", app_from_environment(__file__))


def run(argv: Sequence[str] | None = None) -> NoReturn:
    """Runs the agent and ends the process.

    The status: 0 after a signal, 75 to be started again, 2 wrong settings, 3 failed start, 1 all else.
    """
    status: object = 1
    try:
        from agent.server.signals import handle_stop_signals

        handle_stop_signals(lambda *_: end(0))  # the imports that follow take a tenth of a second
        _open_closed_streams()
        from agent.cli import main

        status = main(argv, end=end, main_file=__file__)
    except SystemExit as exit_:  # of argparse, or of a start that uvicorn gives up
        status = exit_.code or 0
    except KeyboardInterrupt:  # Python's own Ctrl-C, before the signals are handled
        status = 0
    except BaseException:
        import logging

        logging.getLogger("agent").critical("The agent ends because of a fault of its own", exc_info=True)
    finally:
        end(status if isinstance(status, int) else 1)


def end(status: int) -> NoReturn:
    """Ends the process now, whatever its threads do; what was logged has a moment left to be read.

    Python's own end takes long on a busy machine, gives signals back their power to kill meanwhile, and runs
    the exit hooks of the driver's libraries while threads may still be in a call. It has nothing left to do.
    """
    try:
        import signal
        from contextlib import suppress

        with suppress(OSError):  # nobody reads it
            sys.stdout.flush()  # of --help
        signal.signal(signal.SIGALRM, lambda *_: os._exit(status))
        signal.setitimer(signal.ITIMER_REAL, FLUSH_DEADLINE)
        logging: Any = sys.modules.get("logging")
        if hasattr(logging, "shutdown"):  # a signal may come in the middle of its import
            logging.shutdown()
    finally:
        os._exit(status)


def _open_closed_streams() -> None:
    """A program started with `>&-` would else have its sockets where others expect standard output."""
    for name, mode in [("stdin", "r"), ("stdout", "w"), ("stderr", "w")]:
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115  (as long as the process)


if __name__ == "__main__":
    run()
