"""The modules behind a classifier, also if it is a function around them.

And how they run while they are measured.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from types import CodeType, FunctionType, MethodType
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

MOST_OBJECTS = 1000
"""Largest number of objects that are looked at behind a function."""


def modules_of(classifier: object) -> list[nn.Module]:
    """Return the modules that a classifier works with.

    These are itself, or those that a function, a method, a partial or an object holds.

    A function holds what its closure, its defaults and the names of its module that it reads lead
    to, also through lists, tuples, mappings and other functions of that module. One that is part of
    another stands for itself as well.
    """
    found: list[nn.Module] = []
    seen: dict[int, object] = {}  # the objects are kept, or another could take the place of one
    left = [classifier]
    while left and len(seen) < MOST_OBJECTS:
        thing = left.pop()
        if id(thing) in seen:
            continue
        seen[id(thing)] = thing
        if isinstance(thing, nn.Module):
            found.append(thing)
        left.extend(_held(thing))
    return found


def _held(thing: object) -> list[Any]:
    """Return what an object holds that may lead to modules."""
    if isinstance(thing, nn.Module):
        return [
            value
            for module in thing.modules()
            for value in vars(module).values()
            if isinstance(value, _CALLABLES)
        ]
    if isinstance(thing, FunctionType):
        return _read_by(thing)
    if isinstance(thing, MethodType):
        return [thing.__self__, thing.__func__]
    if isinstance(thing, partial):
        return [thing.func, *thing.args, *thing.keywords.values()]
    if isinstance(thing, list | tuple | dict):
        values = thing.values() if isinstance(thing, dict) else thing
        return [value for value in islice(values, MOST_OBJECTS) if callable(value)]
    if callable(thing) and not isinstance(thing, type):
        return list(getattr(thing, "__dict__", {}).values())
    return []


_CALLABLES = FunctionType | MethodType | partial


def _read_by(function: FunctionType) -> list[Any]:
    """Return what a function reads beside its arguments.

    That is its closure, its defaults, and names of its module.
    """
    closure = [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
    space = function.__globals__
    named = [space[name] for name in _names(function.__code__) if name in space]
    own = [
        value
        for value in named
        if not isinstance(value, FunctionType) or value.__module__ == function.__module__
    ]
    return [
        *closure,
        *(function.__defaults__ or ()),
        *(function.__kwdefaults__ or {}).values(),
        *own,
    ]


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:  # the function is called before the name gets its value
        return False


def _names(code: CodeType) -> set[str]:
    """The names that code reads, with those of the functions inside it."""
    inner = [part for part in code.co_consts if isinstance(part, CodeType)]
    return set(code.co_names).union(*map(_names, inner))


@contextmanager
def uncompiled() -> Iterator[None]:
    """Run modules made by `torch.compile` as they were written, inside the block.

    Compiled code has no second derivatives, and is compiled anew for each batch size.
    """
    if "torch._dynamo" not in sys.modules:  # nothing was compiled in this process
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield


@contextmanager
def twice_differentiable() -> Iterator[None]:
    """Build graphs that can be differentiated twice, inside the block.

    Attention runs by its formula, since its fused kernels have one derivative.
    """
    with uncompiled(), sdpa_kernel(SDPBackend.MATH):
        yield
