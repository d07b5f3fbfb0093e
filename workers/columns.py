"""Check the columns that a probe returns for a batch.

Rows under a wrong sample would look like any others.
"""

import torch

from advcore.probes.probe import Batch, Columns, Probe, Selective


def check_columns(columns: Columns, probe: Probe, batch: Batch) -> int:
    """Return the number of rows.

    Raises ValueError unless there is a column `sample`, all columns are of one length, and the rows
    are those of the batch's samples, or of those that a `Selective` probe names, as many for each:
    all samples in turn, once or several times, or all rows of a sample together.
    """
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
    if not (
        torch.equal(sample, own.repeat(times)) or torch.equal(sample, own.repeat_interleave(times))
    ):
        raise ValueError(
            f"the column `sample` must hold the batch's indices in their order, {_shown(own)}; got "
            f"{_shown(sample)} (give batch.indices, repeated where a sample has several rows)"
        )
    return rows


def _shown(indices: torch.Tensor) -> str:
    return f"{', '.join(map(str, indices[:6].tolist()))}{', ...' if len(indices) > 6 else ''}"
