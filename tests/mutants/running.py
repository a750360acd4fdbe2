"""Which tests belong to a module, and whether they notice a mutant of it.

Libraries and the agent are loaded once. Each mutant runs in a fork, which reloads what the change reaches.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.test_import_circles import imported_modules, reach
from tests.test_imports import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import NoReturn

OPTIONS = ["-qx", "-n0", "-pno:cacheprovider", "-Wignore", "--no-header"]
# Folders whose tests start servers, proxies and browsers, or try a great many cases.
SLOW = {"clients", "faults", "hardware", "kubernetes", "load", "packaging", "page", "prometheus"}
SLOW |= {"properties", "proxies"}
LONGEST = 60.0  # seconds that the tests of one mutant may take: the change may make them wait forever
MOST_WORK = 30  # seconds of processor time that they may take: the change may make a loop endless
ANSWERS = Path(
    "tests/exact/test_answers.py"
)  # the exact text of every answer, for the code that makes answers
# Folders whose tests start so many agents that for each mutant only the tests of the module can run.
TOO_MANY = {"http", "server"}
# Tests of all routes.
EVERY_ROUTE = {"test_bad_input", "test_endpoint", "test_envelope"}
# Modules whose tests have other names, because they test over HTTP or on a connection.
NAMED = {
    "agent.app": {"test_app", "test_state", "test_kernel_log", "test_head_and_redirects"},
    "agent.cli": {"test_cli", "test_cli_in_process"},
    "agent.http.errors": {"test_envelope", "test_bad_input"},
    "agent.http.kept_response": {"test_response_cache", "test_compression", "test_entity_tags"},
    "agent.http.middleware": {"test_data_headers", "test_head_and_redirects", "test_hosts_and_origins"},
    "agent.http.openapi": {"test_openapi", "test_openapi_for_generators"},
    "agent.http.parameters": {"test_parameters", "test_endpoint", "test_bad_input"},
    "agent.http.response_cache": {"test_repeated", "test_response_cache"},
    "agent.http.shared_state": {"test_shared_state", "test_response_cache", "test_stream"},
    "agent.http.json_response": {"test_response_cache"},
    "agent.http.stored": {"test_usage"},
    "agent.routes.fleet": {"test_entity_tags"},
    "agent.routes.free": {"test_free", "test_free_mig", "test_rotation", "test_waiting"},
    "agent.routes.history": {"test_history", "test_state"},
    "agent.routes.page": {"test_entity_tags", "test_web"},
    "agent.routes.processes": {"test_processes_and_users"},
    "agent.routes.ready": {"test_ready", "test_state"},
    "agent.routes.stream": {"test_rotation", "test_stream"},
    "agent.routes.users": {"test_processes_and_users", "test_usage"},
    "agent.server.agent_server": {"test_agent_server", "test_handshakes"},
    "agent.server.cycles": {"test_cycles", "test_protocol", "test_repeated_requests", "test_timers"},
    "agent.server.handshakes": {"test_accepting", "test_handshakes"},
    "agent.server.logs": {"test_logs", "test_log_formats"},
    "agent.server.protocol": {
        "test_head_timer",
        "test_limits",
        "test_protocol",
        "test_repeated_requests",
        "test_timers",
        "test_unix_socket",
    },
    "agent.server.signals": {"test_signals", "test_protocol"},
    "agent.state.forget": {"test_file", "test_names"},
    "agent.state.gpus": {"test_keeper", "test_store"},
    "agent.state.keeper": {"test_keeper", "test_store"},
    "agent.state.reader": {"test_store"},
    "agent.state.restore": {"test_history", "test_seen", "test_names", "test_xids"},
    "agent.state.short_queue": {"test_short_queue", "test_history_queue"},
    "agent.state.subject": {"test_names", "test_seen", "test_store"},
}
IMPORTS = imported_modules()
_LATER = count(10)  # seconds by which the next mutant is younger than the original


def tests_of(path: Path) -> list[list[str]]:
    """The test files of a module, in rounds: its own; every answer; its folder's; all that import it.

    Its own are named like it, or else like the nearest modules that import it, preferably in its own folder.
    """
    module, folder = _module(path), path.parts[1]
    mirror = Path("tests/http") if folder == "routes" else Path("tests", *path.parts[1:-1])
    files = [file for file in sorted(Path("tests").rglob("test_*.py")) if file.parts[1] not in SLOW]
    package, _, name = module.rpartition(".")
    imports = f"{module} import", f"from {package} import {name}\n"
    other_names = NAMED.get(module, set())
    named = [file for file in files if file.stem in other_names] or _named_like({module}, files)
    of_all = [one for one in files if folder == "routes" and one.parent == mirror and one.stem in EVERY_ROUTE]
    rounds = [
        [one for one in named if one.parent == mirror]
        or [*of_all]
        or [one for one in named if one.parts[1] == folder]
        or _named_like_importers(module, [one for one in files if one.parts[1] == folder])
        or _named_like_importers(module, files),
        [ANSWERS] if folder in {"routes", "views"} else [],
        of_all or [one for one in files if one.parent == mirror and folder not in TOO_MANY],
        [ANSWERS] if folder == "derive" else [],
        [one for one in files if one in named or any(words in one.read_text() for words in imports)],
    ]
    taken: set[Path] = set()
    for tests in rounds:
        tests[:] = [one for one in tests if one not in taken]
        taken.update(tests)
    return [[str(one) for one in tests] for tests in rounds if tests]


def _named_like(modules: set[str], files: list[Path]) -> list[Path]:
    names = {f"test_{module.rpartition('.')[2]}" for module in modules}
    return [file for file in files if file.stem in names]


def _named_like_importers(module: str, files: list[Path]) -> list[Path]:
    nearer, found = {module}, list[Path]()
    while nearer and not found:
        nearer = {importer for importer, imported in IMPORTS.items() if imported & nearer} - {module}
        found = _named_like(nearer, files)
    return found


def _module(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


@contextmanager
def copy_of_the_repository() -> Iterator[None]:
    """The process and all that the tests start work in a copy, which may be changed."""
    listed = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True)  # noqa: S607  (the user's git)
    with tempfile.TemporaryDirectory(prefix="mutants-") as copy:
        for name in listed.splitlines():
            if (ROOT / name).is_file():
                Path(copy, name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, Path(copy, name))
        os.chdir(copy)
        os.environ["PYTHONPATH"] = sys.path[0] = copy
        try:
            _forget(lambda name: name.partition(".")[0] in {"agent", "tests", "main"})
            _run(["--collect-only", "tests/http/test_endpoint.py"])
            yield
        finally:
            os.chdir(ROOT)


def notices(path: Path, source: str, tests: list[str]) -> bool:
    """Whether tests fail, or take too long, when a module has this source."""
    original, times = path.read_text(), path.stat()
    path.write_text(source)
    # So that Python loads the bytecode neither of the original nor of the mutant before it, which a process
    # that a test started may have left.
    os.utime(path, (times.st_atime, times.st_mtime + next(_LATER)))
    try:
        child = os.fork()
        if not child:
            _in_fork(_module(path), tests)
        return _status(child) != 0
    finally:
        path.write_text(original)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _in_fork(module: str, tests: list[str]) -> NoReturn:
    """Load the module and all that imports it again, run the tests, and exit with their status."""
    status = 1
    try:
        os.setsid()
        sys.dont_write_bytecode = True
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        resource.setrlimit(resource.RLIMIT_CPU, (MOST_WORK, MOST_WORK))
        _forget(lambda name: name.partition(".")[0] == "tests" or module in {name, *reach(name, IMPORTS)})
        ended = _run(tests)
        status = (
            0 if ended == pytest.ExitCode.NO_TESTS_COLLECTED else ended
        )  # all tests of the files are slow
    finally:
        os._exit(status)


def _status(child: int) -> int:
    """The status of a fork. A fork that takes too long is killed, with all that it started."""
    deadline = time.monotonic() + LONGEST
    try:
        while time.monotonic() < deadline:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return status
            time.sleep(0.02)
        os.kill(child, signal.SIGKILL)
        return os.waitpid(child, 0)[1]
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)


def _run(arguments: list[str]) -> int:
    """Run tests in this process, silently."""
    with Path(os.devnull).open("w") as nowhere:
        sys.stdout.flush()
        kept = os.dup(1), os.dup(2)
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
        try:
            return int(pytest.main([*OPTIONS, *arguments]))
        finally:
            os.dup2(kept[0], 1)
            os.dup2(kept[1], 2)


def _forget(chosen: Callable[[str], bool]) -> None:
    """Let Python load the chosen modules again at their next import."""
    for name in [name for name in sys.modules if chosen(name)]:
        package, _, own_name = name.rpartition(".")
        if package in sys.modules:
            vars(sys.modules[package]).pop(own_name, None)  # `from package import module` looks there
        del sys.modules[name]
