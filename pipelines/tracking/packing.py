"""A trained network packed as MLflow loads and serves it, without pickle."""

import json
import logging
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from advcore.pipelines.settings import schema
from advcore.workers.models import ModelSpec, build


def pack(folder: Path, weights: Path, about: Path, shape: Sequence[int], classes: int) -> None:
    """Write a folder with the weights, their description, a loader and a signature.

    The weights are safetensors, the description is the JSON beside them, the loader is the script
    `pipelines/tracking/served.py`, `network.pt2` is the network as a program that plain torch runs
    (where it can be exported), and the signature maps images `(B, *shape)` to logits `(B,
    classes)`.
    """
    import numpy as np
    from mlflow.models.signature import ModelSignature
    from mlflow.pyfunc import save_model
    from mlflow.types import Schema, TensorSpec

    single = np.dtype("float32")
    inputs, outputs = TensorSpec(single, (-1, *shape)), TensorSpec(single, (-1, classes))
    logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)
    with warnings.catch_warnings(action="ignore"), tempfile.TemporaryDirectory() as place:
        program = Path(place) / "network.pt2"
        exported = {"network": str(program)} if export(weights, about, shape, program) else {}
        save_model(
            folder,
            python_model=str(Path(__file__).with_name("served.py")),
            artifacts={"weights": str(weights), "about": str(about), **exported},
            signature=ModelSignature(Schema([inputs]), Schema([outputs])),
            pip_requirements=[
                f"{package}=={version(package)}" for package in ("torch", "safetensors")
            ],
        )


def export(weights: Path, about: Path, shape: Sequence[int], program: Path) -> bool:
    """Write the network, normalisation inside, as a torch.export program for any batch size.

    Return False where torch cannot export it, such as one that branches by its values.
    """
    import torch
    import torch.export

    spec = schema.structure(
        ModelSpec, json.loads(about.read_text())["settings"]["model"], at="model"
    )
    network = build(replace(spec, checkpoint=str(weights)))
    try:
        batch = ({0: torch.export.Dim("batch")},)
        torch.export.save(
            torch.export.export(network, (torch.rand(2, *shape),), dynamic_shapes=batch), program
        )
    except Exception:  # torch raises what it likes of a network that it cannot take down
        return False
    return True
