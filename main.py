"""`uv run main.py` runs the agent; `uvicorn main:app` finds the app here."""

import sys


def __getattr__(name: str) -> object:
    """Makes `app` when it is asked for: `uv run main.py` makes its own."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from agent.cli import app_from_environment

    return globals().setdefault("app", app_from_environment())


if __name__ == "__main__":
    from agent.signals import exit_on_signals

    exit_on_signals()  # the import that follows takes a tenth of a second
    from agent.cli import main

    sys.exit(main())
