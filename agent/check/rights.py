"""Rights that the agent lacks on this host, and secrets that other users can read."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from agent.check.report import Problem
from agent.readings import Reason
from agent.settings import SECRET_NAMES
from agent.settings.environment import Origin
from agent.settings.token_file import comments_are_tokens, read_token_file
from agent.sources.pid_namespace import is_initial
from agent.sources.processes import hides_processes
from agent.sources.procfs import PROC

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agent.readings import Snapshot
    from agent.settings import Settings
    from agent.settings.environment import Given


def process_rights(*, simulated: bool, proc_root: str = PROC) -> Iterator[Problem]:
    """Whether the agent can see the processes that the driver lists.

    A simulation has processes of its own.
    """
    if simulated:
        return
    if hides_processes(proc_root):
        yield Problem(
            name="proc_hidden",
            level="wrong",
            what="/proc hides the processes of other users (hidepid): their users and commands are unknown",
            todo="mount /proc with gid= a group of the agent's user, or without hidepid; in a systemd unit"
            " see ProtectProc=",
        )
    if not is_initial(proc_root):
        yield Problem(
            name="pid_namespace",
            level="wrong",
            what="The agent has a PID namespace of its own: processes outside it, and their users, are"
            " unknown",
            todo="start the container with --pid=host (compose: pid: host; Kubernetes: hostPID: true)",
        )


def nvml_rights(snapshot: Snapshot) -> Iterator[Problem]:
    """NVML functions that fail for this user with no permission."""
    functions = {
        unknown.function
        for gpu in snapshot.gpus
        for unknown in gpu.values.unknown.values()
        if unknown.reason is Reason.NO_PERMISSION
    }
    if functions:
        yield Problem(
            name="no_permission",
            level="note",
            what=f"The driver refuses this user some values: {', '.join(sorted(functions))}",
            todo="if you need them: some are only for root, others while the module parameter"
            " NVreg_RestrictProfilingToAdminUsers is 1",
        )


def kernel_log_rights(settings: Settings, snapshot: Snapshot) -> Iterator[Problem]:
    """Whether the kernel log can be read, if KERNEL_LOG is on."""
    log = snapshot.kernel_log
    if settings.kernel_log and log is not None and log.error:
        yield Problem(name="kernel_log", level="wrong", what=log.error, todo=log.todo)
    elif log is not None and log.lost_lines:
        yield Problem(
            name="kernel_log_lines_lost",
            level="note",
            what=f"{log.lost_lines} lines of the kernel log were overwritten before they were read",
            todo="see dmesg for what floods it",
        )


def secrets_at_risk(
    settings: Settings, given: Mapping[str, Given], env_file: str | None, *, in_container: bool
) -> Iterator[Problem]:
    """Files with secrets that every user of this machine may read.

    In a container this is only a note: Kubernetes mounts secrets that way, and there are no other users.
    """
    level: Literal["wrong", "note"] = "note" if in_container else "wrong"
    if settings.token_file and is_readable_by_all(settings.token_file):
        yield Problem(
            name="token_file_readable",
            level=level,
            what=f"Every user of this machine may read the tokens in TOKEN_FILE {settings.token_file}",
            todo=f"chmod o-rwx {settings.token_file}",
        )
    if settings.tls_key and is_readable_by_all(settings.tls_key):
        yield Problem(
            name="tls_key_readable",
            level=level,
            what=f"Every user of this machine may read the private key in TLS_KEY {settings.tls_key}",
            todo=f"chmod o-rwx {settings.tls_key}",
        )
    has_secret = any(text.origin is Origin.ENV_FILE and name in SECRET_NAMES for name, text in given.items())
    if env_file and has_secret and is_readable_by_all(env_file):
        yield Problem(
            name="env_file_readable",
            level=level,
            what=f"Every user of this machine may read the secrets in the env file {env_file}",
            todo=f"chmod o-rwx {env_file}",
        )


def tokens_like_comments(settings: Settings) -> Iterator[Problem]:
    """A note if TOKEN_FILE has lines that look like comments, because each of them opens everything."""
    try:
        lines = read_token_file(settings.token_file).comment_lines if settings.token_file else ()
    except ValueError:  # it has changed since the settings were read
        return
    if lines:
        yield Problem(
            name="token_file_comment",
            level="note",
            what=comments_are_tokens(lines),
            todo="delete them, unless clients send them",
        )


def is_readable_by_all(path: str) -> bool:
    """Whether every user may read the file and enter each folder above it."""
    try:
        file = Path(path).resolve()
        return bool(file.stat().st_mode & stat.S_IROTH) and all(
            folder.stat().st_mode & stat.S_IXOTH for folder in file.parents
        )
    except OSError:
        return False


def open_access(settings: Settings) -> Iterator[Problem]:
    """A note if no token is required."""
    if not settings.requires_token:
        yield Problem(
            name="no_token",
            level="note",
            what=f"No token is set: anyone who reaches the {'socket' if settings.uds else 'port'} can read"
            " process command lines and user names",
            todo="set TOKEN, TOKENS or TOKEN_FILE, unless a proxy, a firewall or a folder keeps others away",
        )
