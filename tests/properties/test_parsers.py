"""Every parser accepts any input: it returns a value, or raises the documented error."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, unquote_plus

from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from agent.derive.sizes import UNITS, parse_bytes
from agent.http.authentication import Authentication
from agent.http.errors import InvalidRequest
from agent.http.middleware import AllowedHosts
from agent.http.parameters import parse_indices, refuse_repeated_parameters, select
from agent.http.tokens import Tokens
from agent.readings import GpuSample, GpuState
from agent.routes import ENDPOINTS, gpu
from agent.routes.free import the_wish
from agent.server.logs import redacted
from agent.settings import Settings, SettingsError, documented
from agent.settings.environment import read_env_file
from agent.settings.token_file import read_token_file
from agent.sources.attempt import UNREADABLE
from agent.sources.command_line import clean, command_text, full_name, parse_cmdline
from agent.sources.procfs import PAGE_BYTES, Content, Stat, parse_resident_bytes, parse_stat, parse_uid
from tests.http.wire import A_TOKEN, error_of
from tests.properties import PROPERTY
from tests.support.endpoints import OPEN, OPEN_FOLDERS, STREAM

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    import pytest
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BYTES = 2**63 - 1
MAX_COMMAND = 4096  # characters; every answer repeats a command for each GPU
MAX_FILE_NAME = 255  # bytes; limits.h: NAME_MAX

T = TypeVar("T")

# Input of a person or an attacker: any text, and text that looks similar to accepted input.
ODD_TEXT = st.text(max_size=40) | st.text("019.,-_/*:[]@%+&=?;#\\'\" aAeEnNxX\t\n\0é", max_size=20)
HOST_NAME = (
    st.lists(st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True), min_size=1, max_size=4)
    .map(".".join)
    .filter(lambda name: not name.replace(".", "").isdigit())  # four numbers are an address
)
IP_ADDRESS = st.ip_addresses().map(lambda address: f"[{address}]" if address.version == 6 else str(address))
# Its frame distinguishes it from text that is there by chance.
SECRET = st.text("abcXYZ019-._~!*' +/=", min_size=1, max_size=12).map("q7{}7q".format)
HEX = "0123456789abcdef"
SETTINGS = {row.name: row for row in documented()}


def finished(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError("the coroutine waits for something")


def result_or_error(work: Callable[[], T], expected: type[Exception]) -> tuple[T | None, str]:
    """The result, or the sentence of the expected error; any other error is raised."""
    try:
        return work(), ""
    except expected as error:
        return None, str(error)


async def welcome(_scope: Scope, _receive: Receive, send: Send) -> None:
    """An app that answers 200 to everything."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def answer(
    app: ASGIApp, path: str, headers: Iterable[tuple[bytes, bytes]] = (), query: bytes = b""
) -> tuple[int, bytes]:
    """Status and body of the answer of this app."""
    sent: list[Message] = []

    async def nothing() -> Message:
        raise AssertionError("the body of a request is not needed")

    async def send(message: Message) -> None:
        sent.append(message)

    async def send_request() -> None:
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "root_path": "",
            "headers": list(headers),
            "query_string": query,
        }
        await app(scope, nothing, send)

    finished(send_request())
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


# Settings


def as_text(value: object) -> str:
    """The value of a setting as text for the environment."""
    match value:
        case bool():
            return str(value).lower()
        case float():
            return format(Decimal(repr(value)), "f")
        case tuple():
            return ",".join(value)
        case _:
            return str(value)


@PROPERTY
@given(st.sampled_from(sorted(SETTINGS)), ODD_TEXT)
def test_a_setting_is_accepted_or_refused_by_name(name: str, text: str) -> None:
    """An accepted value means the same when it is written as text and read again."""
    settings, error = result_or_error(lambda: Settings.from_mapping({name: text}), SettingsError)
    if settings is None:
        assert error.startswith(f"{name} is ")
        assert "; accepted: " in error
    else:
        value = getattr(settings, name.lower())
        assert settings == Settings.from_mapping({name: as_text(value)})


