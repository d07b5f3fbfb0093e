"""Servers in S3's place that are another's S3, or none; and refusals that do not pass."""

import http.client
from collections.abc import Callable

import pytest
from odd_server import Asked, answering
from s3_server import S3
from test_store import COLUMNS, KEY, same

from advcore.workers.errors import InputError, UnavailableError
from advcore.workers.stores.s3_requests import TRIES, Bucket
from advcore.workers.stores.store import open_store

PAGE = b"<!doctype html><html><body>Welcome</body></html>"


def error(status: int, code: str, sentence: str = "No more of it.") -> Callable[[Asked], None]:
    body = (
        f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{sentence}</Message></Error>"
    ).encode()
    return lambda asked: asked.answer(status, body, Content_Type="application/xml")


def old_s3(port: int) -> Callable[[Asked], None]:
    """A server before moto that knows no checksums, as many that speak like S3."""

    def answer(asked: Asked) -> None:
        names = [name.lower() for name in asked.headers]
        chunked = "aws-chunked" in (asked.headers.get("Content-Encoding") or "")
        if chunked or any(name.startswith("x-amz-") and "checksum" in name for name in names):
            error(
                501,
                "NotImplemented",
                "A header you provided implies functionality that is not implemented",
            )(asked)
            return
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request(asked.command, asked.path, asked.body, dict(asked.headers))
        got = connection.getresponse()
        body = got.read()
        asked.send_response(got.status)
        for name, value in got.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "date", "server"):
                asked.send_header(name, value)
        asked.end_headers()
        if asked.command != "HEAD":
            asked.wfile.write(body)

    return answer


def test_a_server_that_knows_no_checksums_serves(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(old_s3(s3.port)) as (url, _):
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        store = open_store(s3.url("x"))
        store.write(KEY, COLUMNS, {})
        same(COLUMNS, store.read(KEY))
        assert store.missing([KEY]) == []
        monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_supported")
        with pytest.raises(
            InputError,
            match=r"implies functionality.*: set AWS_REQUEST_CHECKSUM_CALCULATION=when_required",
        ) as told:
            open_store(s3.url("x"))
    assert not isinstance(told.value, UnavailableError)


def test_amazons_own_keep_their_checksums(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setattr(
        "advcore.workers.stores.s3_requests.check_listening", lambda url, seconds: None
    )
    assert (
        Bucket("some-bucket")._client.meta.config.request_checksum_calculation == "when_supported"
    )


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(
            lambda asked: asked.answer(200, PAGE, Content_Type="text/html"), marks=pytest.mark.slow
        ),
        lambda asked: asked.answer(404, PAGE, Content_Type="text/html"),
        lambda asked: asked.answer(405, PAGE, Content_Type="text/html"),
        lambda asked: asked.answer(301, Location=f"https://{asked.headers['Host']}{asked.path}"),
        lambda asked: asked.answer(302, Location="/login"),
        lambda asked: asked.answer(307, Location=f"https://{asked.headers['Host']}{asked.path}"),
    ],
    ids=["page", "no page", "no method", "moved", "login", "to https"],
)
@pytest.mark.usefixtures("brisk")
def test_what_is_no_s3_is_told(
    s3: S3, answer: Callable[[Asked], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(answer) as (url, _):
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        with pytest.raises(
            InputError, match=r"what answers there is no S3: check AWS_ENDPOINT_URL"
        ) as told:
            open_store(s3.url("x")).missing([KEY])
    assert isinstance(told.value, UnavailableError) == (
        "the answer is 500" in str(told.value)
    )  # so botocore calls a page


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (403, "RequestTimeTooSkewed"),
        (400, "InvalidToken"),
        (400, "AuthorizationHeaderMalformed"),
        (403, "QuotaExceeded"),
        (507, "XMinioStorageFull"),
        pytest.param(503, "XMinioStorageFull", marks=pytest.mark.slow),
        (400, "SomethingNew"),
    ],
)
@pytest.mark.usefixtures("brisk")
def test_what_does_not_pass_is_said_in_the_servers_words(
    s3: S3, status: int, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(error(status, code)) as (url, asked):
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        with pytest.raises(InputError, match=rf"it refuses \({code}: No more of it\.\)$") as told:
            open_store(s3.url("x"))
    assert not isinstance(told.value, UnavailableError)
    assert len(asked) <= (
        TRIES if status == 503 else 2
    )  # busy servers say 503 too, and botocore asks them again
