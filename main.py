"""`uv run main.py` and the command `nvidia-smi-web-agent` run the agent; `uvicorn main:app` uses its app.

Only this module ends the process by force; importing `agent` never does.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # `typing` takes longer to load than all else before the signals are handled
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn

FLUSH_DEADLINE = 0.5  # seconds; the log waits less, but another thread may hold one of its locks


def __getattr__(name: str) -> object:
    """Makes `app` on access, because `uv run main.py` makes its own."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from agent.cli import app_from_environment

    return globals().setdefault("app", app_from_environment(__file__))


def run(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the agent and end the process.

    The status: 0 after a signal, 75 for a restart, 2 wrong settings, 3 failed start, 1 everything else.
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

        logging.getLogger("agent").critical("The agent ends because of a bug", exc_info=True)
    finally:
        end(status if isinstance(status, int) else 1)


def end(status: int) -> NoReturn:
    """End the process now, whatever its threads do; the log gets a moment to be written.

    Python's normal exit takes long on a busy machine, restores default signal handlers meanwhile, and runs
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
    """Without this, a program started with `>&-` would get a socket as its standard output."""
    for name, mode in [("stdin", "r"), ("stdout", "w"), ("stderr", "w")]:
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115  (as long as the process)


if __name__ == "__main__":
    run()
