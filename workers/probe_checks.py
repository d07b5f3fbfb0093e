"""Checks of what a probe did: the rows that it gave, and the network that it was given.

Rows under a wrong sample would look like any others, and a probe that changes the network in place
would change the rows of the others.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from advcore.probes.probe import Batch, Columns, Counting, Probe, Selective

Fingerprint = Mapping[str, object]
"""Values that are compared, by the name of a parameter, a buffer or a module."""


def fingerprint(network: nn.Module) -> Fingerprint:
    """Return what a measurement must leave unchanged.

    Each tensor's bytes as a sum, each module's mode and number of hooks.
    """
    tensors = {
        name: tensor for name, tensor in _tensors(network).items() if tensor.layout == torch.strided
    }
    sums = [total.cpu() for total in map(_total, tensors.values())]
    about: dict[str, object] = {
        name: (total.item(), tuple(tensor.shape), tensor.requires_grad)
        for (name, tensor), total in zip(tensors.items(), sums, strict=True)
    }
    for name, module in network.named_modules():
        about[f"{name or 'the network'} (mode, hooks)"] = (
            module.training,
            len(module._forward_hooks),
            len(module._backward_hooks),
        )
    return about


def check_untouched(network: nn.Module, before: Fingerprint) -> None:
    """Raise ValueError where a network is no longer what its fingerprint says."""
    after = fingerprint(network)
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    if changed:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise ValueError(
            "a probe must leave the network as it is, and this one changed "
            f"{', '.join(changed[:3])}{more}: work on copy.deepcopy(classifier)"
        )


def _tensors(network: nn.Module) -> dict[str, Tensor]:
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


def _total(tensor: Tensor) -> Tensor:
    """The sum of a tensor's bytes, four at a time where they come in fours."""
    flat = tensor.detach().contiguous().reshape(-1)
    return flat.view(torch.uint8 if flat.element_size() % 4 else torch.int32).sum(dtype=torch.int64)


def check_columns(columns: Columns, probe: Probe, batch: Batch) -> int:
    """Return the number of rows.

    Raises ValueError unless each column is a tensor or a list of texts, there is a column `sample`,
    all columns are of one length, and the rows are those of the batch's samples, or of those that a
    `Selective` probe names, as many for each: all samples in turn, once or several times, or all
    rows of a sample together, of a unit for a `Counting` one.
    """
    for name, column in columns.items():
        _check_kind(name, column)
    lengths = {name: len(column) for name, column in columns.items()}
    if "sample" not in lengths or len(set(lengths.values())) != 1:
        raise ValueError(
            f"a probe must give columns of one length, `sample` among them; got {lengths or 'none'}"
        )
    rows, own = (
        lengths["sample"],
        (probe.samples(batch) if isinstance(probe, Selective) else batch).indices.cpu(),
    )
    sample = torch.as_tensor(columns["sample"]).cpu()
    times = rows // len(own) if len(own) else 0
    if rows != times * len(own) or (len(own) and not rows):
        raise ValueError(
            f"a probe must give as many rows for each of its {len(own)} samples; got {rows} rows "
            "(a probe of some of them says which by a method `samples`)"
        )
    together = torch.equal(sample, own.repeat_interleave(times))
    if not together and (isinstance(probe, Counting) or not torch.equal(sample, own.repeat(times))):
        raise ValueError(
            f"the column `sample` must hold the batch's indices in their order, {_shown(own)}; got "
            f"{_shown(sample)} (give batch.indices, repeated where a sample has several rows)"
        )
    return rows


def _check_kind(name: str, column: object) -> None:
    """Raise ValueError for a column that is neither a tensor `(rows, *shape)` nor a list of texts.

    A text may be missing (None).
    """
    if isinstance(column, Tensor):
        if column.ndim == 0:
            raise ValueError(
                f"column {name!r} must have one row a sample; got a tensor of one number: write "
                "its .expand(len(batch.indices)) if all samples share it"
            )
        return
    came = type(column).__name__
    if isinstance(column, Sequence) and not isinstance(column, str):
        wrong = next((own for own in column if not isinstance(own, str | None)), None)
        if wrong is None:
            return
        came += f" of {type(wrong).__name__}"
    raise ValueError(
        f"column {name!r} must be a tensor or a list of texts; got a {came}: write "
        "torch.as_tensor(...) for numbers"
    )


def _shown(indices: torch.Tensor) -> str:
    return f"{', '.join(map(str, indices[:6].tolist()))}{', ...' if len(indices) > 6 else ''}"
