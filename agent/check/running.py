"""Compares the findings of this check with those of a running agent."""

from __future__ import annotations

import http.client
import ssl
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, TypeAdapter, ValidationError

from agent import __version__
from agent.check.report import Problem, RunningAgent, RunningGpu

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.check.report import Gpu

NAME = "nvidia-smi-web-agent"
TIMEOUT = 4.0  # seconds for each step of a request
MAX_BYTES = 16 * 1024**2
MAX_REASON = 200  # characters of another program's answer that are shown
PAUSE = 0.25  # seconds until an agent whose GPUs are still starting is asked again

Shape = TypeVar("Shape", bound=BaseModel)


class Refused(Exception):
    """The agent gave no answer; the text continues a sentence that starts with its address."""


class _Info(BaseModel):
    title: str
    version: str


class _Document(BaseModel):
    """/openapi.json, which every version has."""

    info: _Info


class _Health(BaseModel):
    verdict: str | None = None
    reasons: list[str] = []


class _Gpu(BaseModel):
    id: int
    uuid: str | None = None
    state: str = "ok"
    health: _Health = _Health()


class _Gpus(BaseModel):
    """The part of /gpu that every version has."""

    simulated: bool = False
    gpus: list[_Gpu]


class _Envelope(BaseModel):
    """The envelope of every failing answer."""

    error: str


def agent_url(text: str) -> str:
    """The address of an agent, without a slash at its end. Raises ValueError, without the text: see below."""
    try:
        parts = urlsplit(text)
        is_clean = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_clean = False
    # A user name, a password or an API key in it would be shown.
    if not is_clean or "@" in text or "?" in text or "#" in text or not text.isprintable() or " " in text:
        raise ValueError("it must be http://HOST[:PORT][/PREFIX] or https://…, without credentials or query")
    return text.rstrip("/")


def query_agent(url: str, token: str | None, deadline: float) -> RunningAgent:
    """The answer of the agent at `url`, or why there is none; by `deadline` on the monotonic clock.

    `url` is as `agent_url` gives it. `token` is sent there; redirects are not followed.
    """
    version: str | None = None
    try:
        version = _version(url)
        while True:
            answer = _read(_Gpus, _get(url, "/gpu", token))
            waits = any(gpu.state == "starting" for gpu in answer.gpus)
            if not waits or time.monotonic() + PAUSE >= deadline:
                break
            time.sleep(PAUSE)
    except Refused as error:
        reason = str(error).replace(token, "***") if token else str(error)  # the answer may repeat the token
        return RunningAgent(url=url, version=version, simulated=None, gpus=None, error=f"{url} {reason}")
    gpus = [
        RunningGpu(
            idx=gpu.id, uuid=gpu.uuid, state=gpu.state, verdict=gpu.health.verdict, reasons=gpu.health.reasons
        )
        for gpu in answer.gpus
    ]
    return RunningAgent(url=url, version=version, simulated=answer.simulated, gpus=gpus, error=None)


def _version(url: str) -> str:
    info = _read(_Document, _get(url, "/openapi.json")).info
    if info.title != NAME:
        raise Refused(f"is another program: {info.title[:MAX_REASON]!r}")
    return info.version


def silent_agent(url: str) -> RunningAgent:
    """An agent that has not answered in time."""
    error = f"{url} gave no complete answer within the time of this check"
    return RunningAgent(url=url, version=None, simulated=None, gpus=None, error=error)


def _get(url: str, path: str, token: str | None = None) -> bytes:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT)
    try:
        connection.request("GET", parts.path + path, headers={"Authorization": token} if token else {})
        response = connection.getresponse()
        body = response.read(MAX_BYTES)
    except ssl.SSLCertVerificationError as error:
        raise Refused(
            f"has a certificate that is not trusted here: {error.verify_message}"
            " (SSL_CERT_FILE may name a file of more authorities)"
        ) from error
    except ssl.SSLError as error:
        raise Refused(f"does not speak TLS properly: {error.reason}; is it http://?") from error
    except TimeoutError as error:
        raise Refused(f"gave no answer within {TIMEOUT:g} s") from error
    except (http.client.HTTPException, ConnectionResetError) as error:
        raise Refused(f"does not answer in HTTP ({type(error).__name__}); is it https://?") from error
    except (OSError, ValueError) as error:
        raise Refused(f"cannot be reached: {' '.join(str(error).split())[:MAX_REASON]}") from error
    finally:
        connection.close()
    if response.status == HTTPStatus.UNAUTHORIZED:
        raise Refused(
            "refuses the token of these settings"
            if token
            else "requires a token, and these settings have none"
        )
    if response.status != HTTPStatus.OK:
        raise Refused(f"answered {response.status} to {path}{_reason(body)}")
    return body


