"""Any wrong input gets an envelope that says what was wrong, and never a 500 or a traceback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.http.web import BUILD
from tests.http.wire import error_in, exchange, request
from tests.support import loopback
from tests.support.agents import agent_process
from tests.support.endpoints import PATHS, STRICT, TAKING_IDX, WITH_END

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.support.agents import Process

NUMBERS = "accepted: numbers joined by commas, as in 0,1"
OF_FREE = "count, exclude_users, format, max_utilization, mig, min_free_memory, model, wait"
OF_PROCESS = "Invalid process: it should be 'C', 'G', 'NA' or ''"
TWICE = "Invalid GPU index: idx is given more than once, it takes a list: idx=0,1"


@pytest.fixture(scope="module")
def agent() -> Iterator[Process]:
    """A separate agent process with eight GPUs. At the end its log must contain no traceback."""
    with agent_process("--simulate", "8") as agent:
        yield agent
        assert "Traceback" not in agent.log
        assert agent.stop() == 0


@pytest.fixture(scope="module")
def client(agent: Process) -> Iterator[httpx.Client]:
    """A client of that agent."""
    with loopback.Client(base_url=agent.url) as client:
        yield client


@pytest.mark.parametrize("path", TAKING_IDX)
@pytest.mark.parametrize(
    ("query", "error"),
    [
        pytest.param("idx=9", "Invalid GPU index: idx=9; the indices of this host: 0 to 7", id="beyond"),
        pytest.param("idx=0,9,8", "Invalid GPU index: idx=8; the indices of this host: 0 to 7", id="mixed"),
        pytest.param("idx=-1", f"Invalid GPU index: idx='-1'; {NUMBERS}", id="negative"),
        pytest.param("idx=a", f"Invalid GPU index: idx='a'; {NUMBERS}", id="letter"),
        pytest.param("idx=1,,2", f"Invalid GPU index: idx='1,,2'; {NUMBERS}", id="gap"),
        pytest.param("idx=,", f"Invalid GPU index: idx=','; {NUMBERS}", id="only a comma"),
        pytest.param("idx=1.0", f"Invalid GPU index: idx='1.0'; {NUMBERS}", id="fraction"),
        pytest.param("idx=0x1", f"Invalid GPU index: idx='0x1'; {NUMBERS}", id="hexadecimal"),
        pytest.param("idx=1_0", f"Invalid GPU index: idx='1_0'; {NUMBERS}", id="underscore"),
        pytest.param("idx=%2B1", f"Invalid GPU index: idx='+1'; {NUMBERS}", id="sign"),
        pytest.param("idx=1%202", f"Invalid GPU index: idx='1 2'; {NUMBERS}", id="blank within"),
        pytest.param("idx=%D9%A1", f"Invalid GPU index: idx='\u0661'; {NUMBERS}", id="arabic digit"),
        pytest.param("idx=%C2%B2", f"Invalid GPU index: idx='²'; {NUMBERS}", id="superscript"),
        pytest.param("idx=%00", f"Invalid GPU index: idx='\\x00'; {NUMBERS}", id="NUL"),
        pytest.param(
            "idx=%ED%A0%80", f"Invalid GPU index: idx='\ufffd\ufffd\ufffd'; {NUMBERS}", id="surrogate"
        ),
        pytest.param("idx=%FF%FE", f"Invalid GPU index: idx='\ufffd\ufffd'; {NUMBERS}", id="no UTF-8"),
        pytest.param("idx=%", f"Invalid GPU index: idx='%'; {NUMBERS}", id="a lone percent sign"),
        pytest.param(
            "idx=%0A1%0D%0AX:y", f"Invalid GPU index: idx='\\n1\\r\\nX:y'; {NUMBERS}", id="line ends"
        ),
        pytest.param(
            "idx=9999999999",
            "Invalid GPU index: idx=9999999999; the indices of this host: 0 to 7",
            id="ten digits",
        ),
        pytest.param(
            "idx=" + "9" * 5000, f"Invalid GPU index: idx='{'9' * 80}'; {NUMBERS}", id="5000 digits"
        ),
        pytest.param("idx=0&idx=1", TWICE, id="given twice"),
        pytest.param("idx=0&idx=0", TWICE, id="the same twice"),
        pytest.param("idx=&%69dx=", TWICE, id="twice, spelled differently"),
    ],
)
def test_a_wrong_idx_is_code_1_and_named_in_the_error(
    client: httpx.Client, path: str, query: str, error: str
) -> None:
    """This includes the stream: while there is a driver, an unknown GPU is an error of the client."""
    response = client.get(f"{path}?{query}")
    assert (400, error) == (response.status_code, error_in(response))


@pytest.mark.parametrize(
    ("query", "indices"),
    [
        pytest.param("", range(8), id="none"),
        pytest.param("idx=", range(8), id="empty"),
        pytest.param("idx=%20", range(8), id="blank"),
        pytest.param("idx=3", [3], id="one"),
        pytest.param("idx=5,1", [1, 5], id="two, any order"),
        pytest.param("idx=%201%20,%092%20", [1, 2], id="blanks around"),
        pytest.param("idx=2,2,%202", [2], id="repeats"),
        pytest.param("idx=007", [7], id="leading zeros"),
    ],
)
def test_idx_selects_the_listed_gpus(client: httpx.Client, query: str, indices: list[int]) -> None:
    """Only the selected devices are listed, but the count is that of the host."""
    data = client.get(f"/status?{query}").json()["data"]
    assert (8, list(indices)) == (data["count"], [device["idx"] for device in data["devices"]])
    body = client.get(f"/gpu?{query}").json()
    assert (8, list(indices)) == (body["gpu_count"], [gpu["id"] for gpu in body["gpus"]])


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("/status?process=X", f"{OF_PROCESS}, got 'X'"),
        (f"/status?process={'c' * 500}", f"{OF_PROCESS}, got '{'c' * 80}'"),
        ("/status?process=c", f"{OF_PROCESS}, got 'c'"),
        ("/status?process=C%00", f"{OF_PROCESS}, got 'C\\x00'"),
        ("/status?process=C&process=G", "Invalid process: it is given 2 times, it takes one value"),
        ("/status?mig=2", "Invalid mig: it should be 0, 1, false or true, got '2'"),
        ("/processes?idle=2", "Invalid idle: it should be 0, 1, false or true, got '2'"),
        ("/processes?idle=yes", "Invalid idle: it should be 0, 1, false or true, got 'yes'"),
        ("/processes?idle=1&idle=1", "Invalid idle: it is given 2 times, it takes one value"),
        ("/processes?user=a&user=b", "Invalid user: it is given 2 times, it takes one value"),
        ("/users?x=1&x=2", "Unknown parameter: 'x'; accepted: none"),
        ("/free?min_free_memry=20GiB", f"Unknown parameter: 'min_free_memry'; accepted: {OF_FREE}"),
        ("/processes?idx=0&IDX=1", "Unknown parameter: 'IDX'; accepted: idle, idx, pid, user"),
        ("/processes?idx%20=0", "Unknown parameter: 'idx '; accepted: idle, idx, pid, user"),
        ("/history?=", "Unknown parameter: ''; accepted: fields, idx, seconds"),
        ("/status?mig=yes", "Invalid mig: it should be 0, 1, false or true, got 'yes'"),
        (
            "/gpu/stream?interval=0.1",
            "Invalid interval: it should be greater than or equal to 0.5, got '0.1'",
        ),
        ("/gpu/stream?interval=-1", "Invalid interval: it should be greater than or equal to 0.5, got '-1'"),
        ("/gpu/stream?interval=61", "Invalid interval: it should be less than or equal to 60, got '61'"),
        ("/gpu/stream?interval=nan", "Invalid interval: it should be a finite number, got 'nan'"),
        ("/gpu/stream?interval=inf", "Invalid interval: it should be a finite number, got 'inf'"),
        ("/gpu/stream?interval=-inf", "Invalid interval: it should be a finite number, got '-inf'"),
        ("/gpu/stream?interval=1e999", "Invalid interval: it should be a finite number, got '1e999'"),
        (
            "/gpu/stream?interval=x",
            "Invalid interval: it should be a valid number, unable to parse string as a number, got 'x'",
        ),
        ("/gpu/stream?interval=1&interval=1", "Invalid interval: it is given 2 times, it takes one value"),
        ("/status?mig=1&mig=1&mig=1", "Invalid mig: it is given 3 times, it takes one value"),
        ("/gpu/stream?api_key=a&api_key=b", "Invalid api_key: it is given 2 times, it takes one value"),
        (f"/users?{'n' * 500}", f"Unknown parameter: '{'n' * 80}'; accepted: none"),
        (
            "/status?process=X&mig=2",
            (
                "Invalid process: it should be 'C', 'G', 'NA' or '', got 'X'; "
                "Invalid mig: it should be 0, 1, false or true, got '2'"
            ),
        ),
    ],
    ids=lambda text: text[:40] if text.startswith("/") else "",
)
def test_the_error_of_a_wrong_parameter_has_its_value_and_the_accepted_values(
    client: httpx.Client, target: str, error: str
) -> None:
    """All faults of a request are reported at once."""
    response = client.get(target)
    assert (400, error) == (response.status_code, error_in(response))


@pytest.mark.parametrize("target", ["/status?process=", "/status?mig=", "/status?process=&mig=0&idx="])
def test_an_empty_parameter_has_no_effect(client: httpx.Client, target: str) -> None:
    """Forms send empty fields too."""
    assert [*range(8)] == [device["idx"] for device in client.get(target).json()["data"]["devices"]]


@pytest.mark.parametrize(("off", "on"), [("", "1"), ("0", "true"), ("false", "True"), ("False", "1")])
@pytest.mark.parametrize("parameter", ["/gpu?detail", "/status?mig", "/processes?idle"])
def test_a_boolean_parameter_is_accepted_in_each_notation_of_clients(
    client: httpx.Client, parameter: str, off: str, on: str
) -> None:
    """Generated clients write true, Python's requests writes True, and people write 1."""
    path = parameter.partition("?")[0]
    assert shape(client, f"{parameter}={off}") == shape(client, path)
    assert shape(client, f"{parameter}={on}") == shape(client, f"{parameter}=1")
    has_effect = shape(client, f"{parameter}=1") != shape(client, path)
    assert has_effect is (path != "/status"), "only there nothing differs, because no GPU has instances"