@PROPERTY
@given(st.dictionaries(st.sampled_from(sorted(SETTINGS)), ODD_TEXT))
def test_every_invalid_setting_is_reported_at_once(environ: dict[str, str]) -> None:
    """Each sentence is the one that the setting would have alone."""

    def faults(given: dict[str, str]) -> set[str]:
        try:
            Settings.from_mapping(given)
        except SettingsError as error:
            return set(error.faults)
        return set()

    alone: set[str] = set()
    for name, text in environ.items():
        together_only = {"SIMULATE_SCENARIO", "METRICS_TOKEN"} & {name}
        alone |= set() if together_only else faults({name: text})
    assert alone <= faults(environ)


@PROPERTY
@given(st.integers(-10, 10**11))
def test_whole_numbers_are_accepted_only_within_their_range(number: int) -> None:
    for name, low, high in (("PORT", 1, 65535), ("MAX_STREAMS", 1, 100_000), ("EXPECTED_GPUS", 0, 128)):
        try:
            settings = Settings.from_mapping({name: str(number)})
        except SettingsError:
            assert not low <= number <= high
        else:
            assert low <= number <= high
            assert getattr(settings, name.lower()) == number


@PROPERTY
@given(st.decimals(-1, 70, places=4))
def test_numbers_are_accepted_only_within_their_range(number: Decimal) -> None:
    try:
        settings = Settings.from_mapping({"SAMPLE_INTERVAL": f"{number:f}"})
    except SettingsError:
        assert not Decimal("0.5") <= number <= 60
    else:
        assert settings.sample_interval == float(number)


@PROPERTY
@given(
    SECRET,
    st.sampled_from(["", "\n", "\x7f", "€", " "]),
    st.sampled_from(["TOKEN", "TOKENS", "API_KEY", "API_KEYS"]),
)
def test_a_secret_shows_in_no_error_and_no_repr(secret: str, flaw: str, name: str) -> None:
    environ = {name: secret + flaw, "PORT": "0" if flaw else "1"}
    settings, error = result_or_error(lambda: Settings.from_mapping(environ), SettingsError)
    assert (settings is None) == bool(flaw)
    assert secret not in error
    assert secret not in repr(settings)
    assert settings is None or secret in (*settings.tokens, *settings.api_keys)


@PROPERTY
@given(
    st.lists(st.from_regex(r"[A-Za-z0-9_~-]{1,8}", fullmatch=True), min_size=1), st.booleans(), st.booleans()
)
def test_a_prefix_is_the_same_with_or_without_slashes_at_its_ends(
    segments: list[str], slash_before: bool, slash_after: bool
) -> None:
    path = "/".join(segments)
    written = "/" * slash_before + path + "/" * slash_after
    assert Settings.from_mapping({"URL_PREFIX": written}).url_prefix == f"/{path}"


@PROPERTY
@given(st.sampled_from(["http", "https", "HTTPS"]), HOST_NAME | IP_ADDRESS, st.none() | st.integers(1, 65535))
def test_an_origin_is_normalized_to_the_form_that_a_browser_sends(
    scheme: str, host: str, port: int | None
) -> None:
    written = f"{scheme}://{host.upper()}" + ("" if port is None else f":{port}")
    implied = {"http": 80, "https": 443}[scheme.lower()]
    sent = f"{scheme.lower()}://{host}" + ("" if port in (None, implied) else f":{port}")
    assert Settings.from_mapping({"CORS_ORIGINS": written}).cors_origins == (sent,)


# Files


