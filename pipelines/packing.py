"""A trained network packed as MLflow loads and serves it, without pickle."""

import logging
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path


def pack(folder: Path, weights: Path, about: Path, shape: Sequence[int], classes: int) -> None:
    """Write a new folder: the weights as safetensors, the JSON that says of what network they are, the script that puts the two
    together (`pipelines/served.py`), and the signature, images `(B, *shape)` to logits `(B, classes)`."""
    import numpy as np
    from mlflow.models.signature import ModelSignature
    from mlflow.pyfunc import save_model
    from mlflow.types import Schema, TensorSpec

    single = np.dtype("float32")
    inputs, outputs = TensorSpec(single, (-1, *shape)), TensorSpec(single, (-1, classes))
    logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)
    with warnings.catch_warnings(action="ignore"):
        save_model(
            folder,
            python_model=str(Path(__file__).with_name("served.py")),
            artifacts={"weights": str(weights), "about": str(about)},
            signature=ModelSignature(Schema([inputs]), Schema([outputs])),
            pip_requirements=[f"{package}=={version(package)}" for package in ("torch", "safetensors")],
        )
