"""Requests to servers on the loopback, without TLS.

httpx loads the certificates of all authorities for each client, even if it needs none: 20 ms a request.
"""

from __future__ import annotations

import ssl
from functools import partial

import httpx

_NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

get = partial(httpx.get, verify=_NO_AUTHORITIES)
head = partial(httpx.head, verify=_NO_AUTHORITIES)
post = partial(httpx.post, verify=_NO_AUTHORITIES)
stream = partial(httpx.stream, verify=_NO_AUTHORITIES)
Client = partial(httpx.Client, verify=_NO_AUTHORITIES)
AsyncClient = partial(httpx.AsyncClient, verify=_NO_AUTHORITIES)
