"""What MLflow holds of a training: one run, whatever interrupted it, and a network that can be
loaded again.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mlflow_store import client
from torch import nn

from advcore.pipelines.graph.plan import prepare
from advcore.pipelines.graph.running.training_alone import train
from advcore.pipelines.graph.settings import Study
from advcore.pipelines.settings import schema
from advcore.pipelines.training.epoch_loop import epochs
from advcore.pipelines.training.settings import Training
from advcore.workers.datasets import load
from advcore.workers.errors import InputError
from advcore.workers.models import build


@dataclass(frozen=True)
class Cut:
    """Stops the process as Ctrl-C does when it looks for the `at`-th time."""

    samples: int = 1
    at = 3
    seen = 0

    def __call__(
        self, network: nn.Module, images: torch.Tensor, labels: torch.Tensor, randomness: Any
    ) -> dict[str, float]:
        Cut.seen += 1
        if Cut.seen == Cut.at:
            raise KeyboardInterrupt
        return {}


def training_in(folder: Path, **changes: Any) -> Training:
    mapping = {
        "name": "small",
        "model": {"architecture": "perceptron"},
        "data": {"name": "digits", "split": "train", "samples": 120},
        "recipe": {"epochs": 4, "batch_size": 32},
        "run": {"out": str(folder), "threads": 1},
    }
    return schema.structure(Training, {**mapping, **changes}, at="training")


def runs(folder: Path) -> list[Any]:
    own = client(folder)
    return own.search_runs([own.get_experiment_by_name("advcore-training").experiment_id])


def test_an_interrupted_training_goes_on_in_its_run_and_its_network_comes_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = training_in(folder, watch={"kind": f"{__name__}:Cut"}, validation={"samples": 20})
    with pytest.raises(KeyboardInterrupt):
        train(training)
    assert [run.info.status for run in runs(folder)] == ["KILLED"]
    result = train(training)
    (run,) = runs(folder)
    assert run.info.status == "FINISHED"
    own, identity = client(folder), run.info.run_id
    assert [point.step for point in own.get_metric_history(identity, "loss")] == [1, 2, 3, 4]
    accuracies = [point.value for point in own.get_metric_history(identity, "validation/accuracy")]
    assert result.metrics["validation/accuracy"] == max(accuracies) == accuracies[result.epoch - 1]
    assert run.data.params["validation.samples"] == "20"
    assert run.data.tags["advcore.epoch"] == str(result.epoch)

    weights = result.checkpoint.read_bytes()
    for name in (
        f"runs:/{identity}/model",
        f"runs:/{identity}/model/artifacts/model.safetensors",
        "models:/small/1",
    ):
        further = training_in(
            folder, name="further", model={"architecture": "perceptron", "checkpoint": name}
        )
        study = schema.structure(
            Study,
            {
                "name": "study",
                "models": {"small": {"architecture": "perceptron", "checkpoint": name}},
                "data": {"name": "digits", "samples": 5},
                "probes": {"curvature": {"kind": "curvature"}},
                "run": {"out": str(folder)},
            },
        )
        path = prepare(study).tasks["small", "curvature"][0].model.checkpoint
        assert path is not None
        assert Path(path).read_bytes() == weights
    further = replace(further, run=replace(further.run, track=False))
    assert train(further).metrics["loss"] < own.get_metric_history(identity, "loss")[0].value
    assert '"checkpoint": "models:/small/1"' in (folder / "models/further.json").read_text()

    from mlflow.pyfunc import load_model

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
    served = load_model("models:/small/1")
    images = load(training.data).images[:5].astype(np.float32)
    expected = build(replace(training.model, checkpoint=str(result.checkpoint)))(
        torch.from_numpy(images)
    )
    assert np.array_equal(served.predict(images), expected.numpy())
    assert [entry.shape for entry in served.metadata.signature.inputs.inputs] == [(-1, 1, 8, 8)]
    assert [entry.shape for entry in served.metadata.signature.outputs.inputs] == [(-1, 10)]
    version = own.get_model_version_by_alias("small", "newest")
    assert (version.version, version.tags["advcore.architecture"], version.run_id) == (
        1,
        "perceptron",
        identity,
    )
    assert "without advcore" in version.description.lower()
    assert own.get_registered_model("small").description
    (program,) = (folder / "mlartifacts" / identity / "artifacts" / "model").rglob("network.pt2")
    torch.testing.assert_close(
        torch.export.load(program).module()(torch.from_numpy(images)),
        expected,
        rtol=1e-4,
        atol=1e-5,
    )
    files = list((folder / "mlartifacts" / identity / "artifacts" / "model").rglob("*"))
    assert not [file for file in files if file.suffix in (".pkl", ".pth", ".pt")]

    result.checkpoint.unlink()  # as if it had been killed once all but that was done
    train(training)
    assert len(own.search_model_versions("name = 'small'")) == 1
    other = training_in(folder, recipe={"epochs": 1})
    train(other)
    assert {version.version for version in own.search_model_versions("name = 'small'")} == {1, 2}


@pytest.mark.parametrize(
    ("name", "match"),
    [
        (
            "models:/nobody/1",
            (
                r"^models:/nobody/1 cannot be fetched from MLflow at sqlite:.*; check its "
                r"name and tracking_uri"
            ),
        ),
        ("runs:/0123/model", "^runs:/0123/model cannot be fetched from MLflow"),
    ],
)
def test_a_checkpoint_that_mlflow_does_not_have_is_refused(
    folder: Path, name: str, match: str
) -> None:
    with pytest.raises(InputError, match=match) as refused:
        train(training_in(folder, model={"architecture": "perceptron", "checkpoint": name}))
    assert "\n" not in str(refused.value)


def test_a_checkpoint_in_no_store_is_refused(place: Path) -> None:
    with pytest.raises(
        InputError,
        match=(
            r"models:/small/1 is looked for in .*, where no MLflow store is: give "
            r"tracking_uri, or"
        ),
    ):
        train(
            training_in(
                place, model={"architecture": "perceptron", "checkpoint": "models:/small/1"}
            )
        )


def test_a_folder_that_holds_several_checkpoints_is_refused(folder: Path) -> None:
    own = client(folder)
    run = own.create_run(
        own.create_experiment("other", (folder / "mlartifacts").as_uri())
    ).info.run_id
    for name in ("one.safetensors", "two.safetensors"):
        own.log_text(run, "", f"model/{name}")
    with pytest.raises(
        InputError,
        match=(
            rf"runs:/{run}/model must lead to one .safetensors file; it leads to 2: name the "
            r"file itself"
        ),
    ):
        train(
            training_in(
                folder, model={"architecture": "perceptron", "checkpoint": f"runs:/{run}/model"}
            )
        )


def test_workers_do_not_fetch(place: Path) -> None:
    with pytest.raises(
        InputError,
        match="checkpoint models:/small/1: file not found; check the path",
    ):
        next(
            epochs(
                training_in(
                    place, model={"architecture": "perceptron", "checkpoint": "models:/small/1"}
                ),
                place,
            )
        )
