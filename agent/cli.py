"""`nvidia-smi-web-agent` and `uv run main.py`: from arguments and environment to a running agent."""

from __future__ import annotations

import argparse
import faulthandler
import gc
import logging
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from agent import __version__
from agent.server.listener import BACKLOG, CannotListen, listen, listening_at, url_host
from agent.server.logs import configure_logging, write_error
from agent.settings import Settings, SettingsError, documented, scenarios
from agent.settings.environment import find_env_file, load_settings

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from starlette.types import ASGIApp
    from uvicorn import Config

    from agent.server.handshakes import Handshakes

NAME = "nvidia-smi-web-agent"
EXIT_DEADLINE = 1.7  # seconds from a signal to the end of the process
FAILED_START = 3  # the status after which uvicorn and gunicorn start no worker again

logger = logging.getLogger("agent")

# The settings that are arguments too: an argument is the text of its environment variable.
_ARGUMENTS = {
    "--host": "HOST",
    "--port": "PORT",
    "--url-prefix": "URL_PREFIX",
    "--simulate": "SIMULATE_GPUS",
    "--scenario": "SIMULATE_SCENARIO",
    "--log-level": "LOG_LEVEL",
}


def main(argv: Sequence[str] | None = None, *, end: Callable[[int], object], main_file: str) -> int:
    """Runs the agent until a signal ends it, or until it ends itself in order to be restarted.

    The exit status: 0 after a signal, 75 for a restart, 1 cannot listen, 2 wrong settings; with --check 0 all
    is well, 1 something is wrong, 2 wrong settings. `main_file` is the path of main.py; an env file may be in
    the same folder. `end` ends the process at once with the given status: the server calls it EXIT_DEADLINE
    after a signal. Raises SystemExit(3) if the app does not start.
    """
    options = _parse(argv)
    arguments = {name: text for name in _ARGUMENTS.values() if (text := getattr(options, name)) is not None}
    env_file = options.env_file or find_env_file(main_file)
    if options.check:
        from agent.check.command import run_check

        return run_check(arguments, env_file, url=options.url, as_json=options.json, end=end)
    try:
        settings = load_settings(os.environ, arguments=arguments, env_file=env_file)
        configure_logging(settings.log_level, settings.log_format)
        with listening_at(settings.uds) if settings.uds else listen(settings.host, settings.port) as listener:
            host_from_environment = bool(os.environ.get("HOST")) and not arguments.get("HOST")
            announce = partial(
                _announce, settings, _address(settings), env_file, host_from_environment=host_from_environment
            )
            return _serve(settings, listener, end, announce)
    except SettingsError as error:
        return _refuse(error)
    except CannotListen as error:
        logger.error("%s", error)  # noqa: TRY400  one clear line, no traceback
        return 1


def app_from_environment(main_file: str) -> ASGIApp:
    """The app for `uvicorn main:app`, whose own options set address and protocol; `main_file` as in `main`.

    Wrong settings end the process as in `main`; under a supervisor with FAILED_START, because it would
    otherwise restart the process for ever.
    """
    from agent.server.other_server import OtherServer  # only here: `main` needs neither
    from agent.server.single_worker import SingleWorker, is_supervised

    env_file = find_env_file(main_file)
    try:
        settings = load_settings(os.environ, env_file=env_file)
        configure_logging(settings.log_level, settings.log_format)
        from agent.app import create_app  # only now: a wrong setting shows at once

        app = OtherServer(create_app(settings))
    except SettingsError as error:
        status = _refuse(error)
        sys.exit(FAILED_START if is_supervised() else status)
    _announce(settings, "", env_file)
    unused = [name for name in ("UDS", "TLS_CERT", "TLS_KEY") if getattr(settings, name.lower())]
    if unused:
        logger.warning("%s: not used under this server, which has its own options for it", ", ".join(unused))
    return SingleWorker(app) if is_supervised() else app


def _refuse(error: SettingsError) -> int:
    what = "a setting is wrong" if len(error.faults) == 1 else f"{len(error.faults)} settings are wrong"
    title = f"{NAME} cannot start: {what}"
    write_error("\n  ".join([title, *error.faults]))
    return 2


class _Parser(argparse.ArgumentParser):
    """Builds the long part of the help only for `--help`: a normal start loads no scenarios."""

    def _print_message(self, message: str, file: Any = None) -> None:
        """Exit with 1 if stdout takes no more. A closed pipe is no error: its reader has read enough."""
        stream = file or sys.stderr
        try:
            stream.write(message)
            stream.flush()
        except BrokenPipeError:
            pass
        except OSError:
            if stream is sys.stdout:
                sys.exit(1)

    def format_help(self) -> str:
        self.epilog = "\n".join(
            [
                "settings, by precedence: argument, environment variable, env file, default:",
                *(
                    f"  {row.name}={row.default}\n      {row.help} Accepted: {row.accepted}."
                    for row in documented()
                ),
                "\nscenarios, for --scenario together with --simulate:",
                *(f"  {name}\n      {description}" for name, description in scenarios().items()),
            ]
        )
        return super().format_help()


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    options = parser.parse_args(argv)
    if not options.check and (options.json or options.url):
        parser.error("--json and --url need --check")
    return options


