"""Networks as people have them, to be put through every attack, probe and training term.

A new trait is one entry here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advcore import Normalized


class Small(nn.Module):
    """A convolution, perhaps batch normalisation or attention, pooling, a linear layer; an empty
    batch is an error in it.
    """

    def __init__(self, channels=1, height=8, width=8, classes=4, norm=None, tail=None):
        super().__init__()
        self.conv = nn.Conv2d(channels, 6, 3, padding=1)
        self.norm, self.tail = norm or nn.Identity(), tail() if tail else nn.Identity()
        self.relu, self.dropout = nn.ReLU(), nn.Dropout(0.5)
        self.linear = nn.Linear(6 * (height // 2) * (width // 2), classes)
        self.start = torch.full((1, channels, height, width), 0.5)

    def features(self, images: Tensor) -> Tensor:
        assert len(images), "an empty batch has reached the network"
        return self.tail(F.avg_pool2d(self.relu(self.norm(self.conv(images))), 2))

    def forward(self, images: Tensor) -> Tensor:
        return self.linear(self.dropout(self.features(images).flatten(1)))


class Viewed(Small):
    def forward(self, images: Tensor) -> Tensor:
        features = self.features(images)
        return self.linear(self.dropout(features.view(features.size(0), -1)))


class InPlace(Small):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.relu = nn.ReLU(inplace=True)


class Attention(nn.Module):
    """Self-attention over the places of a feature map, by torch's fused kernel, or by its
    formula.
    """

    fused = True

    def __init__(self):
        super().__init__()
        self.mix = nn.Linear(6, 18)

    def forward(self, maps: Tensor) -> Tensor:
        query, key, value = self.mix(maps.flatten(2).mT).chunk(3, 2)
        if self.fused:
            mixed = F.scaled_dot_product_attention(query, key, value)
        else:
            mixed = (query @ key.mT / query.shape[2] ** 0.5).softmax(2) @ value
        return maps + mixed.mT.reshape(maps.shape)


class ByFormula(Attention):
    fused = False


class Heads(nn.Module):
    """torch's MultiheadAttention; with its weights wanted, it goes by the formula."""

    def __init__(self, weights=False):
        super().__init__()
        self.attention, self.weights = nn.MultiheadAttention(6, 2, batch_first=True), weights

    def forward(self, maps: Tensor) -> Tensor:
        places = maps.flatten(2).mT
        return maps + self.attention(places, places, places, need_weights=self.weights)[
            0
        ].mT.reshape(maps.shape)


class Wrapped(nn.Module):
    """A network whose input or output something is done to."""

    def __init__(self, network: nn.Module, forward: Callable[[nn.Module, Tensor], object]) -> None:
        super().__init__()
        self.network, self.way = network, forward

    def forward(self, images: Tensor) -> object:
        return self.way(self.network, images)


