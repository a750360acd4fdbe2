"""The steps of a Dockerfile, executed without a Docker engine.

They run in a copy of this machine's root file system that keeps its changes in memory (overlayfs) and that
only its own mount namespace sees. A virtual environment replaces the base image. Needs root. All changes are
removed at the end.
"""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import tarfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.packaging.commands import run, serving
from tests.packaging.dockerfile import IMAGE_PATH, Instruction, context, only, variables

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator, Mapping

    from tests.support.agents import Process

BASE = "/opt/base-image"  # in the temporary root: the folder with `python` and `pip` of the base image
MOUNT = """
set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/changes" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/changes,workdir=$1/work" "$1/root"
mount --rbind /proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
echo mounted
exec cat
"""


@dataclass
class Image:
    """The image that the steps have built. `holder` is the process that keeps the mount namespace."""

    dockerfile: list[Instruction]
    folder: Path
    holder: subprocess.Popen[str]

    @property
    def environ(self) -> dict[str, str]:
        return {"PATH": f"{BASE}/bin:{IMAGE_PATH}", **variables(self.dockerfile)}

    @property
    def workdir(self) -> str:
        return only(self.dockerfile, "WORKDIR").value

    def enter(self, *unshare: str) -> list[str]:
        """The start of a command line, the rest of which runs in the image."""
        return [
            *("nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt"),
            *("unshare", *unshare, f"--root={self.folder}/root", f"--wd={self.workdir}"),
        ]

    def drop_privileges(self) -> list[str]:
        """The start of a command line that becomes USER, with the restrictions of the compose file."""
        user, group = only(self.dockerfile, "USER").value.split(":")
        return [
            *("setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups"),
            *("--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"),
        ]

    def as_root(self, *command: str, stdin: bytes = b"", environ: Mapping[str, str] | None = None) -> None:
        """Run one build step."""
        step = subprocess.run(  # noqa: S603  from our own Dockerfile
            [*self.enter(), *command],
            input=stdin,
            env=environ or self.environ,
            capture_output=True,
            check=False,
        )
        assert step.returncode == 0, f"{command}\n{(step.stdout + step.stderr).decode()}"

    def as_user(self, *command: str) -> str:
        """The output of a command that USER runs in WORKDIR."""
        finished = run([*self.enter(), *self.drop_privileges(), *command], self.folder, **self.environ)
        assert (finished.returncode, finished.stderr) == (0, "")
        return finished.stdout

    @contextmanager
    def running(self, *arguments: str, own_pids: bool, **environ: str) -> Iterator[Container]:
        """Run ENTRYPOINT with these arguments as USER, in its own process namespace or the host's."""
        own = ("--pid", "--fork", "--kill-child", "--mount-proc") if own_pids else ()
        entrypoint = only(self.dockerfile, "ENTRYPOINT").exec_form
        command = [*self.enter(*own), *self.drop_privileges(), *entrypoint, *arguments]
        prefix = f"/{environ['URL_PREFIX']}" if "URL_PREFIX" in environ else ""
        url = f"http://127.0.0.1:{environ['PORT']}{prefix}"
        whole = {**self.environ, **environ}
        with serving(command, self.folder.parent, url, whole) as process:
            outer = psutil.Process(process.popen.pid)
            main = outer.children()[0] if own_pids else outer
            try:
                yield Container(self, process, main, whole)
            finally:
                with contextlib.suppress(psutil.NoSuchProcess):
                    main.kill()  # --kill-child has no effect after the change of user


@dataclass
class Container:
    """A running container."""

    image: Image
    process: Process
    main: psutil.Process
    environ: dict[str, str]

    @property
    def url(self) -> str:
        return self.process.url

    def _status(self, name: str) -> str:
        lines = Path(f"/proc/{self.main.pid}/status").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith(f"{name}:"))

    @property
    def pid_inside(self) -> int:
        return int(self._status("NSpid").split()[-1])

    @property
    def user_ids(self) -> set[int]:
        return {int(uid) for uid in self._status("Uid").split()}

    @property
    def capabilities(self) -> int:
        return int(self._status("CapEff"), 16) | int(self._status("CapBnd"), 16)

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command like `docker exec` and HEALTHCHECK: same namespaces, same user, same environment."""
        enter = ["nsenter", f"--target={self.main.pid}", "--mount", "--pid", "--root", "--wd"]
        return run([*enter, *self.image.drop_privileges(), *command], self.image.folder, **self.environ)

    def signal(self, number: signal.Signals) -> None:
        self.main.send_signal(number)

    def wait(self, timeout: float) -> int:
        """The exit status; TimeoutExpired after `timeout` seconds."""
        return self.process.popen.wait(timeout)


@contextmanager
def build(dockerfile: list[Instruction], root: Path, folder: Path) -> Iterator[Image]:
    """Execute FROM, COPY and RUN in the empty `folder`. Skips if this machine does not permit it."""
    mounted = folder / "mounted"
    mounted.mkdir()
    holder = subprocess.Popen(  # noqa: S603  the script above
        ["unshare", "--mount", "--propagation=private", "sh", "-c", MOUNT, "sh", str(mounted)],  # noqa: S607
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert holder.stdin
    assert holder.stdout
    try:
        if (said := holder.stdout.readline()) != "mounted\n":
            pytest.skip(f"no throwaway root file system here: {said}")
        image = Image(dockerfile, mounted, holder)
        _from(image)
        for instruction in dockerfile:
            _execute(image, instruction, root)
        yield image
    finally:
        holder.stdin.close()
        holder.wait()


def _from(image: Image) -> None:
    """Make a Python without packages, of the version of the base image if this machine has it."""
    python = _python(only(image.dockerfile, "FROM").value.removeprefix("python:").partition("-")[0])
    plain = [*image.enter()[:-1], "--wd=/"]  # WORKDIR does not exist yet
    closed = [
        str(path) for path in python.parents if not path.stat().st_mode & 1
    ]  # closed to other users, like /root
    for command in (
        ["chmod", "a+x", *closed, "/"],
        [str(python), "-m", "venv", BASE],
        ["mkdir", "-p", image.workdir],
    ):
        finished = run([*plain, *command], image.folder, PATH=IMAGE_PATH)
        assert finished.returncode == 0, f"{command}\n{finished.stdout}{finished.stderr}"


def _python(version: str) -> Path:
    """The interpreter of that version, or the one that runs the tests."""
    name = f"python{version}"
    pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/{name}"))
    for candidate in [*pyenv, Path("/usr/bin") / name, Path("/usr/local/bin") / name]:
        if candidate.exists():
            return candidate.resolve()
    return Path(sys.executable).resolve()


def _execute(image: Image, instruction: Instruction, root: Path) -> None:
    match instruction.name:
        case "RUN":
            image.as_root("sh", "-c", instruction.value)
        case "COPY":
            source, target = instruction.value.split()
            image.as_root("mkdir", "-p", target)
            image.as_root("tar", "-x", "-C", target, stdin=_packed(root, source))


def _packed(root: Path, source: str) -> bytes:
    """The files in a tar archive as COPY takes them: a file by its name, a folder without its name."""
    base = root / source if (root / source).is_dir() else root
    files = context(root, source) if (root / source).is_dir() else [Path(source)]
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for file in files:
            archive.add(root / file, (root / file).relative_to(base))
    return packed.getvalue()
