"""Checkpoints and data on S3 are the same as local ones, and each version is fetched once to a
machine.
"""

import io
import stat
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from faulty_proxy import Proxy, faulty, sometimes
from s3_server import S3

from advcore.networks import perceptron
from advcore.workers.checkpoints import save_checkpoint
from advcore.workers.datasets import DataSpec, load
from advcore.workers.errors import InputError
from advcore.workers.models import ModelSpec, build, content_hash
from advcore.workers.stores.s3_cache import cache_folder, local_file


def put(s3: S3, key: str, body: bytes) -> str:
    s3.client.put_object(Bucket=s3.bucket, Key=key, Body=body)
    return s3.url(key)


def fetches(proxy: Proxy) -> int:
    return len([method for method, _ in proxy.requests if method == "GET"])


def archive(images: np.ndarray) -> bytes:
    sink = io.BytesIO()
    np.savez(sink, images=images, labels=np.arange(len(images)) % 10)
    return sink.getvalue()


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    with torch.random.fork_rng():
        network = perceptron()
    with torch.no_grad():
        for number, weights in enumerate(network.parameters()):
            weights.fill_(0.01 * (number + 1))
    save_checkpoint(network, tmp_path / "own.safetensors", {})
    return tmp_path / "own.safetensors"


def test_a_checkpoint_there_is_the_same_model_as_here(s3: S3, checkpoint: Path) -> None:
    there = ModelSpec("perceptron", put(s3, "models/own.safetensors", checkpoint.read_bytes()))
    here = ModelSpec("perceptron", str(checkpoint))
    assert content_hash(there) == content_hash(here)
    for one, other in zip(build(there).parameters(), build(here).parameters(), strict=True):
        assert torch.equal(one, other)


def test_data_there_are_the_same_as_here(s3: S3, tmp_path: Path) -> None:
    raw = archive(np.arange(12 * 64, dtype=np.uint8).reshape(12, 8, 8))
    (tmp_path / "own.npz").write_bytes(raw)
    there, here = (
        load(DataSpec(f"npz:{name}"))
        for name in (put(s3, "own.npz", raw), str(tmp_path / "own.npz"))
    )
    assert there.digest == here.digest


def test_a_version_is_fetched_once_and_a_new_one_anew(
    s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = put(s3, "own.npz", b"one")
    with faulty(s3.port) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        threads = [threading.Thread(target=local_file, args=(url, "data set")) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        file = local_file(url, "data set")
        assert (file.read_bytes(), fetches(proxy)) == (b"one", 1)
        file.write_bytes(b"o")  # cut off behind our back
        assert (local_file(url, "data set").read_bytes(), fetches(proxy)) == (b"one", 2)
        put(s3, "own.npz", b"two")
        assert (local_file(url, "data set").read_bytes(), fetches(proxy)) == (b"two", 3)
    assert file.parent == cache_folder()
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.usefixtures("brisk")
def test_what_breaks_off_goes_on_where_it_broke(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = np.random.RandomState(0).bytes(5 * 2**20)
    url = put(s3, "large.npz", raw)
    with faulty(s3.port, lambda method, path: "cut" if method == "GET" else None) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        with pytest.raises(InputError, match="the answer was cut off"):
            local_file(url, "data set")
        assert not list(cache_folder().glob("*.npz"))
        proxy.choose = sometimes(2 / 3, kinds=("cut", "slow_down"))
        assert local_file(url, "data set").read_bytes() == raw
    assert [file.suffix for file in sorted(cache_folder().iterdir())] == [".lock", ".npz"]


def test_a_file_that_changes_while_it_is_fetched_is_refused(
    s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = put(s3, "own.npz", b"one")

    def change(method: str, path: str) -> None:
        if method == "GET":
            put(s3, "own.npz", b"two")

    with faulty(s3.port, change) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        with pytest.raises(InputError, match="it was changed while it was fetched: run again"):
            local_file(url, "data set")


def test_names_stay_in_the_cache(s3: S3) -> None:
    for name in ("a/../../x", "/x", "a//b", ".."):
        with pytest.raises(
            InputError, match="checkpoint needs a key of names between single slashes"
        ):
            local_file(s3.url(name), "checkpoint")
    for name in ("odd.safe/tensors", "x.sh;rm", "x." + "y" * 40):
        file = local_file(put(s3, name, b"-"), "checkpoint")
        assert (file.parent, file.suffix) == (cache_folder(), "")


def test_what_is_not_there_or_cannot_be_kept(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        InputError,
        match=(
            r"^checkpoint s3://.*/no.safetensors is not there: check the names of bucket and "
            r"object"
        ),
    ):
        build(ModelSpec("perceptron", s3.url("no.safetensors")))
    with pytest.raises(InputError, match=r"^data set s3://.*/no.npz is not there"):
        load(DataSpec(f"npz:{s3.url('no.npz')}"))
    url = put(s3, "bad.safetensors", b"noise")
    with pytest.raises(InputError, match=rf"checkpoint {url} is not a valid safetensors file"):
        build(ModelSpec("perceptron", url))
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(
        InputError,
        match=(
            rf"checkpoint {url} cannot be kept in .*file/advcore/s3 .*: free it, or set "
            r"XDG_CACHE_HOME"
        ),
    ):
        build(ModelSpec("perceptron", url))
