"""Checkpoints: files that hold the weights of a bare network, and nothing that runs."""

import json
import os
import pickle
import re
import struct
import warnings
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from advcore.classifier import Normalized
from advcore.workers.errors import InputError
from advcore.workers.files import atomic_write
from advcore.workers.paths import expand_path
from advcore.workers.state_dicts import check_normaliser, find_state_dict, fit_names, misfits

PLAIN_DATA = (
    "argparse.Namespace",
    "builtins.dict",
    "builtins.float",
    "builtins.int",
    "builtins.list",
    "builtins.set",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray._reconstruct",
    "numpy.dtype",
    "numpy.ndarray",
    "pathlib.PosixPath",
    "pathlib.WindowsPath",
    "pathlib._local.PosixPath",
    "pathlib._local.WindowsPath",
    "types.SimpleNamespace",
)
"""Objects that training scripts put beside the weights, by the names of classes and functions in a
pickle."""


class _Aside:
    """A stand-in for plain data in a pickle.

    It takes any arguments and any state, and keeps nothing. So no code of NumPy's, or of anybody
    else's, runs for them.
    """

    def __new__(cls, *arguments: object) -> "_Aside":
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        pass


def save_checkpoint(module: nn.Module, path: str | Path, metadata: Mapping[str, str]) -> None:
    """Write the weights of `module` as safetensors, atomically.

    A `Normalized` one is saved without its wrapping.
    """
    save_tensors(bare_weights(module), path, metadata)


def bare_weights(module: nn.Module) -> dict[str, Tensor]:
    """The weights of a network by the names that they bear without normalisation around it."""
    network = module.network if isinstance(module, Normalized) else module
    return network.state_dict()


def save_tensors(
    tensors: Mapping[str, Tensor], path: str | Path, metadata: Mapping[str, str]
) -> None:
    """Write tensors as safetensors, atomically.

    The same tensors and metadata make the same bytes.
    """
    with atomic_write(path) as unfinished:
        safetensors.torch.save_file(
            {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()},
            unfinished,
            metadata=dict(metadata),
        )
        _sort_metadata(unfinished)


def _sort_metadata(path: Path) -> None:
    """Rewrite the header of a safetensors file with the metadata sorted by name.

    The library puts them in any order.
    """
    with path.open("r+b") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        header["__metadata__"] = dict(sorted(header.get("__metadata__", {}).items()))
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        if len(text) <= length:
            file.seek(8)
            file.write(text.ljust(length))


def read_metadata(path: str | Path) -> dict[str, str]:
    """Return the metadata that `save_checkpoint` wrote beside the weights.

    It is empty for a file that is no safetensors.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (OSError, SafetensorError):
        return {}


def load_checkpoint(
    network: nn.Module,
    path: str | Path,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    apart: str | None = None,
) -> None:
    """Load a checkpoint into a bare network, every key of it, but for those of the layer `apart`.

    Raises InputError where the file or its keys do not fit.

    Names fit as `advcore.workers.state_dicts.fit_names` says; a normaliser in the file must have
    the model's `mean` and `std`.
    """
    expected = network.state_dict()
    weights, normaliser = fit_names(read_weights(path), expected)
    if apart is not None:
        expected, weights = _without(expected, apart), _without(weights, apart)
    problems = misfits(expected, weights)
    if problems:
        raise InputError(
            f"checkpoint {path} does not fit the model: {'; '.join(problems)}; check "
            "architecture, classes and arguments"
        )
    check_normaliser(normaliser, mean, std, path)
    network.load_state_dict(weights, strict=False)  # but for counters of batches


def _without(tensors: Mapping[str, Tensor], layer: str) -> dict[str, Tensor]:
    return {name: value for name, value in tensors.items() if name.rpartition(".")[0] != layer}


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Return the tensors of a .safetensors file, or of a torch file that holds weights.

    A torch file may hold plain data too; nothing else is ever unpickled.

    A torch file may hold them under a name, see `advcore.workers.state_dicts.find_state_dict`, and
    with a "module." before every key.
    """
    file = expand_path(path)
    if not os.path.isfile(file):
        raise InputError(f"checkpoint {path}: file not found; check the path")
    content = find_state_dict(
        path, read_tensors(file) if file.suffix == ".safetensors" else _read_torch(file)
    )
    if all(key.startswith("module.") for key in content):
        return {key.removeprefix("module."): value for key, value in content.items()}
    return content


def read_tensors(file: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file, on the CPU. Raises InputError where it is none."""
    try:
        return safetensors.torch.load_file(file, device="cpu")
    except SafetensorError as error:
        raise InputError(
            f"checkpoint {file} is not a valid safetensors file ({error}): write or fetch it again"
        ) from error


def _read_torch(file: Path) -> Any:
    try:
        # torch wonders about files that are refused in the next line
        with (
            warnings.catch_warnings(action="ignore"),
            torch.serialization.safe_globals(_stand_ins()),
        ):
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        # torch raises what it likes, and advises to run the file's code: its words stay out of ours
        raise InputError(
            f"checkpoint {file} must contain only weights and plain data; got "
            f"{_refused_content(file, error)}"
        ) from error


def _stand_ins() -> list[Any]:
    """Return the pairs of stand-in and name that torch wants.

    There is another class for each, as torch knows them by class.
    """
    return [
        (_plain_dict, "collections.defaultdict"),
        *((type("_Aside", (_Aside,), {}), name) for name in PLAIN_DATA),
    ]


def _plain_dict(*arguments: object) -> OrderedDict[str, object]:
    """Stand in for a defaultdict by one of the mappings that torch fills."""
    return OrderedDict()


def _refused_content(file: Path, error: Exception) -> str:
    """Describe a file that torch does not load as weights only."""
    named = re.search(r"GLOBAL ([\w.]+)", str(error))
    if named:
        return (
            f"a pickle that names Python classes ({named[1]}), which could run code: save "
            "model.state_dict() by torch.save or as safetensors where the file came from, and "
            "numbers beside it as plain ones (float(accuracy), vars(arguments))"
        )
    if "TorchScript" in str(error):
        return (
            "a TorchScript archive, which is code: save its state_dict() by torch.save or as "
            "safetensors"
        )
    with file.open("rb") as opened:
        pickled = opened.read(1) == b"\x80"
    if pickled and isinstance(error, pickle.UnpicklingError):
        return (
            "a pickle that torch.save did not write, which could run code: save "
            "model.state_dict() by torch.save"
        )
    return "a file that torch cannot read (cut off, or of another kind): write or fetch it again"
