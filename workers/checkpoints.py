"""Checkpoints: files that hold the weights of a bare network, and nothing that runs."""

import os
import pickle
import re
import uuid
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from advcore.classifier import Normalized
from workers.paths import local
from workers.refusal import Refused

_SHOWN = 3
"""How many keys of a kind a message names before it counts."""


def save_checkpoint(module: nn.Module, path: str | Path, metadata: Mapping[str, str]) -> None:
    """Write the weights of `module` as safetensors, whole or not at all; a `Normalized` one is saved without its wrapping."""
    save_tensors(bare_weights(module), path, metadata)


def bare_weights(module: nn.Module) -> dict[str, Tensor]:
    """The weights of a network by the names that they bear without normalisation around it."""
    network = module.network if isinstance(module, Normalized) else module
    return network.state_dict()


def save_tensors(tensors: Mapping[str, Tensor], path: str | Path, metadata: Mapping[str, str]) -> None:
    """Write tensors as safetensors, whole or not at all. Several keys of metadata stand in any order: one makes equal bytes."""
    with whole(path) as unfinished:
        safetensors.torch.save_file(
            {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}, unfinished, metadata=dict(metadata)
        )


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """A path to write to, which takes the place of `path` at the end; left undone, nothing is there but what was."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def check_writable(folder: Path, what: str = "folder") -> None:
    """Make a folder and try it out, before the work whose results are to be kept there; `what` it is. Raises Refused."""
    trial = folder / f".trial.{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial.touch()
        trial.unlink()
    except (OSError, ValueError) as error:  # the second: a NUL
        reason = getattr(error, "strerror", None) or error
        raise Refused(f"{what} {folder} cannot be written ({reason}): choose another one (out: ...)") from error


def read_metadata(path: str | Path) -> dict[str, str]:
    """The words that `save_checkpoint` wrote beside the weights; none for a file that is no safetensors."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (OSError, SafetensorError):
        return {}


def load_checkpoint(network: nn.Module, path: str | Path) -> None:
    """Load a checkpoint into a bare network, every key of it. Raises Refused where the file or its keys do not fit."""
    weights = read_weights(path)
    problems = _misfits(network.state_dict(), weights)
    if problems:
        raise Refused(f"checkpoint {path} does not fit the model: {'; '.join(problems)}; check architecture, classes and arguments")
    network.load_state_dict(weights, strict=True)


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file, or of a torch file that holds weights only (never unpickling anything else).

    A torch file may hold them under "state_dict" or "model", and with a "module." before every key.
    """
    file = local(path)
    if not os.path.isfile(file):
        raise Refused(f"checkpoint {path} is no file: check the path")
    content = read_tensors(file) if file.suffix == ".safetensors" else _read_torch(file)
    for name in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
            break
    if not isinstance(content, Mapping) or not content or not all(isinstance(value, Tensor) for value in content.values()):
        raise Refused(
            f"checkpoint {path} must hold a state dict (names to tensors), plain or under state_dict or model; got {_kind(content)}"
        )
    if all(key.startswith("module.") for key in content):
        return {key.removeprefix("module."): value for key, value in content.items()}
    return dict(content)


def read_tensors(file: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file, on the CPU. Raises Refused where it is none."""
    try:
        return safetensors.torch.load_file(file, device="cpu")
    except SafetensorError as error:
        raise Refused(f"checkpoint {file} is no whole safetensors file ({error}): write or fetch it again") from error


def _read_torch(file: Path) -> Any:
    try:
        with warnings.catch_warnings(action="ignore"):  # torch wonders about files that are refused in the next line
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises what it likes, and advises to run the file's code: its words stay out of ours
        raise Refused(
            f"checkpoint {file} must hold weights and nothing else; got {_refused_content(file, error)}: "
            "save model.state_dict() by torch.save or as safetensors, or fetch the file again"
        ) from error


def _refused_content(file: Path, error: Exception) -> str:
    """What a file is that torch does not load as weights only."""
    named = re.search(r"GLOBAL ([\w.]+)", str(error))
    if named:
        return f"a pickle that names Python classes ({named[1]}), which could run code"
    if "TorchScript" in str(error):
        return "a TorchScript archive, which is code"
    with file.open("rb") as opened:
        pickled = opened.read(1) == b"\x80"
    if pickled and isinstance(error, pickle.UnpicklingError):
        return "a pickle that torch.save did not write, which could run code"
    return "no whole torch file"


def _kind(content: object) -> str:
    if isinstance(content, Mapping):
        return f"a mapping of {_some(str(key) for key in content)}" if content else "an empty mapping"
    return type(content).__name__


def _misfits(expected: Mapping[str, Tensor], came: Mapping[str, Tensor]) -> list[str]:
    shapes = [
        f"{key} is {tuple(came[key].shape)}, not {tuple(value.shape)}"
        for key, value in expected.items()
        if key in came and came[key].shape != value.shape
    ]
    found = {
        "missing": [key for key in expected if key not in came],
        "unexpected": [key for key in came if key not in expected],
        "wrong shape": shapes,
    }
    return [f"{kind}: {_some(names)}" for kind, names in found.items() if names]


def _some(names: Iterable[str]) -> str:
    every = list(names)
    rest = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return ", ".join(every[:_SHOWN]) + rest
