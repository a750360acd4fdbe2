"""The totals of all hosts: unknown is neither 0 nor healthy; modules of the page in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agent.simulation import Simulation
from tests.page.opened import UNKNOWN, opened
from tests.support.agents import agent_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

# For hosts as in fleet.js: the counts of the bar, whether each host's are known, and the line of sums.
TOTALS = """async (hosts) => {
    const script = document.querySelector("script[type=module]").src;
    const part = (name) => import(new URL(`${name}.js`, script));
    const [{ fleet, isLive }, { troubles, tellsAll }, { busy, counts, isTold, totals }] =
        await Promise.all(["fleet", "troubles", "totals"].map(part));
    const none = { summary: null, heardAt: null, lookedAt: null, fault: null };
    fleet.hosts = hosts.map((host, place) => ({
        ...none, name: `${place}`, url: `/${place}/`, ...host,
        heardAt: host.summary ? performance.now() : null,
    }));
    const live = fleet.hosts.filter(isLive);
    const gpus = live.flatMap(({ summary }) => summary.gpus);
    return {
        counts: { ...counts(gpus, troubles()), busy: busy(gpus) },
        told: fleet.hosts.map(isTold),
        mutes: fleet.hosts.map(({ url }) => tellsAll(url)),
        totals: Object.fromEntries(totals(live, gpus).map(([name, value]) => [name, value])),
    };
}"""


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    with Simulation(1), agent_server() as url, opened(browser, f"{url}/") as opened_page:
        yield opened_page


def gpu(**values: Any) -> dict[str, Any]:
    known = {"idx": 0, "verdict": "healthy", "reason": None, "todo": None, "free": True, "users": []}
    sizes = {"memory_used_mb": 1024, "memory_total_mb": 2048, "power_watts": 1000, "utilization_percent": 50}
    return {**known, **sizes, **values}


def host(*gpus: dict[str, Any], verdict: str | None = "healthy") -> dict[str, Any]:
    return {"summary": {"host": {"verdict": verdict, "reason": None, "todo": None}, "gpus": gpus}}


WELL, UNHEARD, DOWN = host(gpu()), {"summary": None}, {"summary": None, "fault": "It is silent"}


@pytest.mark.parametrize(
    ("hosts", "trouble", "down", "busy"),
    [
        pytest.param([WELL, WELL], [0, 0], [0, 0], [0, 0], id="all heard"),
        pytest.param([UNHEARD, UNHEARD], None, None, None, id="none heard"),
        pytest.param([WELL, UNHEARD, UNHEARD], *[[0, "2 hosts unknown"]] * 3, id="one heard"),
        pytest.param([WELL, DOWN], [1, 0], [1, 0], [0, "1 host unknown"], id="one down"),
        pytest.param(
            [WELL, host(gpu(verdict=None, users=None))],
            [0, "1 host unknown"],
            [0, 0],
            [0, "1 host unknown"],
            id="a verdict and users unknown",
        ),
    ],
)
def test_each_count_shows_the_number_of_unknown_hosts(
    page: Page, hosts: list[Any], trouble: list[Any] | None, down: list[Any] | None, busy: list[Any] | None
) -> None:
    counts = page.evaluate(TOTALS, hosts)["counts"]
    assert (counts["trouble"], counts["down"], counts["busy"]) == (trouble, down, busy)


def test_a_host_without_a_verdict_does_not_count_as_healthy_and_ends_no_mute(page: Page) -> None:
    """A host that is down is known to have a fault, and ends no mute either."""
    hosts = [WELL, host(gpu(), verdict=None), host(gpu(verdict=None)), UNHEARD, DOWN]
    known = page.evaluate(TOTALS, hosts)
    assert known["told"] == [True, False, False, False, True]
    assert known["mutes"] == [True, False, False, False, False]


def test_a_sum_shows_the_number_of_gpus_with_an_unknown_value(page: Page) -> None:
    hosts = [host(gpu(), gpu(idx=1, power_watts=None, memory_used_mb=None), gpu(idx=2, power_watts=None))]
    totals = {
        name: value.replace("\xa0", " ") for name, value in page.evaluate(TOTALS, hosts)["totals"].items()
    }
    assert totals["Power"] == "1.0 kW, 2 unknown"
    assert totals["Memory"] == "2.0 GiB of 6.0 GiB, 1 unknown"
    assert totals["Utilization"] == "50 %"
    assert page.evaluate(TOTALS, [host(gpu(power_watts=None))])["totals"]["Power"] == UNKNOWN