def _url(text: str) -> str:
    from agent.check.running import agent_url

    try:
        return agent_url(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=NAME,
        description="Shows live over HTTP what each NVIDIA GPU of this host is doing.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    helps = {row.name: row.help for row in documented()}
    for option, name in _ARGUMENTS.items():
        parser.add_argument(option, dest=name, metavar=name, help=helps[name])
    parser.add_argument(
        "--env-file",
        metavar="PATH",
        help="File of NAME=value lines. Default: .env of the working directory, else .env next to main.py.",
    )
    checking = parser.add_argument_group(
        "check",
        "Shows the settings in force and what is wrong on this host; an agent may be running meanwhile.",
    )
    checking.add_argument(
        "--check",
        action="store_true",
        help="Check settings, driver and GPUs, show what is wrong, and end within 10 seconds."
        " Exit status: 0 all is well, 1 something is wrong, 2 wrong settings.",
    )
    checking.add_argument(
        "--json", action="store_true", help="With --check: write the report as one JSON object."
    )
    checking.add_argument(
        "--url",
        type=_url,
        metavar="URL",
        help="With --check: compare with the agent at URL, which is sent the token of the settings.",
    )
    parser.add_argument("--version", action="version", version=f"{NAME} {__version__}")
    return parser


def _address(settings: Settings) -> str:
    if settings.uds:
        return f"http://unix:{settings.uds}:"
    scheme = "https" if settings.tls_cert else "http"
    return f"{scheme}://{url_host(settings.host)}:{settings.port}"


def _announce(
    settings: Settings, address: str, env_file: str | None, *, host_from_environment: bool = False
) -> None:
    """Log one line that says what has started, and a warning if everybody can read the data.

    It names the env file, and HOST if it comes from the environment: some shells set a HOST that is not meant
    for the agent.
    """
    tokens, keys = len(settings.tokens), len(settings.api_keys)
    credentials = [
        *[f"{tokens} tokens" if tokens > 1 else "TOKEN"] * bool(tokens),
        *["TOKEN_FILE"] * bool(settings.token_file),
        *["METRICS_TOKEN"] * bool(settings.metrics_token),
        *[f"{keys} API key{'s' * (keys > 1)}"] * bool(keys),
    ]
    remarks = [f"authentication: {' and '.join(credentials) or 'none'}"]
    if env_file is not None:
        remarks.append(f"env file: {env_file}")
    if settings.uds:
        remarks.append("UDS replaces HOST and PORT")
    elif host_from_environment:
        remarks.append(f"HOST from the environment: {settings.host}")
    if settings.state_dir:
        remarks.append(f"STATE_DIR: {settings.state_dir}")
    if settings.simulate_gpus:
        number = isinstance(settings.simulate_gpus, int)
        simulated = f"{settings.simulate_gpus} GPUs" if number else f"replay of {settings.simulate_gpus}"
        remarks.append(f"SIMULATED: {simulated}")
    logger.info("%s %s on %s%s/ — %s", NAME, __version__, address, settings.url_prefix, "; ".join(remarks))
    if not settings.requires_token:
        guarded = "TOKEN is not set and API keys guard only the stream" if keys else "TOKEN is not set"
        logger.warning(
            "%s: anyone who reaches this %s can read process command lines and user names",
            guarded,
            "socket" if settings.uds else "port",
        )


def _serve(
    settings: Settings,
    listener: socket.socket,
    end: Callable[[int], object],
    announce: Callable[[], object],
) -> int:
    """Runs until the server ends; returns the exit status. Raises SettingsError as `create_app` does."""
    # Only now: a wrong setting or a port in use shows at once.
    from agent.server.agent_server import AgentServer, RestartRequest
    from agent.server.early import EarlyApp
    from agent.server.file_shortage import FileShortage
    from agent.server.forwarded import ForwardedFor
    from agent.server.service_manager import ServiceManager

    restart = RestartRequest()

    def make() -> ASGIApp:
        from agent.app import create_app  # most of a start, and /health does not need it

        made = create_app(settings, restart=restart)
        gc.freeze()  # what is loaded by now stays: a search of it for garbage would halt everything for 0.1 s
        announce()
        return made

    early = EarlyApp(make, prefix=settings.url_prefix, simulated=bool(settings.simulate_gpus))
    app: ASGIApp = early
    if settings.access_log:  # nothing else asks for the client's address
        app = ForwardedFor(app, trusted=settings.forwarded_allow_ips, on_unix_socket=bool(settings.uds))
    manager = ServiceManager(os.environ)
    if manager.watches:
        faulthandler.enable()  # systemd ends a hung event loop by SIGABRT: the log then has its traceback
    server = AgentServer(
        _config(settings, app),
        exit_deadline=EXIT_DEADLINE,
        end=end,
        restart=restart,
        manager=manager,
        handshakes=_handshakes(settings) if settings.tls_cert else None,
        shortage=None if settings.tls_cert else FileShortage(),  # handshakes report their own
        early=early,
    )
    server.run(sockets=[listener])
    return server.status


def _config(settings: Settings, app: ASGIApp) -> Config:
    """How uvicorn serves the app."""
    from uvicorn import Config

    from agent.server.protocol import LimitedHttpProtocol

    return Config(
        app,
        interface="asgi3",
        lifespan="on",
        loop="uvloop",
        http=LimitedHttpProtocol,
        ws="none",
        workers=1,  # named, or WEB_CONCURRENCY would be read
        log_config=None,
        access_log=settings.access_log,
        proxy_headers=False,  # see ForwardedFor
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=1,  # seconds; streams are ended by the app before this
    )


def _handshakes(settings: Settings) -> Handshakes:
    """The TLS handshakes, with the certificate; changes of its files are followed from here on."""
    from agent.server.handshakes import Certificate, Handshakes
    from agent.settings.tls_pair import TlsPair

    certificate = Certificate(TlsPair(settings.tls_cert, settings.tls_key))
    certificate.watch()
    return Handshakes(certificate)