def _reason(body: bytes) -> str:
    try:
        return f": {_Envelope.model_validate_json(body).error[:MAX_REASON]}"
    except ValidationError:
        return "; is this the agent, with its URL_PREFIX?"


def _read(shape: type[Shape], body: bytes) -> Shape:
    try:
        return TypeAdapter(shape).validate_json(body)
    except ValidationError:
        raise Refused("sent an answer that is not an agent's") from None


def differences(agent: RunningAgent, gpus: list[Gpu], *, simulated: bool) -> Iterator[Problem]:
    """Where the running agent and this check differ, and findings that only the agent has."""
    if agent.error is not None:
        yield Problem(name="agent_silent", level="wrong", what=agent.error, todo=None)
    if agent.version not in (None, __version__):
        yield Problem(
            name="agent_version",
            level="wrong",
            what=f"{agent.url} is version {agent.version}, and here {__version__} is installed",
            todo="restart it after an upgrade, or check with its own installation",
        )
    if agent.gpus is None:
        return
    if agent.simulated != simulated:
        here, there = ("simulated", "real") if simulated else ("real", "simulated")
        yield Problem(
            name="agent_simulated",
            level="wrong",
            what=f"{agent.url} has {there} GPUs, and here they are {here}",
            todo="run the check with or without --simulate, as the agent",
        )
        return
    yield from _other_gpus(agent.url, agent.gpus, gpus)
    here_by_uuid = {gpu.uuid: gpu for gpu in gpus if gpu.uuid is not None}
    for gpu in agent.gpus:
        if gpu.uuid in here_by_uuid:
            yield from _other_state(agent.url, gpu, here_by_uuid[gpu.uuid])


def _other_gpus(url: str, there: list[RunningGpu], here: list[Gpu]) -> Iterator[Problem]:
    """Indices with different GPUs; a GPU whose UUID is unknown on either side may be the same."""
    names_there = {gpu.idx: gpu.uuid for gpu in there}
    names_here = {gpu.idx: gpu.uuid for gpu in here}
    differing = [
        idx
        for idx in sorted({*names_there, *names_here})
        if idx not in names_there
        or idx not in names_here
        or (None not in (names_there[idx], names_here[idx]) and names_there[idx] != names_here[idx])
    ]
    if not differing:
        return
    idx = differing[0]
    example = f"GPU {idx} is {names_there.get(idx, 'not there')}, and here {names_here.get(idx, 'not there')}"
    yield Problem(
        name="agent_gpus",
        level="wrong",
        what=f"{url} has {len(there)} GPUs and this check finds {len(here)}; {len(differing)} differ:"
        f" {example}",
        todo="see whether it runs on this host, and which GPUs its container is given; else restart it",
    )


def _other_state(url: str, there: RunningGpu, here: Gpu) -> Iterator[Problem]:
    if _rough(there.state) != _rough(here.state):
        yield Problem(
            name="agent_state",
            level="wrong",
            what=f"GPU {there.idx} is {there.state} at {url}, and {here.state} here",
            todo="check again; if it persists, restart the agent",
        )
    elif there.reasons and not here.findings:
        yield Problem(
            name="agent_finding",
            level="wrong",
            what=f"{url} says of GPU {there.idx}: {'; '.join(there.reasons)}",
            todo="the agent has run for longer than this check: see its /status for what to do",
        )


def _rough(state: str) -> str:
    """`stale` counts as `ok`: a late reading is not a difference."""
    return "ok" if state == "stale" else state