@PROPERTY
@given(
    st.dictionaries(
        st.from_regex(r"[A-Z][A-Z0-9_]{0,10}", fullmatch=True),
        st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=30),
    )
)
def test_an_env_file_returns_the_values_that_were_quoted_into_it(
    tmp_path_factory: pytest.TempPathFactory, variables: dict[str, str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "quoted.env"
    escaped = {name: text.replace("\\", "\\\\").replace("'", "\\'") for name, text in variables.items()}
    path.write_text("".join(f"{name}='{text}'\n" for name, text in escaped.items()), "utf-8")
    assert read_env_file(str(path)) == variables


@PROPERTY
@given(st.binary(max_size=60) | ODD_TEXT.map(lambda text: text.encode(errors="replace")))
def test_any_file_is_an_env_file_or_refused_by_name(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.env"
    path.write_bytes(content)
    variables, error = result_or_error(lambda: read_env_file(str(path)), SettingsError)
    if variables is None:
        assert str(path) in error
    else:
        text = content.decode("utf-8-sig")  # so the file is text
        assert "\0" not in text, "an environment cannot have it"
        assert [name for name in variables if name not in text] == []


GOOD_LINES = {"A=1": ("A", "1"), "export B='x y'": ("B", "x y"), "C=": ("C", ""), "# D=4": None, " ": None}
BAD_LINES = ["=5", "F=a\0b", "G H=6"]


@PROPERTY
@given(st.lists(st.sampled_from([*GOOD_LINES, *BAD_LINES]), max_size=8))
def test_an_env_file_is_read_as_a_whole_or_not_at_all(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    """A skipped TOKEN would leave the agent open."""
    path = tmp_path_factory.getbasetemp() / "lines.env"
    path.write_text("\n".join(lines), "utf-8")
    variables, error = result_or_error(lambda: read_env_file(str(path)), SettingsError)
    bad = [number for number, line in enumerate(lines, 1) if line in BAD_LINES]
    if bad:
        assert variables is None
        assert f" {bad[0]}" in error.partition("cannot be understood at line")[2]
    else:
        assert variables == dict(filter(None, (GOOD_LINES[line] for line in lines)))


@PROPERTY
@given(st.binary(min_size=1, max_size=60))
def test_any_token_file_has_tokens_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "token"
    path.write_bytes(content)
    settings, error = result_or_error(lambda: Settings.from_mapping({"TOKEN_FILE": str(path)}), SettingsError)
    if settings is None:
        assert error.startswith("TOKEN_FILE is ")
    else:
        lines = [line.removesuffix(b"\r") for line in content.split(b"\n")]
        held = list(dict.fromkeys(line for line in lines if line.strip()))
        assert [token.encode() for token in read_token_file(str(path)).tokens] == held


# Parameters


@PROPERTY
@given(
    st.frozensets(st.integers(0, 10**10 - 1), min_size=1),
    st.sampled_from([",", ", ", " ,"]),
    st.integers(0, 10),
)
def test_written_indices_are_read_back(indices: frozenset[int], comma: str, digits: int) -> None:
    assert parse_indices(comma.join(str(index).zfill(digits) for index in indices)) == indices


@PROPERTY
@given(ODD_TEXT, st.integers(0, 4))
def test_any_idx_selects_gpus_or_is_refused_by_name(text: str, count: int) -> None:
    gpus = [GpuSample(index, GpuState.OK) for index in range(count)]
    chosen, error = result_or_error(lambda: select(gpus, parse_indices(text)), InvalidRequest)
    if chosen is None:
        assert error.startswith("Invalid GPU index: idx")
    else:
        assert [gpu.index for gpu in chosen] == sorted({gpu.index for gpu in chosen})
        assert bool(text.strip()) or len(chosen) == count


@PROPERTY
@given(st.integers(0, MAX_BYTES), st.sampled_from(sorted(UNITS)), st.booleans())
def test_written_memory_sizes_are_read_back(size: int, unit: str, space: bool) -> None:
    number = size // UNITS[unit]
    assert parse_bytes(f"{number}{' ' * space}{unit}") == number * UNITS[unit]
    assert parse_bytes(str(size)) == size


@PROPERTY
@given(st.decimals(0, 8, places=9), st.sampled_from(sorted(set(UNITS) - {"B"})))
def test_a_fraction_of_a_unit_is_rounded_up_to_a_byte(number: Decimal, unit: str) -> None:
    exact = Fraction(number) * UNITS[unit]
    assert 0 <= parse_bytes(f"{number:f}{unit}") - exact < 1


@PROPERTY
@given(ODD_TEXT, st.lists(ODD_TEXT, max_size=3).map(tuple))
def test_any_parameters_of_free_are_accepted_or_refused_by_name(memory: str, users: tuple[str, ...]) -> None:
    wish, error = result_or_error(
        lambda: finished(the_wish(min_free_memory=memory, exclude_users=users)), InvalidRequest
    )
    if wish is None:
        assert error.startswith(("Invalid min_free_memory: ", "Invalid exclude_users: "))
        assert "; accepted: " in error
    else:
        assert (wish.min_free_memory_bytes is None) == (not memory.strip())
        assert all(user == user.strip() != "" for user in wish.exclude_users)
        if len(users) > 1:
            assert wish.exclude_users == {user.strip() for user in users} - {""}


NAMES = st.sampled_from(["idx", "seconds", "detail", "a b", "é", ""])


@PROPERTY
@given(st.lists(st.tuples(NAMES, ODD_TEXT), max_size=4))
def test_a_repeated_parameter_is_refused_by_name(pairs: list[tuple[str, str]]) -> None:
    """Only parameters of the path are checked; others are ignored."""
    query = "&".join(f"{quote(name)}={quote(text, errors='replace')}" for name, text in pairs)
    names = [name for name, _ in pairs]
    (route,) = gpu.router.routes
    twice = {name for name in ("idx", "detail") if names.count(name) > 1}
    request = Request({"type": "http", "query_string": query.encode(), "headers": [], "route": route})
    _, error = result_or_error(lambda: finished(refuse_repeated_parameters(request)), InvalidRequest)
    assert bool(error) == bool(twice)
    assert not error or any(name in error for name in twice)


# Credentials

CLOSED_PATH = (ODD_TEXT | st.sampled_from(["/status", "/gpu", STREAM, "/free", "/docs/", "//docs"])).filter(
    lambda path: path not in OPEN and not path.startswith(OPEN_FOLDERS)
)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from([b"authorization", b"x-api-key", b"cookie", b"host", b"proxy-authorization"]),
        st.binary(max_size=20) | st.sampled_from([b"", b"Bearer", b"Bearer ", b"bearer \xff", b"Basic Og=="]),
    ),
    max_size=4,
)
QUERY = st.binary(max_size=40) | st.lists(
    st.sampled_from([b"api_key", b"=", b"&", b"%", b"%C3", b"\xff", b"%ED%A0%80", b"+", b"a"])
).map(b"".join)


def guarded(*, token: str = "", keys: tuple[str, ...] = ()) -> Authentication:
    tokens = Tokens([token] if token else [])
    return Authentication(welcome, endpoints=ENDPOINTS, tokens=tokens, api_keys=keys)


@PROPERTY
@given(CLOSED_PATH, HEADERS, QUERY)
def test_only_the_credential_opens_a_protected_path(
    path: str, headers: list[tuple[bytes, bytes]], query: bytes
) -> None:
    """The secrets are longer than all generated text."""
    app = guarded(token="t" * 80, keys=("k" * 80,))
    status, body = answer(app, path, headers, query)
    assert status == 401
    assert error_of(status, body)


@PROPERTY
@given(
    SECRET.filter(lambda text: text == text.strip()),
    st.sampled_from(["", "Bearer ", "bearer  ", "BEARER "]),
    st.sampled_from(["", " ", "\t "]),
    HEADERS,
)
def test_the_token_is_accepted_in_either_form_and_only_once(
    token: str, scheme: str, blanks: str, others: list[tuple[bytes, bytes]]
) -> None:
    app = guarded(token=token)
    header = (b"authorization", f"{blanks}{scheme}{token}{blanks}".encode())
    others = [(name, value) for name, value in others if name != b"authorization"]
    assert answer(app, "/status", [*others, header])[0] == 200
    assert answer(app, "/status", [header, *others, header])[0] == 401


@PROPERTY
@given(SECRET, SECRET, st.sampled_from([quote, lambda key: "".join(f"%{ord(char):02x}" for char in key)]))
def test_a_key_opens_only_the_stream(key: str, other: str, written: Any) -> None:
    key, other = key.strip(), other.strip()
    app = guarded(token=A_TOKEN, keys=(key,))
    query = f"idx=0&api_key={written(key)}".encode()
    assert answer(app, STREAM, query=query)[0] == 200
    assert answer(app, STREAM, [(b"x-api-key", key.encode())])[0] == 200
    assert answer(app, STREAM, query=query + b"&api_key=")[0] == 401
    assert answer(app, "/gpu", [(b"x-api-key", key.encode())], query)[0] == 401
    assert answer(app, STREAM, [(b"x-api-key", other.encode())])[0] == (200 if other == key else 401)


# The Host header


def hosts_app(text: str) -> AllowedHosts:
    settings = Settings.from_mapping({"ALLOWED_HOSTS": text})
    return AllowedHosts(welcome, hosts=settings.allowed_hosts, exempt=frozenset())


def is_answered(app: ASGIApp, *hosts: str | bytes) -> bool:
    values = [host.encode("latin-1", errors="replace") if isinstance(host, str) else host for host in hosts]
    status, body = answer(app, "/status", [(b"host", value) for value in values])
    assert status == 200 or "ALLOWED_HOSTS" in error_of(status, body)
    return status == 200


@PROPERTY
@given(
    st.lists(HOST_NAME | IP_ADDRESS, min_size=1, max_size=3), st.none() | st.integers(0, 65535), st.booleans()
)
def test_every_allowed_host_is_answered_on_any_port(hosts: list[str], port: int | None, upper: bool) -> None:
    app = hosts_app(",".join(hosts))
    for host in hosts:
        written = (host.upper() if upper else host) + ("" if port is None else f":{port}")
        assert is_answered(app, written)
        assert not is_answered(app, written, written)
        assert not is_answered(app, f"x{host}") or f"x{host}" in hosts


@PROPERTY
@given(HOST_NAME, HOST_NAME, st.binary(max_size=20))
def test_a_wildcard_covers_only_names_below_its_domain(domain: str, name: str, odd: bytes) -> None:
    app = hosts_app(f"*.{domain}")
    assert is_answered(app, f"{name}.{domain}")
    assert is_answered(app, f"{name}.{domain}:8000")
    assert not is_answered(app, domain)
    assert not is_answered(app, f"x{domain}")
    assert not is_answered(app, f"{name}.{domain}.x")
    assert not is_answered(app, f"x:{name}.{domain}")
    assert not is_answered(app, odd)
    assert not is_answered(app)


@PROPERTY
@given(ODD_TEXT | IP_ADDRESS)
def test_a_wildcard_is_accepted_only_before_a_name(text: str) -> None:
    """There are no names below an IP address."""
    with contextlib.suppress(SettingsError):
        (entry, *_) = Settings.from_mapping({"ALLOWED_HOSTS": f"*.{text}"}).allowed_hosts
        assert ":" not in entry
        assert "[" not in entry


# /proc


@PROPERTY
@given(
    st.binary(max_size=15) | st.lists(st.sampled_from([b")", b"(", b" ", b"S", b"1"])).map(b"".join),
    st.integers(0, 2**31),
    *(st.integers(0, 2**63) for _ in range(3)),
)
def test_a_stat_line_is_read_with_any_process_name(
    comm: bytes, pid: int, user: int, system: int, start: int
) -> None:
    fields = [b"S", *[b"-1"] * 10, b"%d" % user, b"%d" % system, *[b"0"] * 6, b"%d" % start, *[b"7"] * 30]
    line = b"%d (%b) %b\n" % (pid, comm, b" ".join(fields))
    assert parse_stat(line) == Stat(comm, user + system, start, -1, 0)


@PROPERTY
@given(st.binary(max_size=80), st.integers(0, 2**40))
def test_any_other_line_raises_only_expected_errors(line: bytes, pages: int) -> None:
    """The readers catch only UNREADABLE."""
    for parse in (parse_stat, parse_resident_bytes, parse_uid):
        with contextlib.suppress(*UNREADABLE):
            parse(line)
    assert parse_resident_bytes(b"9 %d 1 1 0 1 0\n" % pages) == pages * PAGE_BYTES


ARGUMENT = st.text(max_size=20) | st.text("a \t\n\0\x1b\x85\u2028\udc80é", max_size=10)


@PROPERTY
@given(
    st.none() | st.lists(ARGUMENT, max_size=5) | st.just(["x" * MAX_COMMAND, "y"]),
    st.none() | ARGUMENT.map(clean),
    st.booleans(),
)
def test_a_command_is_one_short_line_without_control_characters(
    arguments: list[str] | None, name: str | None, hide: bool
) -> None:
    command = command_text(arguments, name, hide_arguments=hide)
    if command is None:
        assert arguments is None or not name
        return
    assert 0 < len(command) <= MAX_COMMAND
    assert command == clean(command)
    assert command.encode().decode() == command
    assert "\n" not in command
    assert "\x1b" not in command


@PROPERTY
@given(
    st.sampled_from(["python3", "/opt/a b/train"]),
    st.lists(ARGUMENT, max_size=3),
    SECRET,
    st.sampled_from([" ", "\t", "\n", "\x1b"]),
)
def test_hidden_arguments_stay_hidden(program: str, others: list[str], secret: str, blank: str) -> None:
    """Also the arguments of a process that has written its title into one word."""
    assert command_text([program, *others, secret], None, hide_arguments=True) == program
    title = command_text([f"python3{blank}{secret}", ""], "python3", hide_arguments=True)
    assert title == "python3"


@PROPERTY
@given(
    SECRET,
    st.sampled_from([b" ", b"\t", b"\n", b"\x1b"]),
    st.sampled_from([b"", b"\0", b" x"]),
    st.booleans(),
)
def test_arguments_stay_hidden_wherever_the_file_is_cut(
    secret: str, blank: bytes, end: bytes, is_cut: bool
) -> None:
    arguments = parse_cmdline(Content(b"python3" + blank + secret.encode() + end, is_cut))
    assert command_text(arguments, "python3", hide_arguments=True) == "python3"


CMDLINE = st.binary(max_size=60) | st.text("ab/ \0é\n", max_size=60).map(str.encode)


@PROPERTY
@given(st.binary(max_size=15) | st.just(b"abababababababa"), CMDLINE, st.booleans(), st.booleans())
def test_any_bytes_give_a_short_safe_name_and_command(
    comm: bytes, cmdline: bytes, is_cut: bool, hide: bool
) -> None:
    arguments = parse_cmdline(Content(cmdline, is_cut))
    name = full_name(comm, arguments, hide_arguments=hide)
    assert name is None or (name == clean(name) and len(name.encode()) <= MAX_FILE_NAME)
    command = command_text(arguments, name, hide_arguments=hide)
    assert command is None or command == clean(command)
    if is_cut and not hide:
        assert command is not None
        assert command.endswith("…")


# The log

NAME = st.sampled_from(
    ["api_key", "API_KEY", "x-api-key", "token", "password", "client_secret", "Authorization"]
)


def encoded(text: str, which: list[bool], times: int) -> str:
    """Percent-encode the characters that `which` selects, this many times."""
    parts = zip(text, (which * len(text))[: len(text)], strict=True)
    once = "".join(f"%{ord(char):02X}" if encode or char in "&#%" else char for char, encode in parts)
    return once.replace("%", "%" + "25" * (times - 1))


@PROPERTY
@given(
    st.text("abc/%0?;", max_size=8),
    st.lists(st.sampled_from(["idx=0", "a=%26", "monkey=1", "%", "x=key", "interval=%31", ""]), max_size=3),
    NAME,
    st.text("abcXYZ019-._~!*'/=&%#", min_size=1, max_size=12).map("q7{}7q".format),
    st.sampled_from(["=", "%3D", "%253d"]),
    st.sampled_from(["&", "%26", "?", "%3F"]),
    st.lists(st.booleans(), min_size=1, max_size=5),
    st.integers(1, 40),
)
def test_no_key_appears_in_the_log(
    path: str, others: list[str], name: str, key: str, equals: str, before: str, which: list[bool], times: int
) -> None:
    written = encoded(name, which, times) + equals + encoded(key, which[::-1], times)
    logged = redacted(before.join([f"/{path}", *others, written]) + "&after=1")
    plain = logged
    while (decoded := unquote_plus(plain)) != plain:
        plain = decoded
    assert "q7" not in plain
    assert "7q" not in plain
    assert logged.endswith("&after=1")


@PROPERTY
@given(ODD_TEXT)
def test_redacting_a_target_twice_changes_nothing(target: str) -> None:
    once = redacted(target)
    assert redacted(once) == once
    assert once.count("&") == target.count("&")
