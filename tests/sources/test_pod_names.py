"""Names of pods, from the log folders of the kubelet."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.readings import Belonging
from agent.sources import pod_names
from agent.sources.pod_names import PodNames
from agent.sources.side_thread import SideThread
from tests.sources.fake_proc import FakeProc, read, reader_of
from tests.support.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence
    from pathlib import Path

RENEW_SECONDS = (
    10.0  # the least time between two listings of the folders, which only an unknown pod or container causes
)

T = TypeVar("T")

UID = "57e67067-9a4e-4a8b-a5a3-4a2c3f0e7a11"
STATIC_UID = "0123456789abcdef0123456789abcdef"
ONE, OTHER = "a" * 64, "b" * 64


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Slow(SideThread):
    """A thread that returns all but the last value, as at a deadline."""

    is_slow = False

    def read(self, key: Hashable, reads: Iterator[T]) -> list[T]:
        found = super().read(key, reads)
        return found[:-1] if self.is_slow else found


def kubelet(root: Path, pods: Sequence[str] = (), containers: Sequence[str] = ()) -> PodNames:
    """`pods`: NAMESPACE_POD_UID/CONTAINER; `containers`: names of links, whose target need not exist."""
    for pod in pods:
        (root / "pods" / pod).mkdir(parents=True)
    (root / "containers").mkdir(exist_ok=True)
    for container in containers:
        (root / "containers" / container).symlink_to("/nowhere")
    return PodNames(str(root), SideThread())


def test_at_most_8192_entries_of_a_folder_are_read() -> None:
    assert pod_names.MAX_ENTRIES == 8192


def test_one_of_two_containers_is_unnamed_without_their_ids(tmp_path: Path) -> None:
    names = kubelet(tmp_path, [f"ml_train-0_{UID}/{container}" for container in ("one", "two")])

    named = names.with_names(Belonging(ONE, pod_uid=UID))

    assert (named.pod_name, named.container_name) == ("train-0", None)


@pytest.mark.parametrize(
    ("belonging", "expected"),
    [
        pytest.param(Belonging(ONE, pod_uid=UID), ("ml", "train-0", "trainer"), id="one of two containers"),
        pytest.param(Belonging(OTHER, pod_uid=UID), ("ml", "train-0", "log-shipper"), id="the other"),
        pytest.param(Belonging("c" * 64, pod_uid=UID), ("ml", "train-0", None), id="one whose log is gone"),
        pytest.param(Belonging(pod_uid=UID), ("ml", "train-0", None), id="the pod alone"),
        pytest.param(
            Belonging("c" * 64, pod_uid=STATIC_UID),
            ("kube-system", "nvidia.device-plugin", "plugin"),
            id="a static pod with one container",
        ),
        pytest.param(Belonging(ONE), (None, None, None), id="a container of no pod"),
        pytest.param(Belonging("web", "web"), (None, None, "web"), id="LXC"),
        pytest.param(Belonging(pod_uid=UID.replace("5", "6")), (None, None, None), id="an unknown pod"),
    ],
)
def test_a_pod_and_its_container_are_named(
    tmp_path: Path, belonging: Belonging, expected: tuple[str | None, ...]
) -> None:
    names = kubelet(
        tmp_path,
        [
            f"ml_train-0_{UID}/trainer",
            f"ml_train-0_{UID}/log-shipper",
            f"kube-system_nvidia.device-plugin_{STATIC_UID}/plugin",
        ],
        [f"train-0_ml_trainer-{ONE}.log", f"train-0_ml_log-shipper-{OTHER}.log"],
    )
    named = names.with_names(belonging)
    assert (named.pod_namespace, named.pod_name, named.container_name) == expected
    assert (named.pod_uid, named.container_id) == (belonging.pod_uid, belonging.container_id)


@pytest.mark.parametrize("root", ["", "nowhere"])
def test_without_the_folders_a_pod_has_only_its_uid(tmp_path: Path, root: str) -> None:
    belonging = Belonging(ONE, pod_uid=UID)
    assert PodNames(root and str(tmp_path / root), SideThread()).with_names(belonging) is belonging


def test_names_that_a_kubelet_cannot_give_are_skipped(tmp_path: Path) -> None:
    names = kubelet(
        tmp_path,
        [f"ml_{name}_{UID}/trainer" for name in ("Train", "a_b", "-a", "\u202egnp")],
        [f"train_ml_x-{ONE}.txt", f"train_ml_x-{ONE[1:]}.log", f"train_x-{ONE}.log"],
    )
    belonging = Belonging(ONE, pod_uid=UID)
    assert names.with_names(belonging) == belonging


@settings(max_examples=30, deadline=None)
@given(st.text(min_size=1, max_size=30).filter(lambda text: "/" not in text and "\0" not in text))
def test_a_pod_name_is_a_dns_name_or_unknown(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    root = tmp_path_factory.mktemp("logs")
    try:
        names = kubelet(root, [f"ml_{name}_{UID}/trainer"])
    except (OSError, UnicodeError):
        return  # no name of a file
    named = names.with_names(Belonging(pod_uid=UID)).pod_name
    assert named in (None, name)
    assert named is None or (named.isascii() and not set(named) & set(" _\\\"'\n\x1b"))


def test_a_new_pod_is_looked_for_at_most_every_ten_seconds(tmp_path: Path, clock: Clock) -> None:
    names = PodNames(str(tmp_path), SideThread(), clock=clock)
    pod = Belonging(pod_uid=UID)
    assert names.with_names(pod).pod_name is None
    kubelet(tmp_path, [f"ml_train-0_{UID}/trainer"])
    clock.now += RENEW_SECONDS / 2
    assert names.with_names(pod).pod_name is None
    clock.now += RENEW_SECONDS / 2
    assert names.with_names(pod).pod_name == "train-0"


def test_names_stay_known_when_the_folders_disappear(tmp_path: Path, clock: Clock) -> None:
    kubelet(tmp_path, [f"ml_train-0_{UID}/trainer"])
    names = PodNames(str(tmp_path), SideThread(), clock=clock)
    names.with_names(Belonging(pod_uid=UID))
    (tmp_path / "pods").rename(tmp_path / "gone")
    clock.now += RENEW_SECONDS
    assert names.with_names(Belonging(pod_uid=STATIC_UID)).pod_name is None
    assert names.with_names(Belonging(pod_uid=UID)).pod_name == "train-0"


def test_names_stay_known_when_the_folders_hang(tmp_path: Path, clock: Clock) -> None:
    """Also if some names were read before the hang."""
    kubelet(tmp_path, [f"ml_train-0_{UID}/trainer"], [f"train-0_ml_trainer-{ONE}.log"])
    beside = Slow()
    names = PodNames(str(tmp_path), beside, clock=clock)
    pod = Belonging(ONE, pod_uid=UID)
    assert names.with_names(pod).container_name == "trainer"
    beside.is_slow = True
    clock.now += RENEW_SECONDS
    names.with_names(Belonging(pod_uid=STATIC_UID))
    assert names.with_names(pod).container_name == "trainer"


def test_a_container_that_a_pod_starts_itself_does_not_get_the_name_of_the_pod_s_own(tmp_path: Path) -> None:
    """For example by Docker in a pod: the kubelet does not know it."""
    names = kubelet(tmp_path, [f"ml_ci_{UID}/docker"], [f"ci_ml_docker-{ONE}.log"])
    named = [names.with_names(Belonging(container, pod_uid=UID)) for container in (ONE, OTHER)]
    assert [(one.pod_name, one.container_name) for one in named] == [("ci", "docker"), ("ci", None)]


def test_a_recreated_pod_takes_no_name_from_the_pod_before(tmp_path: Path, clock: Clock) -> None:
    """It has the same name and another UID, and the folder of the old pod still exists."""
    kubelet(tmp_path, [f"ml_train-0_{UID}/old"], [f"train-0_ml_old-{ONE}.log"])
    names = PodNames(str(tmp_path), SideThread(), clock=clock)
    names.with_names(Belonging(ONE, pod_uid=UID))
    new_uid = UID.replace("5", "6")
    (tmp_path / "containers" / f"train-0_ml_old-{ONE}.log").unlink()
    (tmp_path / "pods" / f"ml_train-0_{new_uid}/new").mkdir(parents=True)
    (tmp_path / "containers" / f"train-0_ml_new-{OTHER}.log").symlink_to("/nowhere")
    clock.now += RENEW_SECONDS
    assert names.with_names(Belonging(OTHER, pod_uid=new_uid)).container_name == "new"


def test_a_process_of_a_pod_is_described_with_its_names(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "proc").mkdir()
    proc = FakeProc(tmp_path / "proc")
    proc.write()
    proc.say(b"python3\0train.py\0")
    folder = f"kubepods-burstable-pod{UID.replace('-', '_')}.slice"
    (proc.root / "42/cgroup").write_text(f"0::/kubepods.slice/{folder}/cri-containerd-{ONE}.scope\n")
    kubelet(tmp_path, [f"ml_train-0_{UID}/trainer"], [f"train-0_ml_trainer-{ONE}.log"])

    belonging = read(reader_of(proc, clock, pod_logs=str(tmp_path))).belonging

    assert belonging == Belonging(ONE, "trainer", UID, "train-0", "ml")
