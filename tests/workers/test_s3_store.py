"""The store on S3 keeps the very bytes that a folder keeps, whole or not at all, also on S3's bad
days.
"""

import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from faulty_proxy import faulty, sometimes
from s3_server import S3, SECRET
from test_store import COLUMNS, KEY, OTHER, same

from advcore.workers.errors import InputError
from advcore.workers.stores import s3_requests as s3_requests
from advcore.workers.stores.store import Store, open_store


def stored(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def large() -> dict[str, torch.Tensor]:
    """36 MB, 27 of them when they are compressed."""
    noise = torch.Generator().manual_seed(0)
    return {"sample": torch.arange(9), "image": torch.rand(9, 1000, 1000, generator=noise)}


def key(number: int) -> str:
    return f"{number * 2654435761 % 2**32:08x}" * 8


@pytest.fixture
def store(s3: S3) -> Store:
    return open_store(s3.url("some/store"))


def test_the_same_bytes_as_in_a_folder(s3: S3, store: Store, tmp_path: Path) -> None:
    folder = open_store(str(tmp_path / "store"))
    for one in (store, folder):
        one.write(KEY, COLUMNS, {"seconds": "0.5", "worker": "über:1"})
        one.write(OTHER, {name: column[:0] for name, column in COLUMNS.items()}, {})
    assert s3.objects("some/store/") == stored(tmp_path / "store")
    same(COLUMNS, store.read(KEY))
    same(folder.read_all([OTHER, KEY, KEY]), store.read_all([OTHER, KEY, KEY]))
    assert (
        store.metadata_all([KEY, OTHER])
        == folder.metadata_all([KEY, OTHER])
        == [{"seconds": "0.5", "worker": "über:1"}, {}]
    )


def test_which_keys_are_there_is_asked_in_pages(
    s3: S3, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moto.s3.models import s3_backends

    (backend,) = [
        backend
        for account in s3_backends.values()
        for backend in account.values()
        if s3.bucket in backend.buckets
    ]
    for number in range(0, 2500, 2):
        backend.put_object(s3.bucket, f"some/store/{key(number)[:2]}/{key(number)}.parquet", b"")
    with faulty(s3.port) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        store = open_store(s3.url("some/store"))
        proxy.requests.clear()
        assert store.missing([key(number) for number in range(2500)]) == [
            key(number) for number in range(1, 2500, 2)
        ]
        assert len(proxy.requests) == 2  # of the 1,250 that are there, a thousand each
        assert store.missing([key(7), key(4), key(9)]) == [key(7), key(9)]
        assert len(proxy.requests) <= 2 + 3
        assert store.missing([]) == []
        assert (store.has(key(4)), store.has(key(7))) == (True, False)


def test_large_rows_go_in_parts_and_are_not_seen_before_the_last(
    s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = large()
    with faulty(s3.port) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        store = open_store(s3.url("store"))
        seen: list[list[str]] = []

        def look(method: str, path: str) -> None:
            if method in ("PUT", "POST"):
                seen.append(
                    s3.client.list_objects_v2(Bucket=s3.bucket, Prefix="store/ab").get(
                        "Contents", []
                    )
                )

        proxy.choose = look
        store.write(KEY, rows, {})
    parts = [path for method, path in proxy.requests if method == "PUT" and "partNumber" in path]
    assert len(parts) == 2  # of 16 MiB each
    assert seen == [[]] * 4  # begun, two parts, ended
    with s3.directly():
        same(rows, open_store(s3.url("store"), create=False).read(KEY))


@pytest.mark.usefixtures("brisk")
def test_a_large_write_that_fails_leaves_nothing(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    with faulty(s3.port, lambda method, path: "error" if "partNumber=2" in path else None) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        store = open_store(s3.url("store"))
        with pytest.raises(
            InputError,
            match=(
                r"s3://.*ab.parquet, asked for at http://127.*the answer is InternalError: "
                r"try again"
            ),
        ):
            store.write(KEY, large(), {})
        assert not store.has(KEY)
    assert not s3.client.list_multipart_uploads(Bucket=s3.bucket).get("Uploads")


@pytest.mark.usefixtures("brisk")
def test_on_a_bad_day_everything_is_there_once_bit_for_bit(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A third of all requests are spoilt, in six ways."""
    folder = open_store(str(tmp_path / "store"))
    keys = [key(number) for number in range(30)]
    with faulty(s3.port, sometimes(1 / 3)) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        store = open_store(s3.url("store"))
        for number, name in enumerate(keys):
            rows = {**COLUMNS, "sample": torch.arange(3) + 3 * number}
            for one in (folder, store):
                one.write(name, rows, {"shard": str(number)})
        assert store.missing([*keys, OTHER]) == [OTHER]
        same(folder.read_all(keys), store.read_all(keys))
        assert store.metadata_all(keys) == folder.metadata_all(keys)
    assert (
        min(proxy.spoilt[kind] for kind in ("error", "slow_down", "drop", "lost", "cut", "slow"))
        >= 3
    ), proxy.spoilt
    assert s3.objects("store/") == stored(tmp_path / "store")


@pytest.mark.usefixtures("brisk")
def test_an_answer_that_does_not_come_is_asked_for_again(
    s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(s3_requests._SECONDS, "read_timeout", 0.5)
    seen: set[tuple[str, str]] = set()

    def first(method: str, path: str) -> str | None:
        fresh = (method, path) not in seen and "parquet" in path
        seen.add((method, path))
        return "stall" if fresh else None

    with faulty(s3.port, first) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        store = open_store(s3.url("store"))
        store.write(KEY, COLUMNS, {})
        same(COLUMNS, store.read(KEY))
        assert proxy.spoilt["stall"] == 2
    assert len(s3.objects("store/ab/")) == 1


@pytest.mark.usefixtures("brisk")
def test_a_body_that_always_breaks_off_is_given_up(
    s3: S3, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(KEY, COLUMNS, {})
    with faulty(s3.port, lambda method, path: "cut" if "parquet" in path else None) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        spoilt = open_store(s3.url("some/store"))
        with pytest.raises(
            InputError, match=r"asked for at http://127.0.0.1:\d+: the answer was cut off: try"
        ):
            spoilt.read(KEY)
    assert len([path for _, path in proxy.requests if KEY in path]) < 4 * s3_requests.TRIES


@pytest.mark.parametrize(
    "spoil", [lambda raw: raw[:50], lambda raw: raw[:-20], lambda raw: b"PAR1" + raw[40:]]
)
def test_a_damaged_object_is_named(s3: S3, store: Store, spoil: Any) -> None:
    store.write(KEY, COLUMNS, {})
    name = f"some/store/ab/{KEY}.parquet"
    s3.client.put_object(Bucket=s3.bucket, Key=name, Body=spoil(s3.objects()[name]))
    with pytest.raises(
        ValueError, match=rf"s3://.*{KEY}.parquet is damaged .*: delete it and run again"
    ):
        store.read(KEY)


def test_rows_that_are_not_there(store: Store) -> None:
    for read in (store.read, store.metadata):
        with pytest.raises(
            ValueError, match=f"some/store has no rows for {KEY}: measure that shard first"
        ):
            read(KEY)


def test_many_words_beside_the_rows(store: Store) -> None:
    words = {"probe": "p" * 200_000}
    store.write(KEY, COLUMNS, words)
    assert store.metadata(KEY) == words


@pytest.mark.parametrize("name", ["../../x", "a", "AB", "ab/cd", "ab\n", "", "zz"])
def test_a_key_cannot_leave_the_store(store: Store, tmp_path: Path, name: str) -> None:
    for one in (store, open_store(str(tmp_path / "store"))):
        for use in (
            one.has,
            one.read,
            one.metadata,
            lambda given, one=one: one.write(given, COLUMNS, {}),
        ):
            with pytest.raises(
                ValueError, match="a key of rows is made of 2 to 128 hexadecimal digits; got"
            ):
                use(name)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (
            "s3://",
            (
                r"store must be s3://BUCKET/KEY, without credentials, those are found in the "
                r"environment; got 's3://'"
            ),
        ),
        ("s3://a/b", r"store must be s3://BUCKET/KEY"),
        ("s3://buck et/b", r"store must be s3://BUCKET/KEY"),
        (f"s3://key:{SECRET}@bucket/b", r"got one with '@' or '\?'$"),
        (
            f"s3://bucket/b?secret_key={SECRET}",
            r"store needs a key of names .*; got one with '@' or '\?'$",
        ),
        (
            "s3://bucket",
            (
                "store needs a key of names between single slashes, none of them '.' or '..'; "
                "got 's3://bucket'"
            ),
        ),
        ("s3://bucket/a/../b", "store needs a key of names"),
        ("s3://bucket/a//b", "store needs a key of names"),
        ("s3://bucket/a\nb", "store needs a key of names"),
        (
            f"gs://key:{SECRET}@bucket/b",
            "store gs://...: expected the path of a folder or s3://BUCKET/PREFIX",
        ),
    ],
)
def test_locations_that_are_refused(url: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as error:
        open_store(url)
    assert SECRET not in str(error.value)


def test_a_bucket_that_is_not_there(s3: S3) -> None:
    with pytest.raises(
        InputError,
        match=r"s3://no-such-bucket/x/advcore-store, asked for at http.*: there is no such bucket",
    ):
        open_store("s3://no-such-bucket/x")


def test_no_credentials(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(
        InputError,
        match=(
            "the credentials are not whole: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            "or AWS_PR"
        ),
    ):
        open_store(s3.url("x"))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(
        InputError,
        match=(
            "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
            "AWS_PROFILE"
        ),
    ):
        open_store(s3.url("x"))
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(InputError, match="there is no such profile"):
        open_store(s3.url("x"))


@pytest.mark.usefixtures("brisk")
def test_endpoints_that_do_not_serve(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    for endpoint, words in (
        (
            f"http://user:{SECRET}@127.0.0.1:9",
            r"asked for at http://127.0.0.1:9: nobody answers there: check AWS_ENDPOINT_URL",
        ),
        ("nowhere", "asked for at AWS_ENDPOINT_URL: AWS_ENDPOINT_URL is no URL"),
        (
            "http://127.0.0.1:99999",
            "asked for at http://127.0.0.1:99999: AWS_ENDPOINT_URL is no URL",
        ),
        ("http://127.0.0.1:\N{SUPERSCRIPT TWO}", "AWS_ENDPOINT_URL is no URL"),
        ("http://a..b:80", "AWS_ENDPOINT_URL is no URL"),
    ):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        with pytest.raises(InputError, match=words) as error:
            open_store(s3.url("x"))
        assert SECRET not in str(error.value)
        assert error.value.__cause__ is None


@pytest.mark.usefixtures("brisk")
def test_what_the_server_refuses_is_said_in_our_words(
    s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    for fault, words in (
        ("forbidden", "forbidden: the credentials lack the right"),
        ("error", "the answer is InternalError"),
    ):
        with faulty(s3.port, lambda method, path, fault=fault: fault) as proxy:
            monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
            with pytest.raises(InputError, match=words) as error:
                open_store(s3.url("x"))
            assert "planted" not in str(error.value)


def test_a_worker_opens_what_the_driver_made(s3: S3) -> None:
    with pytest.raises(
        InputError,
        match=(
            r"store s3://.*/x is not the driver's as this worker sees it: give both the same "
            r"AWS_ENDP"
        ),
    ):
        open_store(s3.url("x"), create=False)
    for create in (True, False, False):
        open_store(s3.url("x/"), create=create)
    assert s3.objects() == {"x/advcore-store": b"rows of finished shards\n"}


def test_two_writers_of_one_key_are_harmless(s3: S3, store: Store) -> None:
    threads = [threading.Thread(target=store.write, args=(KEY, COLUMNS, {})) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    same(COLUMNS, store.read(KEY))
    assert len(s3.objects("some/store/ab/")) == 1
