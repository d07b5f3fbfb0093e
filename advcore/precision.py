"""Full float32 on GPUs that would multiply in TensorFloat-32."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def full_precision() -> Iterator[None]:
    """Multiply in full float32 inside the block.

    TensorFloat-32 is off on GPUs that would use it, and as it was on exit.

    torch has two sets of switches for it, `allow_tf32` and `fp32_precision`, and refuses to read
    the former where the two differ. Both are set, so that both can be read inside
    (`torch.backends.cudnn.flags` reads the former); what could not be read before is restored by
    `fp32_precision` alone, which is the one that counts.
    """
    matmul: Any = torch.backends.cuda.matmul
    cudnn: Any = torch.backends.cudnn
    parts = (matmul, cudnn, cudnn.conv, cudnn.rnn)
    precisions = [part.fp32_precision for part in parts]
    legacy = [(part, _allow_tf32(part)) for part in (matmul, cudnn)]
    try:
        matmul.allow_tf32 = cudnn.allow_tf32 = False
        for part in parts:
            part.fp32_precision = "ieee"
        yield
    finally:
        for part, allowed in legacy:
            if allowed is not None:
                part.allow_tf32 = allowed
        for part, precision in zip(parts, precisions, strict=True):
            part.fp32_precision = precision


def _allow_tf32(part: Any) -> bool | None:
    """Return the older switch of a backend.

    None if torch refuses to read it, since the newer one was set.
    """
    try:
        return part.allow_tf32
    except RuntimeError:
        return None
