"""The comparison with a running agent reports differences, and each failure in one sentence."""

from __future__ import annotations

import ssl
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from agent import __version__
from agent.check.report import Gpu, RunningAgent
from agent.check.running import agent_url, differences, query_agent
from tests.check.checking import check
from tests.server.test_probe import answering
from tests.support.agents import agent_process, agent_server, free_port, hung_agent_server
from tests.support.certificates import made_certificate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.simulation import Simulation

PATIENCE = 30.0  # seconds; a test ends earlier when the answer arrives


def check_agent(url: str, token: str | None = None) -> RunningAgent:
    return query_agent(url, token, time.monotonic() + PATIENCE)


def same_gpus(agent: RunningAgent) -> list[Gpu]:
    """The GPUs of the agent, as a check would find them."""
    return [
        Gpu(
            idx=gpu.idx,
            uuid=gpu.uuid,
            name=None,
            state="ok",
            error=None,
            verdict="healthy",
            findings=[],
            unknown={},
            failed={},
        )
        for gpu in agent.gpus or []
    ]


def names_of_differences(agent: RunningAgent, gpus: list[Gpu], *, simulated: bool = False) -> list[str]:
    return [problem.name for problem in differences(agent, gpus, simulated=simulated)]


@contextmanager
def http_server(answers: dict[str, bytes], context: ssl.SSLContext | None = None) -> Iterator[str]:
    """The URL of another program, which answers these paths."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answers.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            """Logs nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, name="other program", daemon=True)
        thread.start()
        try:
            yield f"{'https' if context else 'http'}://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.usefixtures("simulation")
def test_an_agent_with_the_same_results_is_no_problem() -> None:
    with agent_server(URL_PREFIX="lab", TOKEN="hunter2") as url:  # noqa: S106  made up
        agent = check_agent(f"{url}/lab", "hunter2")
    assert (agent.version, agent.simulated, agent.error) == (__version__, False, None)
    assert agent.gpus is not None
    assert [(gpu.idx, gpu.state, gpu.verdict) for gpu in agent.gpus] == [
        (idx, "ok", "healthy") for idx in range(8)
    ]
    assert names_of_differences(agent, same_gpus(agent)) == []
    assert names_of_differences(agent, same_gpus(agent), simulated=True) == ["agent_simulated"]


@pytest.mark.usefixtures("simulation")
def test_a_wrong_or_missing_token_is_reported_without_being_shown() -> None:
    with agent_server(TOKEN="hunter2") as url:  # noqa: S106  made up
        wrong, missing = check_agent(url, "hunter3"), check_agent(url)
    assert wrong.error == f"{url} refuses the token of these settings"
    assert missing.error == f"{url} requires a token, and these settings have none"
    assert (wrong.version, wrong.gpus) == (__version__, None), "the version needs no token"
    assert names_of_differences(wrong, []) == ["agent_silent"]


def test_other_gpus_are_reported_unless_their_uuid_is_unknown(
    simulation: Simulation,
) -> None:
    simulation.gpus[1].lose()
    with agent_server() as url:
        agent = check_agent(url)
    assert agent.gpus is not None
    names = [f"GPU-{idx}" if idx == 2 else f"{gpu.uuid}" for idx, gpu in enumerate(agent.gpus)]
    names[1] = "GPU-1"
    gpus = [gpu.model_copy(update={"uuid": names[gpu.idx]}) for gpu in same_gpus(agent)][:7]
    (other,) = differences(agent, gpus, simulated=False)
    assert other.what.startswith(
        f"{url} has 8 GPUs and this check finds 7; 2 differ: GPU 2 is {agent.gpus[2].uuid}, and here GPU-2"
    )


def test_a_different_gpu_state_is_reported(simulation: Simulation) -> None:
    with agent_server(SAMPLE_INTERVAL="0.5") as url:
        first = check_agent(url)
        simulation.gpus[1].lose()
        deadline = time.monotonic() + PATIENCE
        while (agent := check_agent(url)).gpus == first.gpus and time.monotonic() < deadline:
            pass
    assert [problem.what for problem in differences(agent, same_gpus(first), simulated=False)] == [
        f"GPU 1 is lost at {url}, and ok here"
    ]


