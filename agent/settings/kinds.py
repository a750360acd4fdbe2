"""The kinds of values of settings: each describes and parses the texts that it accepts."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_WHOLE_NUMBER = re.compile(r"[0-9]{1,10}")  # more digits than any setting needs; int() alone would take "1_0"
_NUMBER = re.compile(r"[0-9]+(\.[0-9]*)?|\.[0-9]+")  # float() alone would take "nan" and "inf"
_PATH = re.compile(r"/?[A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*/?")
_LABEL = r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*")
_FOUR_NUMBERS = re.compile(r"[0-9]+(\.[0-9]+){3}")
_GPU_UUID = re.compile(r"gpu-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_SENDABLE = re.compile(r"[\x20-\x7e\xa0-\xff]+")
_SWITCH = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """`accepted` in words for people; `parse` raises ValueError for everything else."""

    accepted: str
    parse: Callable[[str], T]


def whole_number(low: int, high: int, *, zero: str = "") -> Kind[int]:
    """A whole number within the range; `zero` says what 0 means, if it is accepted too."""

    def parse(text: str) -> int:
        value = int(text) if _WHOLE_NUMBER.fullmatch(text) else -1
        if low <= value <= high or (zero and value == 0):
            return value
        raise ValueError("not a whole number within the range")

    return Kind(_range("a whole number", low, high, zero), parse)


def _simulated(text: str) -> int | str:
    """A number of GPUs; any text other than digits is the path of a document."""
    return whole_number(1, 128, zero="for the real driver").parse(text) if text.isdecimal() else text


def number(low: float, high: float, unit: str, *, zero: str = "") -> Kind[float]:
    """A finite decimal number within the range; `zero` as for `whole_number`."""

    def parse(text: str) -> float:
        value = float(text) if _NUMBER.fullmatch(text) else math.nan
        if low <= value <= high or (zero and value == 0):
            return value
        raise ValueError("not a number within the range")

    return Kind(_range(f"a number of {unit}", low, high, zero), parse)


def _range(what: str, low: float, high: float, zero: str) -> str:
    return f"{what} from {low:g} to {high:g}" + (f", or 0 {zero}" if zero else "")


def one_of(*words: str) -> Kind[str]:
    """One of the words, in upper or lower case."""

    def parse(text: str) -> str:
        if text.lower() in words:
            return text.lower()
        raise ValueError("not one of the words")

    return Kind(f"{', '.join(words[:-1])} or {words[-1]}", parse)


def _switch(text: str) -> bool:
    if text.lower() in _SWITCH:
        return _SWITCH[text.lower()]
    raise ValueError("not a switch")


def _url_path(text: str) -> str:
    """Normalised to "/a/b", whichever way the slashes at the ends were written, or to nothing."""
    segments = text.strip("/").split("/")
    if text == "/":
        return ""
    if not _PATH.fullmatch(text) or "." in segments or ".." in segments:
        raise ValueError("not a clean URL path")
    return "/" + "/".join(segments)


def _host(text: str) -> str:
    """Lower case; an IPv6 address without brackets, as a socket takes it."""
    if _HOST_NAME.fullmatch(text):
        return text.lower()
    return str(IPv6Address(text[1:-1] if text.startswith("[") and text.endswith("]") else text))


def _node_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,253}", text):
        raise ValueError("not a name of a host")
    return text


def _host_header(text: str) -> str:
    """A host as in a Host header, without the port: an IPv6 address in brackets."""
    host = _host(text)
    if "%" in host:
        raise ValueError("no zone is ever sent")
    if _FOUR_NUMBERS.fullmatch(host):
        return str(IPv4Address(host))
    return f"[{host}]" if ":" in host else host


def _allowed_host(text: str) -> str:
    if not text.startswith("*."):
        return _host_header(text)
    name = _host_header(text[2:])
    if name.startswith("[") or _FOUR_NUMBERS.fullmatch(name):
        raise ValueError("nothing is below an address")
    return f"*.{name}"


def _proxy(text: str) -> str:
    """An address or a network in its shortest form; ::ffff:192.0.2.1 is 192.0.2.1."""
    network = ip_network(text)
    if "%" in text:
        raise ValueError("a zone is no part of an address that is compared")
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped and network.prefixlen >= 96:
        network = IPv4Network((int(network.network_address) & 0xFFFF_FFFF, network.prefixlen - 96))
    return str(network.network_address if network.num_addresses == 1 else network)


def _proxies(text: str) -> tuple[str, ...]:
    return ("*",) if text == "*" else _list_of(_proxy)(text)


def _origin(text: str) -> str:
    """An origin as a browser sends it: lower case, without the default port of its scheme."""
    if text == "*":
        return text
    parts = urlsplit(text.lower())
    implied = {"http": 80, "https": 443}.get(parts.scheme)
    if implied is None or text.lower() != f"{parts.scheme}://{parts.netloc}" or "@" in parts.netloc:
        raise ValueError("not an origin")
    port = f":{parts.port}" if parts.port not in (None, implied) else ""
    return f"{parts.scheme}://{_host_header(parts.hostname or '')}{port}"


def _gpu(text: str) -> str:
    """An index without zeros before it, or a UUID as NVML writes it."""
    if _WHOLE_NUMBER.fullmatch(text):
        return str(int(text))
    if _GPU_UUID.fullmatch(text):
        return f"GPU-{text[4:].lower()}"
    raise ValueError("no GPU is named so")


def _secret(text: str) -> str:
    if _SENDABLE.fullmatch(text) and text == text.strip():
        return text
    raise ValueError("cannot be sent in a header")


def _list_of(parse_one: Callable[[str], str]) -> Callable[[str], tuple[str, ...]]:
    def parse(text: str) -> tuple[str, ...]:
        entries = (entry.strip() for entry in text.split(","))
        parsed = tuple(dict.fromkeys(parse_one(entry) for entry in entries if entry))
        if not parsed:  # "," must not count as "not set", which would mean open access
            raise ValueError("no entry")
        return parsed

    return parse


def _socket_path(text: str) -> str:
    if not text.startswith("/") or text.endswith("/") or "\0" in text or len(text.encode()) > 107:
        raise ValueError("not a path that the kernel takes for a socket")
    return text


def _absolute(text: str) -> str:
    if not text.startswith("/") or "\0" in text or not text.strip("/"):
        raise ValueError("not an absolute path of a folder")
    return text.rstrip("/")


def _fleet(text: str) -> tuple[tuple[str, str], ...]:
    """Each host's name and the path of its agent, as `_url_path` gives it."""
    hosts = []
    for entry in text.split(","):
        name, equals, path = (part.strip() for part in entry.partition("="))
        if not name or not equals or not name.isprintable() or not _url_path(path):
            raise ValueError("not NAME=/PATH")
        hosts.append((name, _url_path(path)))
    if len({name for name, _ in hosts}) < len(hosts) or len({path for _, path in hosts}) < len(hosts):
        raise ValueError("a host twice")
    return tuple(hosts)


