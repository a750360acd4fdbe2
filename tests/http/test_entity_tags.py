"""The documents and the page have entity tags, so that clients can revalidate them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from agent.http.negotiation import names_tag
from tests.http.wire import A_TOKEN, request
from tests.support.agents import agent_client, agent_server
from tests.support.endpoints import CONSTANT

if TYPE_CHECKING:
    import httpx

pytestmark = pytest.mark.anyio

TAGGED = sorted(CONSTANT - {"/health", "/fleet"})
TAG = b'W/"abc"'


@pytest.mark.usefixtures("simulation")
async def test_content_that_the_client_already_has_is_a_304() -> None:
    """This holds for compressed and plain answers, and for GET and HEAD."""
    async with agent_client(URL_PREFIX="server1") as client:
        for path in TAGGED:
            for encoding in ("gzip", "identity"):
                headers = {"Accept-Encoding": encoding}
                first = await client.get(f"/server1{path}", headers=headers)
                assert (path, 200) == (path, first.status_code)
                headers["If-None-Match"] = first.headers["etag"]
                for again in (
                    await client.get(f"/server1{path}", headers=headers),
                    await client.head(f"/server1{path}", headers=headers),
                ):
                    assert_not_modified(again, first)


def assert_not_modified(again: httpx.Response, first: httpx.Response) -> None:
    """There is no body and no header about one, but every other header that a cache needs."""
    assert (again.status_code, again.content) == (304, b"")
    assert not {"content-type", "content-length", "content-encoding"} & set(again.headers)
    for name in ("etag", "cache-control", "vary", "content-security-policy"):
        assert (name, again.headers.get(name)) == (name, first.headers.get(name))


@pytest.mark.usefixtures("simulation")
async def test_different_content_has_a_different_tag() -> None:
    """This includes the same path of an agent with other settings. A tag has 32 hexadecimal digits."""
    async with agent_client() as client, agent_client(FLEET="server1=/server1") as other:
        tags = [(await client.get(path)).headers["etag"] for path in TAGGED]
        assert len(set(tags)) == len(tags)
        assert all(re.fullmatch(r'W/"[0-9a-f]{32}"', tag) for tag in tags)
        page_tag = (await client.get("/")).headers["etag"]
        assert (await other.get("/", headers={"If-None-Match": page_tag})).status_code == 200
        document_tag = (await client.get("/openapi.json")).headers["etag"]
        assert (await other.get("/openapi.json", headers={"If-None-Match": document_tag})).status_code == 304


@pytest.mark.usefixtures("simulation")
async def test_data_has_no_entity_tag_and_is_always_sent() -> None:
    """Data is current, and no client may store it."""
    async with agent_client(SAMPLE_INTERVAL="60") as client:
        for path in ("/gpu", "/status", "/health", "/fleet"):
            response = await client.get(path, headers={"If-None-Match": "*"})
            assert (path, 200, False) == (path, response.status_code, "etag" in response.headers)


@pytest.mark.usefixtures("simulation")
async def test_if_none_match_does_not_replace_the_credential() -> None:
    async with agent_client(TOKEN=A_TOKEN) as client:
        assert (await client.get("/gpu", headers={"If-None-Match": "*"})).status_code == 401


@pytest.mark.usefixtures("simulation")
def test_a_304_has_no_body_over_a_real_socket() -> None:
    with agent_server() as url:
        tag = request(url, b"/openapi.json").headers["etag"]
        reply = request(url, b"/openapi.json", b"If-None-Match: " + tag.encode())
    assert (reply.status, reply.body, reply.headers.get("transfer-encoding")) == (304, b"", None)


@pytest.mark.parametrize(
    ("lines", "is_named"),
    [
        ([], False),
        ([b""], False),
        ([b'W/"abc"'], True),
        ([b'"abc"'], True),  # a cache on the way has made it strong
        ([b"*"], True),
        ([b" * "], True),
        ([b'"x", W/"abc" ,"y"'], True),
        ([b'"x"', b'"abc"'], True),
        ([b'"x,\\"abc"'], False),
        ([b'"a,b", "c*"'], False),
        ([b'W/"abcd"'], False),
        ([b'"ab"'], False),
        ([b'"ABC"'], False),
        ([b"abc"], False),
        ([b'"abc'], False),
    ],
)
def test_a_list_of_tags_is_compared_weakly(lines: list[bytes], is_named: bool) -> None:
    assert names_tag([(b"if-none-match", line) for line in lines], TAG) is is_named
