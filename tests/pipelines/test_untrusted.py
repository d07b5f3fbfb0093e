"""What somebody else made is data: checkpoints, archives, rows, trials, models in MLflow.

Nothing in it runs.
"""

import ast
import io
import json
import os
import pickle
import struct
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from advcore.pipelines.settings.names import check_name
from advcore.pipelines.sweep.trial_files import Trial, read_trial
from advcore.pipelines.tracking import tracker
from advcore.pipelines.tracking.checkpoints import download_checkpoint
from advcore.pipelines.tracking.client import Client
from advcore.workers.checkpoints import read_metadata
from advcore.workers.datasets import DataSpec, load
from advcore.workers.errors import InputError
from advcore.workers.models import ModelSpec, build
from advcore.workers.stores.store import open_store

ROOT = Path(__file__).parents[2]


class Payload:
    """Makes the folder `owned` where it is unpickled."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("owned",)


@pytest.fixture(autouse=True)
def _nothing_runs(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    yield
    assert not (place / "owned").exists()


def test_the_payload_works(place: Path) -> None:
    pickle.loads(pickle.dumps(Payload()))
    (place / "owned").rmdir()


def legacy(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def modern(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("write", [legacy, modern, pickle.dumps])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda it: it,
        lambda it: {"state_dict": it},
        lambda it: {"1.weight": torch.zeros(2), "x": it},
    ],
)
def test_a_checkpoint_that_is_a_program_is_refused(place: Path, write: Any, wrap: Any) -> None:
    (place / "bad.pt").write_bytes(write(wrap(Payload())))
    with pytest.raises(
        InputError,
        match=(
            r"bad.pt must contain only weights and plain data; got a pickle that .*which could "
            r"run code"
        ),
    ):
        build(ModelSpec("perceptron", "bad.pt"))


def tensors(header: Any, body: bytes = bytes(8), length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def entry(start: int, end: int, shape: tuple[int, ...] = (1,)) -> dict[str, Any]:
    return {"dtype": "F32", "shape": list(shape), "data_offsets": [start, end]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        bytes(7),
        tensors({}, length=2**63),
        tensors({}, length=2**40),
        tensors({"a": entry(0, 4), "b": entry(0, 4)}),
        tensors({"a": entry(0, 8), "b": entry(4, 8)}),
        tensors({"a": entry(0, 2**60, (2**58,))}),
        tensors({"a": entry(8, 0)}),
        tensors({"a": entry(0, 8, (2**62, 4))}),
        tensors({"a": entry(0, 8, (-2,))}),
        tensors(b"{" * 10_000),
        tensors(b"\xff{}"),
        tensors({"a": {"dtype": "O", "shape": [1], "data_offsets": [0, 8]}}),
        tensors({"a": entry(0, 4)}, bytes(4) + b"more"),
    ],
    ids=range(14),
)
def test_safetensors_that_lie_are_refused(place: Path, content: bytes) -> None:
    (place / "bad.safetensors").write_bytes(content)
    with pytest.raises(InputError, match=r"bad.safetensors is not a valid safetensors file"):
        build(ModelSpec("perceptron", "bad.safetensors"))
    assert read_metadata("bad.safetensors") == {}


@pytest.mark.parametrize("name", ["images", "labels", "names"])
def test_an_archive_with_a_pickle_is_refused(place: Path, name: str) -> None:
    content = {"images": np.zeros((2, 1, 2, 2)), "labels": np.arange(2)} | {
        name: np.array([Payload(), 1], object)
    }
    np.savez("bad.npz", allow_pickle=True, **content)  # type: ignore[arg-type]
    with pytest.raises(
        InputError,
        match=r"npz:bad.npz is not a NumPy archive of plain arrays \(Object arrays cannot be",
    ):
        load(DataSpec("npz:bad.npz"))


KEY = "ab" * 32


def test_rows_whose_type_is_a_pickle_stay_numbers(place: Path) -> None:
    """As in CVE-2023-47248, where reading a Parquet file unpickled the type of a column."""
    store = open_store("store")
    words = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": pickle.dumps(Payload()),
    }
    schema = pa.schema(
        [pa.field("x", pa.int64(), metadata=words)], metadata={b"pandas": pickle.dumps(Payload())}
    )
    path = place / "store" / KEY[:2] / f"{KEY}.parquet"
    path.parent.mkdir()
    pq.write_table(pa.table({"x": pa.array([1, 2])}).cast(schema), path)
    assert store.read(KEY)["x"].tolist() == [1, 2]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "content", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1", pickle.dumps(Payload())]
)
def test_rows_that_are_no_parquet_are_refused(place: Path, content: bytes) -> None:
    store = open_store("store")
    path = place / "store" / KEY[:2] / f"{KEY}.parquet"
    path.parent.mkdir()
    path.write_bytes(content)
    for read in (store.read, store.metadata):
        with pytest.raises(ValueError, match=r"is damaged .*: delete it and run again"):
            read(KEY)


TRIAL = asdict(Trial("0123", 1, {"a.b": 0.5}, "ef", rows={"noise": [KEY]}))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        pickle.dumps(Payload()),
        json.dumps({**TRIAL, "key": "../../elsewhere"}).encode(),
        json.dumps({**TRIAL, "rows": {"noise": ["../../../etc/passwd"]}}).encode(),
        json.dumps({**TRIAL, "rows": [KEY]}).encode(),
        json.dumps({**TRIAL, "point": "x"}).encode(),
        json.dumps({**TRIAL, "more": 1}).encode(),
    ],
    ids=range(10),
)
def test_a_trial_that_is_none_is_not_gone_on_with(place: Path, content: bytes) -> None:
    path = place / "0123.json"
    path.write_text(json.dumps(TRIAL))
    assert read_trial(path) == Trial(**TRIAL)
    path.write_bytes(content)
    assert read_trial(path) is None


def test_a_model_in_mlflow_that_is_a_pickle_is_refused(folder: Path) -> None:
    packed = folder / "packed"
    packed.mkdir()
    (packed / "python_model.pkl").write_bytes(pickle.dumps(Payload()))
    (packed / "MLmodel").write_text(
        "flavors:\n  python_function:\n    loader_module: mlflow.pyfunc.model\n    "
        "python_model: python_model.pkl\n"
        "    cloudpickle_version: 3.1.1\n    python_version: 3.11.7\n"
    )
    run = tracker.MLflowTracker(None, folder).open("experiment", "key", "name")
    assert os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"
    client = Client(f"sqlite:///{folder / 'mlflow.db'}")
    client.ask("log_artifacts", run.id, str(packed), "model")
    client.ask("create_registered_model", "bad")
    client.ask("create_model_version", "bad", f"runs:/{run.id}/model", run.id)
    for name in (f"runs:/{run.id}/model", "models:/bad/1"):
        with pytest.raises(
            InputError,
            match=r"must lead to one .safetensors file; it leads to 0: name the file itself",
        ):
            download_checkpoint(ModelSpec("perceptron", name), None, folder)
    spec = download_checkpoint(
        ModelSpec("perceptron", f"runs:/{run.id}/model/python_model.pkl"), None, folder
    )
    with pytest.raises(
        InputError, match=r"python_model.pkl must contain only weights and plain data; got a pickle"
    ):
        build(spec)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        *[
            (name, "a name is made of letters")
            for name in ("../x", "/etc/x", "a/b", "a\\b", "a\0b", "..", ".x", "", "a b", "ä", "a\n")
        ],
        ("x" * 300, "a name must have at most 100 characters; got 300"),
        *[
            (name, "cannot be a file's name on Windows")
            for name in ("CON", "nul", "aux.yaml", "Com1", "end.")
        ],
    ],
)
def test_names_cannot_leave_their_folder(name: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_name(name)
    check_name("Two-lenets_3.new")


UNPICKLING = ("pickle", "cloudpickle", "dill", "joblib", "marshal")
FORBIDDEN = {
    *(f"{module}.{name}" for module in UNPICKLING for name in ("load", "loads", "Unpickler")),
    *(
        "eval",
        "exec",
        "os.system",
        "os.popen",
        "yaml.unsafe_load",
        "yaml.full_load",
        "shelve.open",
        "shutil.unpack_archive",
    ),
}
ONLY_WITH = {
    "torch.load": "weights_only=True",
    "np.load": "allow_pickle=False",
    "numpy.load": "allow_pickle=False",
}


@pytest.mark.parametrize("package", ["advcore", "workers", "pipelines", "benchmarks"])
def test_no_code_of_ours_runs_data(package: str) -> None:
    calls = 0
    for file in sorted((ROOT / package).rglob("*.py")):
        for call in (
            node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)
        ):
            calls += 1
            name, keywords = (
                ast.unparse(call.func),
                [ast.unparse(keyword) for keyword in call.keywords],
            )
            place = f"{file.relative_to(ROOT)}:{call.lineno}: {name}"
            assert name not in FORBIDDEN, place
            assert not name.endswith(".extractall"), place
            assert "shell=True" not in keywords, place
            assert name not in ONLY_WITH or ONLY_WITH[name] in keywords, place
            assert name != "yaml.load" or ast.unparse(call.args[1]) == "_Loader", place
    assert calls > 100