def small(kind: type[nn.Module] = Small, seed: int = 0, **settings) -> nn.Module:
    """A network in evaluation mode, in which all classes are near at gray images; the same weights
    for each kind.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = kind(**settings).eval()
    with torch.no_grad():
        network.linear.weight *= 4
        network.linear.bias -= network(network.start)[0]
    return network


def normed(**settings) -> nn.BatchNorm2d:
    """Batch normalisation that has seen something."""
    norm = nn.BatchNorm2d(6, **settings)
    if norm.running_mean is not None:
        norm.running_mean.copy_(torch.linspace(-0.3, 0.3, 6))
        norm.running_var.copy_(torch.linspace(0.2, 1.5, 6))
    return norm


def _autocast(network: nn.Module, images: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        return network(images)


def _no_grad(network: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        return network(images)


def _in_place(network: nn.Module, images: Tensor) -> Tensor:
    images -= 0.1
    return network(images)


def _compiled(network: nn.Module) -> nn.Module:
    return torch.compile(network, backend="aot_eager")


def _norm() -> nn.Module:
    return small(norm=normed())


def _function() -> Callable[[Tensor], Tensor]:
    network = small(norm=normed()).train()
    return lambda images: network((images - 0.5) / 0.5)


@dataclass(frozen=True)
class Trait:
    """A network, and the same without the trait, None where there is none.

    Numbers agree to `close`, as a share.

    `refused`: what the one line says that comes in place of numbers; `told`: what a warning beside
    them says, of what follows gradients. `mixes`: an image's logits depend on its neighbours.
    `trains`: whether terms can be tried on it.
    """

    make: Callable[[], object]
    plain: Callable[[], object] | None = None
    shape: tuple[int, int, int] = (1, 8, 8)
    close: float = 1e-3
    refused: str | None = None
    told: str | None = None
    trains: bool = True
    mixes: bool = False

    def images(self, count: int = 6) -> Tensor:
        return torch.rand(count, *self.shape, generator=torch.Generator().manual_seed(7))


def _sized(channels: int, height: int, width: int, classes: int = 4, **more) -> Trait:
    return Trait(
        lambda: small(channels=channels, height=height, width=width, classes=classes),
        shape=(channels, height, width),
        **more,
    )


TRAITS = {
    "plain": Trait(small),
    "flattens by view": Trait(lambda: small(Viewed), small),
    "view after batch norm": Trait(lambda: small(Viewed, norm=normed()), _norm),
    "ReLU in place": Trait(lambda: small(InPlace), small),
    "ReLU in place after batch norm": Trait(lambda: small(InPlace, norm=normed()), _norm),
    "batch norm, in training mode": Trait(lambda: _norm().train(), _norm),
    "batch norm without statistics": Trait(
        lambda: small(norm=normed(track_running_stats=False)),
        told="track_running_stats",
        mixes=True,
    ),
    "dropout, in training mode": Trait(lambda: small().train(), small),
    "scaled_dot_product_attention": Trait(
        lambda: small(tail=Attention), lambda: small(tail=ByFormula)
    ),
    "MultiheadAttention": Trait(
        lambda: small(tail=Heads), lambda: small(tail=partial(Heads, weights=True))
    ),
    "compiled": Trait(lambda: _compiled(small()), small),
    "compiled, inside Normalized": Trait(
        lambda: Normalized(_compiled(small()), (0.4,), (0.5,)),
        lambda: Normalized(small(), (0.4,), (0.5,)),
    ),
    "autocast inside": Trait(lambda: Wrapped(small(), _autocast), small, close=0.1),
    "float64 logits": Trait(lambda: Wrapped(small(), lambda net, x: net(x).double()), small),
    "float64 inside": Trait(
        lambda: Wrapped(small().double(), lambda net, x: net(x.double())), small
    ),
    "half weights": Trait(
        lambda: small().half(),
        refused="weights of torch.float16; images are torch.float32",
        trains=False,
    ),
    "tuple output": Trait(
        lambda: Wrapped(small(), lambda net, x: (net(x), x)),
        refused="got a tuple of 2",
        trains=False,
    ),
    "dict output": Trait(
        lambda: Wrapped(small(), lambda net, x: {"logits": net(x)}),
        refused="got a dict of 1",
        trains=False,
    ),
    "changes its images": Trait(
        lambda: Wrapped(small(), _in_place),
        lambda: Wrapped(small(), lambda net, x: net(x - 0.1)),
        refused="changes its images in place",
        trains=False,
    ),
    "detached": Trait(
        lambda: Wrapped(small(), lambda net, x: net(x).detach()),
        told="zero_gradients",
        trains=False,
    ),
    "under no_grad": Trait(lambda: Wrapped(small(), _no_grad), told="zero_gradients", trains=False),
    "a function around batch norm in training mode": Trait(
        _function, lambda: Normalized(small(norm=normed()), (0.5,), (0.5,)), trains=False
    ),
    "1 class": Trait(lambda: small(classes=1), refused="K >= 2"),
    "2 classes": _sized(1, 8, 8, classes=2),
    "1000 classes": _sized(1, 8, 8, classes=1000),
    "8 x 12 pixels": _sized(1, 8, 12),
    "3 channels": _sized(3, 8, 8),
    "4 channels": _sized(4, 8, 8),
}
