"""Files whose size others control are read in one module, up to a maximum. A search of the code checks this.

psutil reads files of /proc to their end, and any local user can stretch the command line of a process to
hundreds of megabytes.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
FILES = sorted(path.relative_to(ROOT) for path in [*(ROOT / "agent").rglob("*.py"), ROOT / "main.py"])

# Functions of psutil that read system files, whose length no user controls. None of a process: name(),
# cmdline(), environ(), open_files() and their kind read to the end, process_iter() lists every process.
PSUTIL = {
    "Error",
    "cpu_count",
    "cpu_freq",
    "cpu_times",
    "disk_io_counters",  # /proc/diskstats: no user makes a block device
    # The mounts of our own namespace, which do not include those of users' namespaces; fusermount allows a
    # user a thousand mounts.
    "disk_partitions",
    "disk_usage",
    "sensors_temperatures",
    "virtual_memory",
}
# Device, GpuProcess and HostProcess of nvitop use psutil for processes.
NVITOP = {"NA", "libnvml"}
READER = Path("agent/sources/procfs.py")
# The other modules that open files, and their calls.
OPENS = {
    Path("agent/settings/token_file.py"): {"open", "fdopen"},  # TOKEN_FILE, up to a maximum size
    Path("agent/settings/environment.py"): {"read_text"},  # .env
    Path("agent/sources/pod_names.py"): {"scandir"},  # folders of the kubelet, the first of their entries
    Path("agent/simulation/replay/document.py"): {"open"},  # the replayed document, up to a maximum size
    Path("agent/sources/kernel_log.py"): {"open"},  # /dev/kmsg, a record at a time
    Path("agent/http/web.py"): {"iterdir", "read_text"},  # the page's own files
    Path("agent/sources/pci.py"): {"scandir"},  # /sys, up to a maximum number
    Path("agent/server/file_shortage.py"): {"open"},  # /dev/null
    Path("agent/server/listener.py"): {"open"},  # the folder of the Unix socket, for a lock
    Path("agent/server/single_worker.py"): {"iterdir"},  # of OWN
    Path("agent/state/file.py"): {"open"},  # the file in STATE_DIR, whose content SQLite reads
    Path("agent/state/folder.py"): {"open", "read_bytes"},  # STATE_DIR itself, and of OWN
    Path("agent/state/store.py"): {"open"},  # STATE_DIR
    Path("main.py"): {"open"},  # /dev/null
}
OWN = {
    "/proc/self/fd",  # the agent's own descriptors, as many as its own limit allows
    "/proc/self/mountinfo",  # the mounts of its own namespace, as with disk_partitions above
}
FILE_CALLS = {
    "open",
    "fdopen",
    "read_text",
    "read_bytes",
    "scandir",
    "listdir",
    "iterdir",
    "glob",
    "rglob",
    "walk",
}
OF_PROC = re.compile(r"/proc(/|$)")


def violations(code: str, file: Path = Path("agent/x.py")) -> list[str]:
    """One sentence for each forbidden use in a file."""
    nodes = list(ast.walk(ast.parse(code)))
    docstrings = {
        node.value for node in nodes if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    attributes = {node.value for node in nodes if isinstance(node, ast.Attribute)}
    found: list[str] = []
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Attribute):
            wrong = list(_libraries(node))
        elif isinstance(node, ast.Constant | ast.Call) and node not in docstrings and file != READER:
            wrong = list(_files(node, file))
        elif isinstance(node, ast.Name) and node.id == "psutil" and node not in attributes:
            wrong = ["hands psutil on"]
        else:
            continue
        found += [f"{file}:{node.lineno}: {what}" for what in wrong]
    return found


def _libraries(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.ImportFrom(module="psutil"):
            yield "takes something out of psutil"
        case ast.ImportFrom(module=str(module), names=names) if module.partition(".")[0] == "nvitop":
            if not {alias.name for alias in names} <= NVITOP:
                yield f"takes more of {module} than {NVITOP}"
        case ast.Import(names=names):
            for alias in names:
                if alias.name.startswith("nvitop") or (alias.name.startswith("psutil") and alias.asname):
                    yield f"imports {alias.name}"
        case ast.Attribute(value=ast.Name(id="psutil"), attr=attribute) if attribute not in PSUTIL:
            yield f"uses psutil.{attribute}"


def _files(node: ast.AST, file: Path) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)) if OF_PROC.match(text) and text not in OWN:
            yield f"names {text}"
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in FILE_CALLS:
            if name not in OPENS.get(file, set()):
                yield f"reads files by {name}()"


def test_only_one_module_reads_files_whose_size_others_control() -> None:
    found = [one for file in FILES for one in violations((ROOT / file).read_text(), file)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "code",
    [
        "import psutil\npsutil.Process(1).name()",
        "import psutil\nfor process in psutil.process_iter(): pass",
        "from psutil import Process",
        "import psutil as ps",
        "import psutil\ngetattr(psutil, 'Process')",
        "from nvitop import Device",
        "import nvitop",
        "from nvitop.api import libnvml, HostProcess",
        "open('/x')",
        "Path('x').read_text()",
        "os.open(path, 0)",
        "os.listdir(path)",
        "Path(path, 'fd').iterdir()",
        "root = '/proc'",
        "path = f'/proc/{pid}/cmdline'",
    ],
)
def test_the_check_refuses_each_unbounded_read(code: str) -> None:
    assert violations(code)


def test_the_check_finds_the_reader_itself() -> None:
    assert READER in FILES
    assert violations((ROOT / READER).read_text()), "the calls of the reader are refused in any other file"