def test_a_finding_that_only_the_agent_has_is_reported(simulation: Simulation) -> None:
    simulation.gpus[3].error_counters.remapping_pending = True
    with agent_server() as url:
        agent = check_agent(url)
    (finding,) = differences(agent, same_gpus(agent), simulated=False)
    assert finding.name == "agent_finding"
    assert finding.what == f"{url} says of GPU 3: A faulty row of memory is remapped at the next reset"


@pytest.mark.usefixtures("simulation")
def test_an_agent_of_another_version_is_reported() -> None:
    with agent_server() as url:
        agent = check_agent(url).model_copy(update={"version": "0.0.9"})
    (version,) = differences(agent, same_gpus(agent), simulated=False)
    assert version.what == f"{url} is version 0.0.9, and here {__version__} is installed"


def test_an_agent_whose_driver_hangs_is_reported_in_its_own_words(simulation: Simulation) -> None:
    simulation.hang()
    with hung_agent_server() as url:
        agent = check_agent(url)
    simulation.release()
    assert (
        agent.error
        == f"{url} answered 503 to /gpu: The NVIDIA driver has not answered yet; try again in a second"
    )


@pytest.mark.slow
def test_anything_that_is_not_an_agent_is_reported_in_one_sentence() -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    assert check_agent(nobody).error == f"{nobody} cannot be reached: [Errno 111] Connection refused"
    with http_server({}) as url:
        assert (
            check_agent(url).error
            == f"{url} answered 404 to /openapi.json; is this the agent, with its URL_PREFIX?"
        )
    with http_server({"/openapi.json": b'{"info":{"title":"Pet store","version":"1"}}'}) as url:
        assert check_agent(url).error == f"{url} is another program: 'Pet store'"
    for junk in (b"<html>", b"[" * 100_000, b'{"info":{}}'):
        with http_server({"/openapi.json": junk}) as url:
            assert check_agent(url).error == f"{url} sent an answer that is not an agent's"
    with answering(b"SSH-2.0-OpenSSH\r\n") as port:
        url = f"http://127.0.0.1:{port}"
        assert check_agent(url).error == f"{url} does not answer in HTTP (BadStatusLine); is it https://?"
        url = f"https://127.0.0.1:{port}"
        assert str(check_agent(url).error).startswith(f"{url} does not speak TLS properly: ")


def test_a_token_that_an_error_answer_repeats_is_masked() -> None:
    body = b'{"error":"hunter2 is not one of ours"}'
    with answering(b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)) as port:
        url = f"http://127.0.0.1:{port}"
        agent = check_agent(url, "hunter2")
    assert agent.error == f"{url} answered 403 to /openapi.json: *** is not one of ours"


@pytest.mark.slow
def test_a_certificate_that_is_not_trusted_is_reported_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = made_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.both)
    with http_server({"/openapi.json": b"{}"}, context) as url:
        assert check_agent(url).error == (
            f"{url} has a certificate that is not trusted here: self-signed certificate"
            " (SSL_CERT_FILE may name a file of more authorities)"
        )
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.certificate))
        assert check_agent(url).error == f"{url} sent an answer that is not an agent's"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://gpu01:8000", "http://gpu01:8000"),
        ("https://gpu.example.org/server1/", "https://gpu.example.org/server1"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
    ],
)
def test_the_url_of_an_agent_may_have_a_prefix(text: str, url: str) -> None:
    assert agent_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "gpu01:8000",
        "ftp://gpu01",
        "http://",
        "http://a b",
        "http://a/?x",
        "http://a#x",
        "http://u:p@a",
        "http://a\n",
    ],
)
def test_any_other_url_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="it must be http://HOST") as refused:
        agent_url(text)
    assert str(refused.value) == (
        "it must be http://HOST[:PORT][/PREFIX] or https://…, without credentials or query"
    )


OLD = "import agent; agent.__version__ = '0.0.9'; import main; main.run()"


@pytest.mark.slow
def test_a_real_agent_of_another_version_with_other_gpus_is_reported() -> None:
    arguments = ("--simulate", "2", "--scenario", "mixed-models")
    with agent_process(*arguments, program=("-c", OLD), TOKEN="hunter2") as agent:  # noqa: S106  made up
        found = check(
            *("--simulate", "4", "--json", "--url", agent.url),
            HOST="127.0.0.1",
            PORT=str(free_port()),
            TOKEN="hunter2",  # noqa: S106  made up
        )
    assert (found.status, found.log) == (1, "")
    assert {"agent_version", "agent_gpus"} <= found.problems.keys()
    assert "hunter" not in found.output
