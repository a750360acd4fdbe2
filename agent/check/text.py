"""The report as text for people: aligned, without colour, one screen if nothing is wrong."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from typing import TYPE_CHECKING

from agent.server.plain_text import plain
from agent.settings.environment import Origin

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from agent.check.report import Driver, Gpu, Host, Port, Problem, Report, RunningAgent, Setting
    from agent.views.health import HealthFinding

WIDTH = 110  # columns
LABEL = 10  # columns of it
_OUTCOMES = {"well": "all is well", "wrong": "something is wrong", "settings": "the settings are wrong"}
_PORTS = {
    "free": "is free",
    "agent": "an agent with these settings answers there",
    "other": "is in use by something else",
    "unusable": "cannot be listened on",
    "unknown": "gave no answer in time",
}
# Reasons that a check with two samples always has; they are not a problem.
_PASSING = frozenset({"needs_two_samples", "nothing_is_remembered"})


def text_of(report: Report) -> str:
    """The report as lines; control characters are shown as visible escapes."""
    return "".join(f"{plain(line)}\n" for line in _lines(report))


def _lines(report: Report) -> Iterator[str]:
    yield f"nvidia-smi-web-agent {report.version}: {_OUTCOMES[report.outcome]} ({report.seconds:.1f} s)"
    yield ""
    yield from _settings(report.settings, report.env_file)
    if report.driver is not None:
        yield from _driver(report.driver, simulated=report.simulated)
    yield from _gpus(report.gpus)
    if report.host is not None:
        yield from _host(report.host)
    if report.port is not None:
        yield from _port(report.port)
    if report.agent is not None:
        yield from _agent(report.agent)
    if report.problems:
        yield ""
    for problem in sorted(report.problems, key=lambda problem: problem.level == "note"):
        yield from _problem(problem)


def _settings(settings: Iterable[Setting], env_file: str | None) -> Iterator[str]:
    """Grouped by origin: values that were set come first, settings without a value last."""
    by_origin: dict[str, list[str]] = defaultdict(list)
    for setting in settings:
        is_set = setting.value or setting.origin is not Origin.DEFAULT
        text = f"{setting.name}={setting.value}" if is_set else setting.name
        by_origin[setting.origin if is_set else "not set"].append(text)
    yield from _entry("settings", f"env file: {env_file or 'none'}")
    for origin in (Origin.ARGUMENT, Origin.ENVIRONMENT, Origin.ENV_FILE, Origin.DEFAULT, "not set"):
        if by_origin[origin]:
            yield from _entry("", f"{origin}: {' '.join(by_origin[origin])}")


def _driver(driver: Driver, *, simulated: bool) -> Iterator[str]:
    if driver.error is not None:
        yield from _entry("driver", driver.error)
        return
    versions = (driver.version, driver.cuda_version, driver.nvml_version)
    programs = ("", "CUDA", "NVML")
    names = [f"{name} {version or 'unknown'}" for name, version in zip(programs, versions, strict=True)]
    count = "1 GPU" if driver.gpu_count == 1 else f"{driver.gpu_count} GPUs"
    yield from _entry("driver", f"{', '.join(names).strip()}; {count}{', SIMULATED' * simulated}")


def _gpus(gpus: list[Gpu]) -> Iterator[str]:
    rows = [
        (gpu.state, gpu.verdict or "unknown", gpu.name or "-", gpu.uuid or "-", _unknown(gpu)) for gpu in gpus
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for gpu, row in zip(gpus, rows, strict=True):
        cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"{f'gpu {gpu.idx}'.ljust(LABEL)}{cells}".rstrip()
        yield from _findings(gpu.findings)


def _unknown(gpu: Gpu) -> str:
    """How many values are unknown, by reason."""
    counts = [f"{len(names)} {reason}" for reason, names in gpu.unknown.items() if reason not in _PASSING]
    words = ", ".join(dict.fromkeys(gpu.failed.values()))
    return f"unknown: {', '.join(counts) or 'nothing'}{words and f' ({words})'}"


def _host(host: Host) -> Iterator[str]:
    parts = [
        f"{host.hostname or 'of unknown name'}, {host.verdict or 'verdict unknown'}",
        *["in a container"] * host.in_container,
        f"checked as uid {host.uid}",
        f"{'any number of' if host.open_files is None else host.open_files} files may be open",
    ]
    yield from _entry("host", "; ".join(parts))
    yield from _findings(host.findings)


def _port(port: Port) -> Iterator[str]:
    yield from _entry("port", f"{port.address} {_PORTS[port.state]}".replace(" an agent", ": an agent"))


def _agent(agent: RunningAgent) -> Iterator[str]:
    if agent.gpus is None:
        yield from _entry("agent", f"{agent.url} did not report its GPUs")
        return
    states = ", ".join(sorted({gpu.state for gpu in agent.gpus})) or "none"
    yield from _entry("agent", f"{agent.url} is version {agent.version}; {len(agent.gpus)} GPUs: {states}")


def _problem(problem: Problem) -> Iterator[str]:
    yield from _entry(problem.level, problem.what)
    if problem.todo is not None:
        yield from _entry("", f"-> {problem.todo}")


def _findings(findings: Iterable[HealthFinding]) -> Iterator[str]:
    for finding in findings:
        yield from _entry("", f"{finding.verdict}: {finding.what}")
        yield from _entry("", f"-> {finding.todo}")


def _entry(label: str, text: str) -> Iterator[str]:
    """A label and its text, wrapped between blanks."""
    yield from textwrap.wrap(
        text,
        WIDTH,
        initial_indent=label.ljust(LABEL),
        subsequent_indent=" " * (LABEL + 2),
        break_long_words=False,
        break_on_hyphens=False,
    )
