"""The outcome of a check: one object with the same keys each time."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from agent.settings.environment import Origin
from agent.views.health import HealthFinding, Verdict

Outcome = Literal["well", "wrong", "settings"]
EXIT_STATUS: dict[Outcome, int] = {"well": 0, "wrong": 1, "settings": 2}


class Problem(BaseModel):
    """One problem that is not a finding about the GPUs or the host."""

    name: str = Field(description="name of the problem for programs, as in token_file_readable")
    level: Literal["wrong", "note"] = Field(description="note: only information, the exit status stays 0")
    what: str = Field(description="what is wrong")
    todo: str | None = Field(description="what to do; null: `what` says it")


class Setting(BaseModel):
    """One setting; if the settings are wrong, its text as given."""

    name: str = Field(description="name of the setting")
    value: str = Field(description="its value in force; empty: not set; *** for a secret")
    origin: Origin = Field(description="argument, environment, env file or default")


class Driver(BaseModel):
    """The NVIDIA driver as a whole."""

    version: str | None = Field(description="version of the driver")
    cuda_version: str | None = Field(description="newest CUDA that the driver supports")
    nvml_version: str | None = Field(description="version of the NVML library")
    gpu_count: int | None = Field(description="GPUs that the driver counts; null: no contact")
    error: str | None = Field(description="why there is no contact with the driver, and what to do")


class Gpu(BaseModel):
    """One GPU, as in /gpu?detail=1."""

    idx: int = Field(description="NVML index")
    uuid: str | None = Field(description="NVML UUID")
    name: str | None = Field(description="product name")
    state: str = Field(description="ok, asleep, stale, stuck, lost or starting")
    error: str | None = Field(description="why the GPU could not be read")
    verdict: Verdict | None = Field(description="verdict on its health; null: not known")
    findings: list[HealthFinding] = Field(description="all reasons of the verdict, the worst first")
    unknown: dict[str, list[str]] = Field(description="names of the values that are null, by reason")
    failed: dict[str, str] = Field(description="the driver's error for each name under failed")


class Host(BaseModel):
    """The host without its GPUs."""

    hostname: str | None = Field(description="name of the host")
    verdict: Verdict | None = Field(description="verdict on whether all its GPUs are there; null: not known")
    findings: list[HealthFinding] = Field(description="all reasons of the verdict, the worst first")
    in_container: bool = Field(description="whether this is a container")
    uid: int = Field(description="uid that runs the check; rights are those of this user")
    open_files: int | None = Field(description="maximum number of open files; null: no limit")


class Port(BaseModel):
    """The address to listen on."""

    address: str = Field(description="HOST:PORT, or the path of UDS")
    state: Literal["free", "agent", "other", "unusable", "unknown"] = Field(
        description="free; agent: one with these settings answers there; other: something else listens there;"
        " unusable: it cannot be listened on; unknown: no answer in time"
    )
    error: str | None = Field(description="error of the attempt to listen there or to query it")


class RunningGpu(BaseModel):
    """One GPU, as a running agent reports it."""

    idx: int = Field(description="NVML index")
    uuid: str | None = Field(description="NVML UUID")
    state: str = Field(description="whether its values are live, old or missing")
    verdict: str | None = Field(description="how well it is")
    reasons: list[str] = Field(description="everything that is wrong with it")


class RunningAgent(BaseModel):
    """The agent of --url."""

    url: str = Field(description="where it was asked")
    version: str | None = Field(description="version of the agent; null: it did not report it")
    simulated: bool | None = Field(description="whether its GPUs are simulated; null: it did not report it")
    gpus: list[RunningGpu] | None = Field(description="its GPUs; null: it did not report them")
    error: str | None = Field(description="why the values of that agent are unknown")


class Report(BaseModel):
    """Everything that a check found."""

    version: str = Field(description="version of the agent that is installed here")
    outcome: Outcome = Field(
        description="well, wrong, or settings: a setting is wrong, and nothing else was checked"
    )
    exit_status: int = Field(description="0 well, 1 wrong, 2 settings")
    seconds: float = Field(description="time that the check took")
    simulated: bool = Field(description="whether the GPUs are simulated")
    env_file: str | None = Field(description="path of the env file that was read")
    settings: list[Setting] = Field(description="every setting")
    driver: Driver | None = Field(description="the driver as a whole; null: the settings are wrong")
    gpus: list[Gpu] = Field(description="every GPU that the driver counts")
    host: Host | None = Field(description="the host without its GPUs; null: the settings are wrong")
    port: Port | None = Field(description="the address to listen on; null: the settings are wrong")
    agent: RunningAgent | None = Field(
        description="the agent of --url; null: no --url, or the settings are wrong"
    )
    problems: list[Problem] = Field(description="problems and notes in addition to the findings")


def is_wrong(driver: Driver, gpus: list[Gpu], host: Host, problems: list[Problem]) -> bool:
    """Whether anything is wrong, so that the exit status is not 0."""
    return (
        driver.error is not None
        or bool(host.findings)
        or any(gpu.findings for gpu in gpus)
        or any(problem.level == "wrong" for problem in problems)
    )
