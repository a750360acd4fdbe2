"""Every setting: its name, default, what it accepts and one line of help, all in one place.

A setting is one field of `Settings`; its environment variable is the field's name in capitals. `kinds.py`
says what a text may be, `environment.py` where it comes from. `--help`, `docs/settings.md` and
`.env.example` are checked against `documented()`.
"""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

from agent.settings.kinds import (
    ALLOWED_HOSTS,
    CERTIFICATE,
    FILE,
    FLEET,
    FOLDER,
    FORWARDED_ALLOW_IPS,
    HOST,
    KEY,
    NODE_NAME,
    NOT_OFFERED,
    ORIGINS,
    SCENARIO,
    SECRET,
    SECRETS,
    SIMULATED,
    SOCKET,
    STATE_FOLDER,
    SWITCH,
    TOKENS,
    URL_PATH,
    number,
    one_of,
    whole_number,
)
from agent.settings.tls_pair import TlsPair, UnusablePair
from agent.settings.token_file import read_token_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from agent.settings.kinds import Kind

T = TypeVar("T")


class SettingsError(Exception):
    """Some settings are wrong. `faults` holds one sentence for each of them, secrets masked."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


def _setting(default: T, kind: Kind[T], help_line: str, *, secret: bool = False) -> T:
    return field(default=default, metadata={"kind": kind, "help": help_line, "secret": secret})


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """All settings, checked. `tokens` includes TOKEN, but none of TOKEN_FILE; `api_keys` includes API_KEY."""

    host: str = _setting("0.0.0.0", HOST, "Address to listen on.")  # noqa: S104  other hosts poll this one
    port: int = _setting(8000, whole_number(1, 65535), "TCP port to listen on.")
    uds: str = _setting(
        "", SOCKET, "Unix socket to listen on instead of HOST and PORT, for a reverse proxy on this host."
    )
    tls_cert: str = _setting("", CERTIFICATE, "Certificate to serve HTTPS with; read again when it changes.")
    tls_key: str = _setting("", KEY, "Private key of TLS_CERT; read again when it changes.")
    url_prefix: str = _setting("", URL_PATH, "Prefix of every path: server2 serves /server2/status.")
    root_path: str = _setting("", URL_PATH, "Path that a reverse proxy strips before it forwards a request.")

    token: str = _setting(
        "", SECRET, "Token that clients send in the Authorization header; empty: none is needed.", secret=True
    )
    tokens: tuple[str, ...] = _setting(
        (), TOKENS, "More tokens; each grants the same access as TOKEN.", secret=True
    )
    token_file: str = _setting(
        "", FILE, "File with more tokens, one on each line; read again when it changes."
    )
    metrics_token: str = _setting(
        "",
        SECRET,
        "Token that opens /metrics and nothing else; needs TOKEN, TOKENS or TOKEN_FILE too.",
        secret=True,
    )
    api_key: str = _setting("", SECRET, "Key that grants access to the stream.", secret=True)
    api_keys: tuple[str, ...] = _setting(
        (), SECRETS, "More keys that grant access to the stream.", secret=True
    )
    allowed_hosts: tuple[str, ...] = _setting(
        (), ALLOWED_HOSTS, "Host names that a Host header may have; empty: any."
    )
    cors_origins: tuple[str, ...] = _setting(
        (), ORIGINS, "Origins whose pages may read answers; empty: none."
    )
    hide_command_args: bool = _setting(False, SWITCH, "Show processes without their arguments.")

    node_name: str = _setting(
        "", NODE_NAME, "Name of this host in answers and on the page; empty: the system's host name."
    )
    pod_logs: str = _setting(
        "/var/log",
        FOLDER,
        "Folder with the kubelet's folders pods and containers, whose entries name the Kubernetes pods.",
    )

    kernel_log: bool = _setting(
        False, SWITCH, "Read XIDs, NVSwitch errors and GPU resets since boot in the kernel log, /dev/kmsg."
    )

    fleet: tuple[tuple[str, str], ...] = _setting(
        (), FLEET, "Hosts that the page shows as one overview; empty: only this host."
    )
    metrics_processes: bool = _setting(True, SWITCH, "Export series for each process in /metrics.")
    metrics_nvlink: bool = _setting(True, SWITCH, "Export series about NVLinks in /metrics.")

    default_stream_interval: float = _setting(
        2.0, number(0.5, 60, "seconds"), "Interval of a stream whose request has no interval."
    )
    stream_heartbeat: float = _setting(
        15.0, number(1, 300, "seconds"), "Time without an event after which a stream sends a comment line."
    )
    max_streams: int = _setting(1000, whole_number(1, 100_000), "Maximum number of open streams.")

    sample_interval: float = _setting(
        1.0, number(0.5, 60, "seconds"), "Maximum age of the sample that a poll is answered with."
    )
    sample_timeout: float = _setting(
        2.0, number(0.5, 60, "seconds"), "Time after which an unanswered driver call marks its GPU stuck."
    )
    history_interval: float = _setting(
        10.0,
        number(1, 3600, "seconds", zero="for no history"),
        "Interval of the samples that are kept as history.",
    )

    state_dir: str = _setting(
        "", STATE_FOLDER, "Folder for the file that keeps state across restarts; empty: only in memory."
    )
    state_days: int = _setting(
        400, whole_number(1, 4000), "Number of days for which the file in STATE_DIR keeps GPU hours by user."
    )
    state_users: bool = _setting(True, SWITCH, "Keep the names of users in STATE_DIR; else only totals.")

    expected_gpus: int = _setting(
        0,
        whole_number(1, 128, zero="for any number"),
        "Number of GPUs that this host should have; fewer are a critical finding.",
    )

    not_offered: tuple[str, ...] = _setting(
        (), NOT_OFFERED, "GPUs that /free never offers, for example during a repair; empty: none."
    )

    idle_holder_minutes: float = _setting(
        15.0, number(1, 1440, "minutes"), "Idle time after which a process on a GPU is an idle holder."
    )

    active_gpu_percent: float = _setting(
        5.0, number(0, 100, "percent"), "A GPU is active at this utilization or above."
    )
    active_power_watts: float = _setting(
        10.0, number(0, 10_000, "watts"), "A GPU is active above this power."
    )
    active_memory_percent: float = _setting(
        5.0, number(0, 100, "percent"), "A GPU is active when this share of its memory or more is in use."
    )
    active_clock_percent: float = _setting(
        30.0, number(0, 100, "percent"), "A GPU is active above this share of its maximum graphics clock."
    )
    active_temperature_celsius: float = _setting(
        40.0, number(0, 150, "degrees Celsius"), "A GPU is active above this temperature."
    )

    simulate_gpus: int | str = _setting(
        0,
        SIMULATED,
        "Simulated GPUs to serve instead of real ones: a number, or a file to replay.",
    )
    simulate_scenario: str = _setting("", SCENARIO, "Scenario for the simulated GPUs, for example a fault.")
    access_log: bool = _setting(False, SWITCH, "Log every request; halves the throughput.")
    forwarded_allow_ips: tuple[str, ...] = _setting(
        ("127.0.0.1", "::1"), FORWARDED_ALLOW_IPS, "Proxies whose X-Forwarded-For is logged as the client."
    )
    log_level: str = _setting(
        "info", one_of("debug", "info", "warning", "error"), "Lowest severity that is logged."
    )
    log_format: str = _setting("text", one_of("text", "json"), "Format of the log: lines of text or of JSON.")

    def __post_init__(self) -> None:
        """Adds API_KEY to the API_KEYS, and TOKEN to the TOKENS."""
        keys = dict.fromkeys(key for key in (self.api_key, *self.api_keys) if key)
        object.__setattr__(self, "api_keys", tuple(keys))
        tokens = dict.fromkeys(token for token in (self.token, *self.tokens) if token)
        object.__setattr__(self, "tokens", tuple(tokens))

    @property
    def requires_token(self) -> bool:
        """Whether the data require a token, whatever TOKEN_FILE holds by now."""
        return bool(self.tokens or self.token_file)

    def in_force(self) -> dict[str, str]:
        """The value of each setting by its name, as written after the `=`; a secret is `***`."""
        values = {item.name.upper(): _written(getattr(self, item.name)) for item in fields(self)}
        return {name: masked(name, text) for name, text in values.items()}

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{item.name}={self._shown(item)}' for item in fields(self))})"

    def _shown(self, item: Field[object]) -> str:
        value = getattr(self, item.name)
        return "***" if item.metadata["secret"] and value else repr(value)

    @classmethod
    def from_mapping(cls, environ: Mapping[str, str], *, reads_files: bool = True) -> Self:
        """Settings from environment variables: an empty one counts as not set, an unknown one is ignored.

        Without `reads_files`, the files of TLS_CERT, TLS_KEY and SIMULATE_GPUS are not checked.

        Raises SettingsError with every fault at once.
        """
        values: dict[str, object] = {}
        faults: list[str] = []
        for item in fields(cls):
            name = item.name.upper()
            if text := environ.get(name):
                try:
                    values[item.name] = item.metadata["kind"].parse(text)
                except ValueError:
                    faults.append(fault(name, text))
        faults += _token_faults(environ)
        faults += _document_faults(values.get("simulate_gpus")) if reads_files else []
        faults += _tls_faults(environ, reads_files=reads_files)
        faults += _scenario_faults(environ)
        if environ.get("STATE_DIR") and values.get("history_interval") == 0:
            why = "cannot keep anything while HISTORY_INTERVAL is 0"
            faults.append(fault("STATE_DIR", environ["STATE_DIR"], why=why, accepted="one of them, not both"))
        if faults:
            raise SettingsError(faults)
        return cls(**values)  # type: ignore[arg-type]  # each value comes from its own field's parser


class Documented(NamedTuple):
    """One setting as documents show it; `default` is the text after the `=`."""

    name: str
    default: str
    accepted: str
    help: str


def documented() -> list[Documented]:
    """Every setting in the order of declaration: for `--help`, and for the tests of the documents."""
    return [
        Documented(
            item.name.upper(), _written(item.default), item.metadata["kind"].accepted, item.metadata["help"]
        )
        for item in fields(Settings)
    ]


def scenarios() -> dict[str, str]:
    """The names that SIMULATE_SCENARIO accepts, each with one line of description."""
    from agent.simulation import SCENARIOS  # not loaded on a GPU host

    return {name: scenario.description for name, scenario in SCENARIOS.items()}


def _written(default: object) -> str:
    match default:
        case bool():
            return "true" if default else "false"
        case float():
            return f"{default:g}"
        case tuple():  # of texts, or of pairs such as those of FLEET
            return ",".join(entry if isinstance(entry, str) else "=".join(entry) for entry in default)
        case _:
            return str(default)


SECRET_NAMES = frozenset(item.name.upper() for item in fields(Settings) if item.metadata["secret"])


def masked(name: str, text: str) -> str:
    """The text of a variable without secrets: `***` for a secret setting."""
    return "***" if text and name in SECRET_NAMES else text


def fault(name: str, value: str, *, why: str = "", accepted: str = "") -> str:
    """The sentence about one wrong setting: its name, its value (a secret masked) and what is accepted."""
    item = next(item for item in fields(Settings) if item.name.upper() == name)
    shown = "***" if item.metadata["secret"] else repr(value)
    return (
        f"{name} is {shown}{why and f', which {why}'}; accepted: {accepted or item.metadata['kind'].accepted}"
    )


def _document_faults(simulated: object) -> list[str]:
    """What is wrong with the file in SIMULATE_GPUS, if it is one."""
    if not isinstance(simulated, str):
        return []
    from agent.simulation.replay import DocumentError, read_document  # not loaded on a GPU host

    try:
        read_document(simulated)
    except DocumentError as why:
        return [fault("SIMULATE_GPUS", simulated, why=str(why))]
    return []


def _scenario_faults(environ: Mapping[str, str]) -> list[str]:
    """What is wrong with SIMULATE_SCENARIO, by itself or together with SIMULATE_GPUS."""
    scenario = environ.get("SIMULATE_SCENARIO")
    if not scenario:
        return []
    simulated = environ.get("SIMULATE_GPUS", "")
    with_number = "together with a number in SIMULATE_GPUS"
    if scenario not in (names := scenarios()):
        return [fault("SIMULATE_SCENARIO", scenario, accepted=f"{', '.join(names)}, {with_number}")]
    if not simulated.isdecimal() or not simulated.strip("0"):
        no_use = "has no effect without a number of simulated GPUs"
        accepted = f"a scenario {with_number}, not with a file"
        return [fault("SIMULATE_SCENARIO", scenario, why=no_use, accepted=accepted)]
    return []


def _tls_faults(environ: Mapping[str, str], *, reads_files: bool) -> list[str]:
    """What is wrong with TLS_CERT and TLS_KEY together, and with UDS."""
    paths = {name: path for name in ("TLS_CERT", "TLS_KEY") if (path := environ.get(name))}
    if len(paths) == 1:
        (name,) = paths
        missing = "TLS_KEY" if name == "TLS_CERT" else "TLS_CERT"
        return [
            fault(name, paths[name], why="has no effect alone", accepted=f"a path together with {missing}")
        ]
    if paths and environ.get("UDS"):
        no_use = "has no effect on a Unix socket"
        return [
            fault("TLS_CERT", paths["TLS_CERT"], why=no_use, accepted="either UDS, or TLS_CERT and TLS_KEY")
        ]
    if paths and reads_files:
        try:
            TlsPair(paths["TLS_CERT"], paths["TLS_KEY"]).context()
        except UnusablePair as unusable:
            return [fault(unusable.name, paths[unusable.name], why=unusable.why)]
    return []


def _token_faults(environ: Mapping[str, str]) -> list[str]:
    """What is wrong with TOKEN_FILE, and with METRICS_TOKEN and the other tokens."""
    faults: list[str] = []
    tokens = {environ.get("TOKEN", ""), *(token.strip() for token in environ.get("TOKENS", "").split(","))}
    if path := environ.get("TOKEN_FILE"):
        try:
            tokens.update(read_token_file(path).tokens)
        except ValueError as why:
            faults.append(fault("TOKEN_FILE", path, why=str(why)))
    if token := environ.get("METRICS_TOKEN"):
        accepted = "a token that differs from TOKEN, TOKENS and TOKEN_FILE, one of which is set"
        if not any(environ.get(name) for name in ("TOKEN", "TOKENS", "TOKEN_FILE")):
            no_use = "restricts nothing while no other token is set"
            faults.append(fault("METRICS_TOKEN", token, why=no_use, accepted=accepted))
        elif token in tokens:
            no_use = "is one of the tokens that open everything"
            faults.append(fault("METRICS_TOKEN", token, why=no_use, accepted=accepted))
        elif token in {
            key.strip() for name in ("API_KEY", "API_KEYS") for key in environ.get(name, "").split(",")
        }:
            no_use = "is one of the keys that open the stream"
            faults.append(fault("METRICS_TOKEN", token, why=no_use, accepted=accepted))
    return faults
