"""Adapters: attacks and attributions of other libraries, run as ours.

The libraries are optional, and imported when an adapter is made.
"""

from advcore.workers.adapters.adv_lib import AdvLib, AdvLibMinimal
from advcore.workers.adapters.captum import Captum
from advcore.workers.adapters.foolbox import Foolbox, FoolboxMinimal
from advcore.workers.adapters.torchattacks import Torchattacks, TorchattacksMinimal

ADAPTERS: dict[str, type] = {
    "foolbox": Foolbox,
    "foolbox_minimal": FoolboxMinimal,
    "torchattacks": Torchattacks,
    "torchattacks_minimal": TorchattacksMinimal,
    "adv_lib": AdvLib,
    "adv_lib_minimal": AdvLibMinimal,
}
"""The adapters that a study can name by `kind`, beside advcore's own attacks."""

EXPLAINERS: dict[str, type] = {"captum": Captum}
"""The adapters of attributions that a study can name by `kind`, beside advcore's own."""

__all__ = [
    "ADAPTERS",
    "EXPLAINERS",
    "AdvLib",
    "AdvLibMinimal",
    "Captum",
    "Foolbox",
    "FoolboxMinimal",
    "Torchattacks",
    "TorchattacksMinimal",
]