SCENARIO = Kind("the name of a scenario, together with a number in SIMULATE_GPUS", str)  # Settings knows them
SIMULATED: Kind[int | str] = Kind(
    "a whole number from 1 to 128, 0 for the real driver, or a file with the output of nvidia-smi -q -x",
    _simulated,
)
FILE = Kind("a readable file with one token on each line, each as TOKEN", str)
CERTIFICATE = Kind("a readable PEM file with the certificate, then the certificates of its chain", str)
KEY = Kind("a readable PEM file with the private key of TLS_CERT, without a passphrase", str)
SOCKET = Kind("an absolute path of at most 107 bytes, in an existing folder", _socket_path)
FOLDER = Kind("a folder, which need not exist", str)
STATE_FOLDER = Kind(
    "the absolute path of a folder on a disk of this host, inside an existing folder", _absolute
)
SWITCH = Kind("1, 0, true, false, yes, no, on or off", _switch)
URL_PATH = Kind(
    'segments of A-Z a-z 0-9 . _ ~ - other than "." and "..", separated by single slashes', _url_path
)
HOST = Kind("a host name or an IP address", _host)
NODE_NAME = Kind("letters, digits, . _ and -, at most 253 of them", _node_name)
NOT_OFFERED = Kind("UUIDs (GPU-...) or NVML indices of GPUs, comma-separated", _list_of(_gpu))
SECRET = Kind("printable latin-1 without blanks at either end", _secret)
SECRETS = Kind("one or more keys, comma-separated, each as API_KEY", _list_of(_secret))
TOKENS = Kind("one or more tokens, comma-separated, each as TOKEN", _list_of(_secret))
ALLOWED_HOSTS = Kind(
    "host names without port, comma-separated; *.example.org covers all names below it",
    _list_of(_allowed_host),
)
FORWARDED_ALLOW_IPS = Kind(
    "IP addresses and networks (192.0.2.0/24), comma-separated, or * for any", _proxies
)
FLEET = Kind("NAME=/PATH for each host, comma-separated, each name and path once; PATH as URL_PREFIX", _fleet)
ORIGINS = Kind("https://host[:port] or http://host[:port], comma-separated, or *", _list_of(_origin))
