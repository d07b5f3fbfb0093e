"""Networks by name: advcore's own, another library's, or a user's own factory."""

import difflib
import importlib
import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from advcore.networks import NETWORKS
from advcore.workers.adapters.networks import library_of
from advcore.workers.errors import USERS_ERRORS, InputError


def make_network(
    name: str,
    classes: int,
    arguments: Mapping[str, Any],
    pretrained: bool = False,
    seed: int = 0,
) -> nn.Module:
    """Return the bare network of an architecture, its random weights by `seed`.

    Every worker makes the same one.

    The arguments are those of `advcore.workers.models.ModelSpec`. The global random state stays
    untouched. Raises InputError where no network bears the name, or its factory does not work.
    """
    factory = _factory(name, classes, pretrained)
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(seed)
        return _call(name, factory, arguments)


def _factory(name: str, classes: int, pretrained: bool) -> Callable[..., Any]:
    found = library_of(name, pretrained)
    if found is not None:
        own, inner = found
        return lambda **arguments: own.make(inner, classes, pretrained, arguments)
    if name in NETWORKS:
        return partial(NETWORKS[name], num_classes=classes)
    if ":" in name:
        factory = _imported(name)
        return partial(factory, num_classes=classes) if _takes(factory, "num_classes") else factory
    import torchvision  # takes as long as torch itself, and most workers need none of it

    known = torchvision.models.list_models()
    if name in known:
        return partial(torchvision.models.get_model, name, weights=None, num_classes=classes)
    close = difflib.get_close_matches(name, [*NETWORKS, *known], n=4)
    hint = (
        f"did you mean {', '.join(close)}?"
        if close
        else f"take {', '.join(NETWORKS)}, a torchvision model or package.module:factory"
    )
    raise InputError(f"unknown architecture {name!r}: {hint}")


def _imported(name: str) -> Callable[..., Any]:
    module, _, attribute = name.partition(":")
    try:
        factory = getattr(importlib.import_module(module), attribute)
    except USERS_ERRORS as error:
        raise InputError(
            f"cannot import architecture {name!r} ({_one_line(error)}): is its folder on "
            "PYTHONPATH?"
        ) from error
    if not callable(factory):
        raise InputError(
            f"architecture {name!r} must be a function that makes a network; got "
            f"{type(factory).__name__}"
        )
    return factory


def _takes(factory: Callable[..., Any], name: str) -> bool:
    try:
        parameters = inspect.signature(factory).parameters
    except ValueError:  # a callable written in C tells no signature
        return False
    return name in parameters or any(
        parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()
    )


def _check_arguments(name: str, factory: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    """Raise InputError for arguments that the factory does not take, with those that it takes."""
    unknown = [argument for argument in arguments if not _takes(factory, argument)]
    if name not in NETWORKS or not unknown:
        return
    known = list(inspect.signature(factory).parameters)
    known.remove("num_classes")  # the model's `classes`
    raise InputError(
        f"architecture {name} cannot be made with arguments {dict(arguments)!r}: it takes "
        f"{', '.join(known)}, not {', '.join(unknown)}"
    )


def _call(name: str, factory: Callable[..., Any], arguments: Mapping[str, Any]) -> nn.Module:
    _check_arguments(name, factory, arguments)
    try:
        network = factory(**arguments)
    except InputError:  # in one line already
        raise
    except USERS_ERRORS as error:
        raise InputError(
            f"architecture {name} cannot be made with arguments {arguments!r} "
            f"({_one_line(error)}): check arguments and classes, or correct the factory"
        ) from error
    if not isinstance(network, nn.Module):
        raise InputError(
            f"architecture {name} must make a torch.nn.Module; got {type(network).__name__}"
        )
    return network


def _one_line(error: BaseException) -> str:
    """Return an exception in one line: its type and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