def shape(client: httpx.Client, target: str) -> tuple[int, int]:
    """A short description of an answer, which shows whether the parameter had an effect."""
    response = client.get(target)
    answer = response.json()
    rows = answer.get("data", {}).get("processes", [])
    return response.status_code, len(rows) + ("detail" in answer.get("gpus", [{}])[0])


@pytest.mark.parametrize("path", [path for path in WITH_END if path not in STRICT])
@pytest.mark.parametrize("query", ["_=17&%00=%FF", "x=1&x=2", "IDX=a", "="])
def test_an_unknown_parameter_is_ignored(client: httpx.Client, path: str, query: str) -> None:
    """Clients append cache busters and tracking parameters."""
    assert client.get(path).status_code == client.get(f"{path}?{query}").status_code == 200


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        pytest.param(b"/nope", "/nope", id="plain"),
        pytest.param(b"/gpus", "/gpus", id="longer than a path of ours"),
        pytest.param(b"/redoc", "/redoc", id="redoc"),
        pytest.param(b"/status//", "/status//", id="two slashes at the end"),
        pytest.param(b"/status%0A", "/status\n", id="line end"),
        pytest.param(b"/gpu/stream%0A", "/gpu/stream\n", id="line end after the stream"),
        pytest.param(b"/docs%0A", "/docs\n", id="line end after an open path"),
        pytest.param(b"/%00", "/\x00", id="NUL"),
        pytest.param(b"/%ED%A0%80", "/\ufffd\ufffd\ufffd", id="surrogate"),
        pytest.param(b"/%FF", "/\ufffd", id="no UTF-8"),
        pytest.param(b"/static-offline-docs/%00", "/static-offline-docs/\x00", id="NUL in a file's name"),
        pytest.param(
            b"/static-offline-docs/../core.py", "/static-offline-docs/../core.py", id="out of the folder"
        ),
        pytest.param(
            b"/static-offline-docs/%2e%2e/core.py",
            "/static-offline-docs/../core.py",
            id="out of the folder, encoded",
        ),
        pytest.param(b"/static-offline-docs//etc/passwd", "/static-offline-docs//etc/passwd", id="root"),
        pytest.param(b"/static-offline-docs", "/static-offline-docs", id="a folder"),
        pytest.param(
            b"/static-offline-docs/" + b"n" * 999, "/static-offline-docs/" + "n" * 999, id="long name"
        ),
    ],
)
def test_an_unknown_path_is_404(agent: Process, target: bytes, shown: str) -> None:
    """The error has the path as the agent decoded it."""
    reply = request(agent.url, target)
    sentence = f"No such path: {shown}; /docs, under URL_PREFIX if one is set, lists the paths"
    assert (404, sentence) == (reply.status, reply.error)


