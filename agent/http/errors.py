"""Every failure a client can see, and the envelope it comes in.

    AgentError
    ├── InvalidRequest      code 1,   HTTP 400   a parameter is wrong
    ├── NotSet              code 1,   HTTP 404   a setting that the answer needs is not set
    ├── Unauthorized        code 401, HTTP 401   missing or wrong credential
    ├── NoDriver            code 2,   HTTP 500   no driver, or no NVML library
    └── TryAgainLater       code 2,   HTTP 503   not ready yet, or too many streams

The exception is the wire contract: code and status are on the class, and `failure` writes them. `install`
gives Starlette's own 404 and 405 and FastAPI's validation the same envelope. Refusals of the server itself
(agent/server/protocol.py) are written with `envelope`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, cast

from starlette.exceptions import HTTPException
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi.exceptions import RequestValidationError
    from starlette.applications import Starlette
    from starlette.requests import Request

CLIENT_FAULT = 1
SERVER_FAULT = 2

# Headers of every answer with data or a failure: do not store it, and do not guess its media type.
NO_STORE = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))


class AgentError(Exception):
    """A failure with one clear sentence for the client."""

    code: ClassVar[int] = SERVER_FAULT
    status: ClassVar[int] = 500
    headers: ClassVar[Mapping[str, str]] = {}

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidRequest(AgentError):
    """A parameter is wrong: names it, what was given and what is accepted."""

    code = CLIENT_FAULT
    status = 400


class NotSet(AgentError):
    """The answer needs a setting that is not set; names the setting."""

    code = CLIENT_FAULT
    status = 404


class Unauthorized(AgentError):
    """The credential is missing or wrong."""

    code = 401
    status = 401
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": "Bearer"}


class NoDriver(AgentError):
    """There is no driver or no NVML library; says what to do."""


class TryAgainLater(AgentError):
    """The driver has not answered yet, no GPU can be read, or there are too many streams."""

    status = 503
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "1"}


def envelope(code: int, message: str) -> bytes:
    """The failing answer's body: `{"code":…,"data":null,"error":…}`."""
    body = {"code": code, "data": None, "error": message}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8",
        errors="replace",  # a lone surrogate in a client's bytes must not make the agent fail
    )


def failure(code: int, status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """The failing answer."""
    response = Response(envelope(code, message), status, headers, "application/json")
    response.raw_headers.extend(NO_STORE)
    return response


def response_to(error: AgentError) -> Response:
    """The answer for an AgentError."""
    return failure(error.code, error.status, error.message, error.headers)


def not_found(path: str, headers: Mapping[str, str] | None = None) -> Response:
    """The answer for a path without a route."""
    message = f"No such path: {path}; /docs, under URL_PREFIX if one is set, lists the paths"
    return failure(CLIENT_FAULT, 404, message, headers)


def install(app: Starlette) -> None:
    """Make every failing answer of `app` an envelope."""
    # Only here, because the server needs this module before the app and FastAPI are loaded.
    from fastapi.exceptions import RequestValidationError

    from agent.readings.threads import NoThread

    app.add_exception_handler(AgentError, _agent_error)
    app.add_exception_handler(NoThread, _no_thread)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(Exception, _unexpected)


async def _agent_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, AgentError)  # noqa: S101  (registered for nothing else; narrows the type)
    return response_to(error)


async def _no_thread(_request: Request, error: Exception) -> Response:
    return response_to(TryAgainLater(str(error)))


async def _invalid_request(_request: Request, error: Exception) -> Response:
    faults = cast("RequestValidationError", error).errors()  # registered for nothing else
    return failure(CLIENT_FAULT, 400, "; ".join(map(_sentence, faults)))


async def _http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  (as above)
    path = request.scope["path"]
    match error.status_code:
        case 404:
            return not_found(path, error.headers)
        case 405:
            allowed = (error.headers or {}).get("Allow", "GET")
            message = f"{request.method} is not allowed at {path}; it takes {allowed}"
        case _:
            message = str(error.detail)
    code = CLIENT_FAULT if error.status_code < 500 else SERVER_FAULT
    return failure(code, error.status_code, message, error.headers)


async def _unexpected(_request: Request, _error: Exception) -> Response:
    # Starlette raises the error again after this answer is sent, so the server logs it with its traceback.
    return failure(SERVER_FAULT, 500, "The agent failed while answering; its log says why")


def _sentence(fault: Mapping[str, Any]) -> str:
    """The sentence for a validation error of pydantic: parameter, given value, accepted values."""
    given = str(fault.get("input"))[:80]
    expected = str(fault["msg"]).removeprefix("Input ").removeprefix("Value error, ")
    return f"Invalid {fault['loc'][-1]}: it {expected}, got {given!r}"
