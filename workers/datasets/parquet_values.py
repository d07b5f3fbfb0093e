"""Values of a Parquet column as bytes and arrays: encoded pictures, nested lists of numbers."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from advcore.workers.datasets.reading import File
from advcore.workers.errors import InputError


def is_bytes(kind: Any) -> bool:
    """Return True for the types of encoded pictures."""
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def is_list(kind: Any) -> bool:
    """Return True for the types of lists, of one size or of several."""
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(is_one(kind) for is_one in lists)


def value_bytes(value: Any, name: str) -> bytes:
    """Return the bytes of one value: encoded ones as they are, arrays in C order."""
    if isinstance(value, np.ndarray):
        return value.tobytes()
    if pa.types.is_struct(value.type):
        if "bytes" not in {field.name for field in value.type}:
            raise InputError(f"{name} must hold its picture's bytes; got {value.type}")
        value = value["bytes"] if value.is_valid else value
    if not value.is_valid:
        raise InputError(f"{name} has no image: remove its row")
    found: bytes = value.as_py()
    return found


def nested_array(values: Any, file: File) -> np.ndarray:
    """Return nested lists of one shape as an array `(n, ...)`."""
    shape, whole = [len(values)], values.type
    while is_list(values.type):
        lengths = pc.unique(pc.list_value_length(values)).to_pylist()
        if len(lengths) != 1 or lengths[0] is None:
            raise InputError(f"{file.place} must hold lists of one shape, and none empty: {whole}")
        shape.append(lengths[0])
        values = values.flatten()
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        raise InputError(f"{file.place} must hold numbers in its lists; got {whole}")
    if values.null_count:
        raise InputError(f"{file.place} lacks {values.null_count} numbers in its lists")
    return values.to_numpy(zero_copy_only=False).reshape(shape)
