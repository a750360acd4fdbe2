"""TLS_CERT and TLS_KEY: valid pairs, and the error for invalid ones."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from agent.settings import Settings, SettingsError
from agent.settings.tls_pair import MAX_BYTES
from tests.support.certificates import made_certificate

if TYPE_CHECKING:
    from pathlib import Path

FORMS = "; accepted: a readable PEM file with the "


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a pair, the key of another pair, the same key with a passphrase, and other files."""
    folder = tmp_path_factory.mktemp("tls")
    made_certificate(folder)
    other = folder / "other"
    other.mkdir()
    made_certificate(other)
    encrypt = f"openssl ec -aes128 -passout pass:secret -in {folder}/key.pem -out {folder}/encrypted.pem"
    weak = "openssl req -x509 -nodes -newkey rsa:512 -subj /CN=weak"
    weak += f" -out {folder}/weak.pem -keyout {folder}/weak-key.pem"
    for command in (encrypt, weak):
        subprocess.run(command.split(), check=True, capture_output=True)  # noqa: S603  (our own command)
    (folder / "text").write_text("secret words")
    with (folder / "large").open("wb") as large:
        large.truncate(MAX_BYTES + 1)
    return folder


def faults(folder: Path, cert: str = "", key: str = "", **environ: str) -> tuple[str, ...]:
    paths = {"TLS_CERT": cert and f"{folder}/{cert}", "TLS_KEY": key and f"{folder}/{key}"}
    try:
        Settings.from_mapping({**paths, **environ})
    except SettingsError as error:
        return tuple(fault.replace(f"{folder}/", "") for fault in error.faults)
    return ()


def test_a_certificate_and_its_key_are_accepted(folder: Path) -> None:
    assert faults(folder, "cert.pem", "key.pem") == ()
    assert faults(folder, "both.pem", "both.pem") == (), "one file may hold both"


@pytest.mark.parametrize(
    ("cert", "key", "fault"),
    [
        ("none", "key.pem", "TLS_CERT is 'none', which cannot be read (No such file or directory)"),
        ("other", "key.pem", "TLS_CERT is 'other', which is not a regular file"),
        ("text", "key.pem", "TLS_CERT is 'text', which holds no certificate"),
        ("key.pem", "key.pem", "TLS_CERT is 'key.pem', which holds no certificate"),
        ("large", "key.pem", f"TLS_CERT is 'large', which holds more than {MAX_BYTES} bytes"),
        ("cert.pem", "none", "TLS_KEY is 'none', which cannot be read (No such file or directory)"),
        ("cert.pem", "text", "TLS_KEY is 'text', which holds no private key"),
        ("cert.pem", "cert.pem", "TLS_KEY is 'cert.pem', which holds no private key"),
        ("cert.pem", "other/key.pem", "TLS_KEY is 'other/key.pem', which is not the key of TLS_CERT"),
        ("cert.pem", "encrypted.pem", "TLS_KEY is 'encrypted.pem', which needs a passphrase"),
        ("weak.pem", "weak-key.pem", "TLS_KEY is 'weak-key.pem', which OpenSSL refuses as too weak"),
    ],
)
def test_an_invalid_pair_is_one_fault_with_the_file_and_the_reason(
    folder: Path, cert: str, key: str, fault: str
) -> None:
    (reported,) = faults(folder, cert, key)
    assert reported.startswith(fault)
    assert FORMS in reported
    assert "secret" not in reported


@pytest.mark.parametrize(("given", "missing"), [("TLS_CERT", "TLS_KEY"), ("TLS_KEY", "TLS_CERT")])
def test_a_certificate_without_its_key_or_the_reverse_is_a_fault(
    folder: Path, given: str, missing: str
) -> None:
    reported = faults(folder, **{given: "x"})
    assert reported == (
        f"{given} is 'x', which has no effect alone; accepted: a path together with {missing}",
    )


def test_tls_on_a_unix_socket_is_a_fault(folder: Path) -> None:
    (reported,) = faults(folder, "cert.pem", "key.pem", UDS="/run/agent")
    assert reported.startswith(
        "TLS_CERT is 'cert.pem', which has no effect on a Unix socket; accepted: either UDS,"
    )


@pytest.mark.parametrize("path", ["agent.sock", "./agent.sock", "/run/", "/" + "x" * 107, "/" + "ü" * 54])
def test_an_invalid_path_of_a_unix_socket_is_refused(folder: Path, path: str) -> None:
    (reported,) = faults(folder, UDS=path)
    assert (
        reported == f"UDS is {path!r}; accepted: an absolute path of at most 107 bytes, in an existing folder"
    )
