"""TLS_CERT and TLS_KEY: a TLS context from the two files, and whether the files have changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.settings.stamp import Stamp, stamp_at

if TYPE_CHECKING:
    from ssl import SSLContext

MAX_BYTES = 1024 * 1024  # of each file; a chain of ten certificates has some 20 KiB


class UnusablePair(Exception):
    """`name` is the setting whose file cannot be used, `why` a relative clause without "which"."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name} {why}")
        self.name = name
        self.why = why


class TlsPair(NamedTuple):
    """The paths of a certificate, with its chain, and of its private key."""

    certificate: str
    key: str

    def stamps(self) -> tuple[Stamp, Stamp]:
        """The stamps of both files. Raises UnusablePair."""
        return _stamp("TLS_CERT", self.certificate), _stamp("TLS_KEY", self.key)

    def context(self) -> SSLContext:
        """The server's TLS context, for TLS 1.2 and newer. Raises UnusablePair."""
        import ssl  # takes 10 ms, and most agents speak plain HTTP

        self.stamps()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION  # in TLS 1.2 a client could renegotiate again and again
        context.set_alpn_protocols(["http/1.1"])
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(self.certificate)
        except OSError as error:
            raise UnusablePair("TLS_CERT", _reason(error, "holds no certificate")) from None
        try:
            context.load_cert_chain(self.certificate, self.key, password=_no_passphrase)
        except ValueError as error:
            raise UnusablePair("TLS_KEY", str(error)) from None
        except OSError as error:
            raise UnusablePair("TLS_KEY", _reason(error, "holds no private key")) from None
        return context


def _stamp(name: str, path: str) -> Stamp:
    try:
        stamp = stamp_at(path)
    except ValueError as why:
        raise UnusablePair(name, str(why)) from None
    if stamp.size > MAX_BYTES:
        raise UnusablePair(name, f"holds more than {MAX_BYTES} bytes")
    return stamp


def _reason(error: OSError, otherwise: str) -> str:
    """The reason, without any of the file's content."""
    if not hasattr(error, "reason"):  # as OpenSSL's errors have it, be it None
        return f"cannot be read ({error.strerror})"
    reason = error.reason
    if reason == "KEY_VALUES_MISMATCH":
        return "is not the key of TLS_CERT"
    if reason in {"EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK"}:
        return f"OpenSSL refuses as too weak ({reason})"
    return otherwise


def _no_passphrase() -> str:
    """Called by OpenSSL for a passphrase, instead of its prompt on the terminal."""
    raise ValueError("needs a passphrase")
