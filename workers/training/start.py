"""The network that a training starts from."""

from dataclasses import dataclass

from torch import Tensor, nn

from advcore.training.freezing import bare_network, freeze
from advcore.training.heads import find_head, renew
from advcore.workers.checkpoints import load_checkpoint
from advcore.workers.datasets import Dataset, batch
from advcore.workers.errors import InputError
from advcore.workers.models import build, with_local_checkpoint
from advcore.workers.shards import Shard
from advcore.workers.training.description import TrainingSpec


@dataclass(frozen=True, eq=False)
class Start:
    """A network before its training, and the name of its last layer where that is new."""

    network: nn.Module
    head: str | None = None


def make_start(training: TrainingSpec, images: Tensor) -> Start:
    """Build the network that a training starts from, on the CPU, all of it to be trained.

    With a new last layer the checkpoint gives all weights but that layer's, which come from the
    recipe's seed. The layer is found with `images` `(B, C, H, W)`, see
    `advcore.training.heads.find_head`. Raises InputError for what does not fit.
    """
    model = training.model
    if training.head is None:
        return Start(build(model).requires_grad_())
    if model.pretrained:
        raise InputError(
            "head: new takes the other weights from a file, and not from model.pretrained: save "
            "them, and give model.checkpoint"
        )
    network = build(training.network)
    try:
        head = find_head(network, images)
    except ValueError as error:
        raise InputError(f"head: new: {error}") from error
    local = with_local_checkpoint(model).checkpoint
    if local is not None:
        load_checkpoint(bare_network(network), local, model.mean, model.std, head)
    renew(network, head, training.recipe.seed)
    return Start(network.requires_grad_(), head)


def check_start(training: TrainingSpec, data: Dataset, logits: int) -> None:
    """Raise InputError where a training cannot start as it says, from its last layer and freezing.

    `logits` is the number that the network has.
    """
    if training.head is not None and logits != data.classes:
        raise InputError(
            f"head: new makes a layer of {logits} logits, and the data have {data.classes} "
            f"classes: say model.classes: {data.classes}"
        )
    if training.head is None and not training.freeze:
        return
    start = make_start(training, first_images(data))
    try:
        freeze(start.network, training.freeze, start.head)
    except ValueError as error:
        raise InputError(str(error)) from error


def first_images(data: Dataset) -> Tensor:
    """The first one or two images `(n, C, H, W)`, in float32, on the CPU."""
    return batch(data, Shard(0, min(2, len(data)))).inputs