METHODS = [b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE"]


@pytest.mark.parametrize("path", [*PATHS, "/static-offline-docs/swagger-ui.css", f"/web/{BUILD}/page.js"])
@pytest.mark.parametrize("method", METHODS, ids=bytes.decode)
def test_a_wrong_method_is_405_with_the_allowed_methods(agent: Process, method: bytes, path: str) -> None:
    """The request has a body here, which must not matter."""
    reply = request(agent.url, path.encode(), b"Content-Length: 2", b"", b"{}", method=method)
    assert reply.status == 405
    allowed = reply.headers["allow"]
    assert f"{method.decode()} is not allowed at {path}; it takes {allowed}" == reply.error
    assert "GET" in allowed.split(", ")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "header",
    [
        pytest.param(b"X-Anything: \xff\xfe\xc3\xa9", id="a header of no interest"),
        pytest.param(b"Accept: \xe9", id="Accept"),
        pytest.param(b"Origin: \xe9", id="Origin"),
        pytest.param(b"Cookie: \x80", id="Cookie"),
        pytest.param(b"X-API-Key: \xe9", id="X-API-Key"),
        pytest.param(b"Authorization: \xff\xfe", id="Authorization"),
        pytest.param(b"Authorization: Bearer \xed\xa0\x80", id="Authorization, a surrogate"),
        pytest.param(b"Authorization:", id="Authorization, empty"),
    ],
)
def test_header_bytes_outside_ascii_do_not_change_the_status(
    agent: Process, path: str, header: bytes
) -> None:
    """An open agent does not use these headers. The wrong interval ends the stream."""
    target = f"{path}?interval=0".encode()
    assert request(agent.url, target).status == request(agent.url, target, header).status < 500


