"""The image as built by buildah, which needs no Docker engine. Its base is a Debian root made here."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.packaging.commands import serving, succeed
from tests.packaging.dockerfile import only, parse, variables
from tests.support import loopback
from tests.support.agents import ROOT, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

DOCKERFILE = parse((ROOT / "Dockerfile").read_text())
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
# Like the base of the Dockerfile: a `python` whose pip may install into the system. It trusts the authorities
# that this machine trusts.
BASE = f"""\
FROM scratch
ADD root.tar /
RUN rm -f /usr/lib/python3*/EXTERNALLY-MANAGED && ln -sf python3 /usr/bin/python
COPY ca-certificates.crt {CERTIFICATES}
ENV PIP_CERT={CERTIFICATES}
"""


class Image(NamedTuple):
    """What buildah has built: its configuration, and its root file system."""

    config: dict[str, object]
    root: Path


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """Built with the format that keeps HEALTHCHECK."""
    if os.geteuid() != 0 or not shutil.which("buildah") or not shutil.which("mmdebstrap"):
        pytest.skip("needs root, buildah and mmdebstrap (Debian: apt-get install buildah mmdebstrap)")
    folder = tmp_path_factory.mktemp("buildah")
    store = [f"--root={folder}/store", f"--runroot={folder}/run", "--storage-driver=vfs"]

    def buildah(*arguments: str) -> str:
        return succeed(["buildah", *store, *arguments], folder)

    def build(tag: str, file: Path, context: Path) -> None:
        options = ["--isolation=chroot", "--format=docker", f"--tag={tag}", f"--file={file}"]
        buildah("bud", *options, str(context))

    base = folder / "base"
    base.mkdir()
    packages = ["--variant=minbase", "--include=python3,python3-pip", "--dpkgopt=force-unsafe-io"]
    succeed(["mmdebstrap", *packages, "bookworm", "root.tar"], base)
    shutil.copyfile(CERTIFICATES, base / "ca-certificates.crt")
    (base / "Dockerfile").write_text(BASE)
    build("localhost/base", base / "Dockerfile", base)
    ours = (ROOT / "Dockerfile").read_text()
    name = only(DOCKERFILE, "FROM").value
    (folder / "Dockerfile").write_text(ours.replace(f"FROM {name}", "FROM localhost/base"))
    build("localhost/agent", folder / "Dockerfile", ROOT)
    container = buildah("from", "localhost/agent").strip()
    config = json.loads(buildah("inspect", container))["Docker"]["config"]
    root = Path(buildah("mount", container).strip())
    yield Image(config, root)
    buildah("umount", container)


def test_the_image_has_the_configuration_of_the_dockerfile(image: Image) -> None:
    assert image.config["User"] == only(DOCKERFILE, "USER").value
    assert image.config["WorkingDir"] == only(DOCKERFILE, "WORKDIR").value
    assert image.config["Entrypoint"] == only(DOCKERFILE, "ENTRYPOINT").exec_form
    assert isinstance(image.config["Healthcheck"], dict)
    assert image.config["Healthcheck"]["Test"] == ["CMD", *only(DOCKERFILE, "HEALTHCHECK").exec_form]
    assert isinstance(image.config["Env"], list)
    assert {f"{name}={value}" for name, value in variables(DOCKERFILE).items()} <= set(image.config["Env"])


def test_the_image_serves_from_a_read_only_file_system_and_ends_with_status_0(
    image: Image, tmp_path: Path
) -> None:
    user, group = str(image.config["User"]).split(":")
    port = str(free_port())
    environ = dict(entry.split("=", 1) for entry in image.config["Env"])  # type: ignore[attr-defined]  # a list
    entrypoint = " ".join(only(DOCKERFILE, "ENTRYPOINT").exec_form)
    script = f"""
        set -e
        mount --bind {image.root} {image.root}
        mount -t proc proc {image.root}/proc
        mount --bind /dev {image.root}/dev
        mount -o remount,bind,ro {image.root}
        exec chroot {image.root} setpriv --reuid={user} --regid={group} --clear-groups \
            --no-new-privs --bounding-set=-all --inh-caps=-all \
            sh -c 'cd {image.config["WorkingDir"]} && exec {entrypoint} --simulate 2'
    """
    command = ["unshare", "--mount", "--propagation=private", "sh", "-c", script]
    with serving(
        command, tmp_path, f"http://127.0.0.1:{port}", {**environ, "HOST": "127.0.0.1", "PORT": port}
    ) as process:
        assert loopback.get(f"{process.url}/count").json() == {"code": 0, "data": 2}
        status = Path(f"/proc/{process.popen.pid}/status").read_text()
        process.popen.send_signal(signal.SIGTERM)
        assert process.popen.wait(timeout=8) == 0
    assert f"\nUid:\t{user}\t{user}\t{user}\t{user}\n" in status
    assert "\nCapEff:\t0000000000000000\n" in status
