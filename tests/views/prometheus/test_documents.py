"""docs/metrics.md has exactly the families of `/metrics`."""

from __future__ import annotations

import re

import pytest

from agent.readings import GpuSample, GpuState, XidCount
from agent.simulation import Simulation
from agent.sources.gpu import GpuSource
from tests.exact.reading import SNAPSHOT
from tests.support.agents import ROOT
from tests.views.prometheus.test_processes import TRAINING, watched
from tests.views.prometheus.test_prometheus import LABEL, text
from tests.views.samples import snapshot


def documented() -> dict[str, tuple[str, str, set[str]]]:
    """Type, help and labels of each family, as docs/metrics.md has them."""
    page = (ROOT / "docs" / "metrics.md").read_text()
    row = r"^\| `(\w+)` \| (gauge|counter) \| ([^|]*) \| [^|]* \| (.*) \|$"
    return {
        name: (kind, documentation, set(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels, documentation in re.findall(row, page, re.MULTILINE)
    }


def exported(shown: str) -> dict[str, tuple[str, str, set[str]]]:
    """The same of an exposition, with the labels in addition to those of every GPU."""
    families = {}
    for name, documentation, kind in re.findall(
        r"^# HELP (\w+) (.*)\n# TYPE \w+ (\w+)$", shown, re.MULTILINE
    ):
        samples = re.findall(rf"^{name}(\{{.*\}})? ", shown, re.MULTILINE)
        labels = {label.partition("=")[0] for sample in samples for label in re.findall(LABEL, sample)}
        assert samples, f"{name} has no sample"
        families[name] = (kind, documentation, labels - {"uuid", "gpu"})
    return families


def test_the_document_has_exactly_the_families_with_type_help_and_labels() -> None:
    """In this reading every value is known, so every family has a sample."""
    assert exported(text(SNAPSHOT)) == documented(), (
        "docs/metrics.md needs a row for each, as /metrics has it"
    )


def test_every_family_about_gpus_has_the_labels_uuid_and_gpu() -> None:
    about_no_gpu = {name for name in documented() if re.match("nvidia_gpu_(agent|host|user)_", name)}
    shown = text(SNAPSHOT)

    for name in documented().keys() - about_no_gpu:
        samples = re.findall(rf"^{name}(\{{.*\}})? ", shown, re.MULTILINE)
        assert samples
        for sample in samples:
            assert {"uuid", "gpu"} <= {label.partition("=")[0] for label in re.findall(LABEL, sample)}


@pytest.mark.parametrize("scenario", ["healthy", "mig", "sick", "mixed-models"])
def test_every_family_of_each_scenario_is_documented(scenario: str) -> None:
    with Simulation(5, scenario=scenario):
        readings = [GpuSource(index).read() for index in range(5)]
    gpus = [
        GpuSample(index, GpuState.OK, reading, None, 0, 0, seconds=0.1, xids={31: XidCount(1, 0)})
        for index, reading in enumerate(readings)
    ]
    shown = text(snapshot(*gpus)) + text(watched(TRAINING))

    found = exported(shown)
    assert len(found) > 60
    assert {name: documented().get(name) for name in found} == found, "docs/metrics.md needs a row for each"
