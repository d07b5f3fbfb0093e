"""References to fits in settings, filled with what the fits have learnt."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from advcore.learnt import Learnt, with_learnt
from advcore.workers.errors import InputError
from advcore.workers.fit_files import read_finished
from advcore.workers.stores.retries import with_store_retries
from advcore.workers.stores.store import Store

KEPT = 4
"""Number of fits whose tensors stay in memory, the last ones used."""


class LearntTensors:
    """The tensors of finished fits in a store, on a device; the last few stay in memory."""

    def __init__(self, store: Store, device: str | torch.device = "cpu") -> None:
        self._store = store
        self._device = device
        self._held: dict[tuple[str, torch.dtype], Mapping[str, Tensor]] = {}

    def filled(self, settings: Any, dtype: torch.dtype = torch.float32) -> Any:
        """Return settings with the tensors of every `Learnt` in them, at any depth.

        Floating-point tensors are of `dtype`. Settings without any come back as they are. Raises
        InputError where a fit is not finished.
        """
        return with_learnt(settings, lambda one: replace(one, tensors=self._tensors(one, dtype)))

    def _tensors(self, one: Learnt, dtype: torch.dtype) -> Mapping[str, Tensor]:
        what = one.key, dtype
        held = self._held.pop(what, None)
        self._held[what] = self._read(one, dtype) if held is None else held  # the last one used
        for old in list(self._held)[:-KEPT]:
            del self._held[old]
        return self._held[what]

    def _read(self, one: Learnt, dtype: torch.dtype) -> Mapping[str, Tensor]:
        state = with_store_retries(lambda: read_finished(self._store, one.key)) if one.key else None
        if state is None:
            raise InputError(
                f"the fit {one.name} is not in the store (key {one.key or 'not known'}): compute "
                "it first, by the study that names it"
            )
        return {
            name: tensor.to(self._device, dtype if tensor.is_floating_point() else None)
            for name, tensor in state.tensors.items()
        }


def filled(settings: Any, store: Store, dtype: torch.dtype = torch.float32) -> Any:
    """Return settings with the tensors of every `Learnt` in them, on the CPU.

    Raises InputError where a fit is not finished.
    """
    return LearntTensors(store).filled(settings, dtype)
