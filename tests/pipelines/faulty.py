"""A probe that looks at each sample, and fails, hangs, stops, or lacks memory, once or always,
where its folder says so.

It stands in a module of its own, as a user's would; what it does is told by files, so that its rows
have the same key in every run.
"""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from advcore.probes.probe import Batch, Columns, Summary
from advcore.randomness import Randomness


@dataclass(frozen=True)
class Faulty:
    """Logits and noise of each sample, after `seconds`.

    `folder` holds a file for each misdeed, named `DEED-PLACE`, or `DEED-PLACE-once`, for the sample
    at a place. Each try leaves a file `try-START-PID-TIME` there.
    """

    folder: str
    seconds: float = 0.2

    def validate(self, shape: tuple[int, int, int], classes: int) -> None:
        pass

    def measure(self, classifier: Any, batch: Batch, randomness: Randomness) -> Columns:
        Path(self.folder, f"try-{batch.start}-{os.getpid()}-{time.time_ns()}").touch()
        for deed in ("fail", "hang", "stop", "memory"):
            if self._told(deed, batch):
                getattr(self, f"_{deed}")(batch)
        time.sleep(self.seconds)
        noise = randomness.normal((1, 8, 8))
        logits = classifier(batch.inputs + noise.to(batch.inputs.dtype))
        return {"sample": batch.indices, "logits": logits, "noise": noise}

    def _told(self, deed: str, batch: Batch) -> bool:
        for start in range(batch.start, batch.start + len(batch.inputs)):
            if Path(self.folder, f"{deed}-{start}").exists():
                return True
            try:
                Path(self.folder, f"{deed}-{start}-once").unlink()
            except FileNotFoundError:
                continue
            return True
        return False

    def _fail(self, batch: Batch) -> None:
        raise ArithmeticError(f"place {batch.start} cannot be measured")

    def _hang(self, batch: Batch) -> None:
        time.sleep(1000)

    def _stop(self, batch: Batch) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)

    def _memory(self, batch: Batch) -> None:
        if len(batch.inputs) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    def summarise(self, table: Columns) -> Summary:
        return Summary({"samples": float(len(table["sample"]))})

    def charts(self, tables: Any) -> list[Any]:
        return []
