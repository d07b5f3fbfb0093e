"""The SQLite store in a folder, through MLflow itself and through our tracker."""

from pathlib import Path
from typing import Any

from advcore.pipelines.tracking.tracker import MLflowTracker


def client(folder: Path) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")


def opened(folder: Path, key: str = "k") -> Any:
    return MLflowTracker(None, folder).open("experiment", key, "study")
