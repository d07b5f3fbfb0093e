"""Freezing: parts of a network that a training leaves as they are."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from torch import nn

from advcore.classifier import bare_network


def freeze(
    network: nn.Module, patterns: Sequence[str], head: str | None = None
) -> tuple[nn.Module, ...]:
    """Take frozen parameters out of a training; return the frozen layers.

    A pattern (of `fnmatch`: `*` any text, dots too) names parameters, or modules with all that is
    below them. The parameters get no gradients. A layer is frozen that a pattern names, or whose
    own parameters are all frozen, and below which nothing is trained. Its training is over: a
    training holds it in evaluation mode, so that running statistics of batch norm stay as they are,
    and dropout does nothing.

    Args:
        network: network, changed in place; normalisation around it does not count for names.
        patterns: patterns of the names; none leave the network alone.
        head: name of a layer that no pattern reaches.

    Raises:
        ValueError: if a pattern names nothing, or nothing is left to train.
    """
    if not patterns:
        return ()
    bare = bare_network(network)
    modules, parameters = dict(bare.named_modules()), dict(bare.named_parameters())
    for pattern in patterns:
        _check_pattern(bare, pattern)
    named = {name for name in modules if _matches(name, patterns)}
    stopped = {
        name
        for name in parameters
        if not _inside(name, {head}) and (_matches(name, patterns) or _inside(name, named))
    }
    if len(stopped) == len(parameters):
        raise ValueError(
            f"freeze: {list(patterns)} freezes every parameter, and nothing is left to train: "
            "freeze fewer, or take head: new"
        )
    for name in stopped:
        parameters[name].requires_grad_(False)
    alive = {prefix for name in parameters.keys() - stopped for prefix in _prefixes(name)}
    still = {name.rpartition(".")[0] for name in stopped}
    return tuple(
        module
        for name, module in modules.items()
        if name not in alive and (name in still or _inside(name, named))
    )


def _matches(name: str, patterns: Sequence[str]) -> bool:
    """Return whether a pattern names this; the network as a whole has no name."""
    return name != "" and any(fnmatchcase(name, pattern) for pattern in patterns)


def _inside(name: str, modules: set[str] | set[str | None]) -> bool:
    """Return whether a module or parameter is one of these modules, or below one."""
    return any(prefix in modules for prefix in (name, *_prefixes(name)))


def _prefixes(name: str) -> Iterator[str]:
    """The names of the modules that a module or parameter is in, the network's own `` the last."""
    while name:
        name = name.rpartition(".")[0]
        yield name


def _check_pattern(network: nn.Module, pattern: str) -> None:
    """Raise ValueError for a pattern that names no parameter and no module with a state."""
    known = [name for name, module in network.named_modules() if name and module.state_dict()]
    known += [name for name, _ in network.named_parameters()]
    if not any(fnmatchcase(name, pattern) for name in known):
        top = [name for name, module in network.named_children() if module.state_dict()]
        raise ValueError(
            f"freeze: {pattern!r} names nothing in the network, which has {', '.join(top)}, and "
            f"inside these such names as {known[-1]}"
        )