@pytest.mark.parametrize(
    ("bytes_sent", "status"),
    [
        pytest.param(b"GET /status?\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="raw bytes in the query"),
        pytest.param(b"GET /st\xe9 HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="raw bytes in the path"),
        pytest.param(b"GET /status\x00 HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="raw NUL in the path"),
        pytest.param(b"GET /status HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n", 400, id="raw NUL in a header"),
        pytest.param(b"get /status HTTP/1.1\r\nHost: a\r\n\r\n", 400, id="method in small letters"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, id="a TLS hello"),
        pytest.param(
            b"GET /count?" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, id="a long query"
        ),
        pytest.param(
            b"GET /count HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", 431, id="a long header"
        ),
    ],
)
def test_bytes_that_are_not_a_valid_request_get_an_envelope(
    agent: Process, bytes_sent: bytes, status: int
) -> None:
    """The connection is closed afterwards."""
    reply = exchange(agent.url, bytes_sent)
    assert status == reply.status
    assert reply.error


@pytest.mark.parametrize(
    ("query", "status"),
    [
        pytest.param("&".join(f"{n:x}" for n in range(1500)), 200, id="1500 parameters"),
        pytest.param("&" * 8000, 200, id="8000 ampersands"),
        pytest.param("idx=" + ",".join(["0"] * 3000), 200, id="3000 times the same index"),
        pytest.param("idx=" + "%00" * 2500, 400, id="2500 NULs"),
        pytest.param("&".join(["idx=1"] * 1300), 400, id="1300 times idx"),
    ],
)
def test_a_query_just_below_the_maximum_length_is_answered(
    client: httpx.Client, query: str, status: int
) -> None:
    """The limit is 8 KiB."""
    assert status == client.get(f"/status?{query}").status_code
