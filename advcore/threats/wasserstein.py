"""Mass that is carried a little way: Wasserstein distance (Wong et al. 2019; Wu et al. 2020)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from advcore.checks import check_pictures
from advcore.classifier import Classifier
from advcore.norms import per_sample
from advcore.randomness import Randomness
from advcore.threats.region import Mapped


@dataclass(frozen=True)
class Wasserstein:
    """Carry brightness to pixels nearby, within each channel; none is lost or made.

    The size is the transport cost of the coupling that made the picture, brightness times distance
    in pixels, over the picture's whole brightness: never below the Wasserstein distance. The
    coupling is optimised itself. It is projected by the dual problem of Wu et al., exact to 1e-4 of
    its multiplier; `frank_wolfe` needs no projection, which takes most of the time. Pixels may
    become brighter than 1: cutting them would lose mass.

    Attributes:
        window: side of the square of pixels around each that its brightness may reach; odd.
        halvings: halvings of the multiplier's interval in a projection or a step of
            `frank_wolfe`.
    """

    window: int = 5
    halvings: int = 25

    def __post_init__(self) -> None:
        if self.window < 3 or self.window % 2 == 0:
            raise ValueError(f"window must be odd and at least 3; got {self.window}")
        if self.halvings < 1:
            raise ValueError(f"halvings must be at least 1; got {self.halvings}")

    @property
    def name(self) -> str:
        return "wasserstein"

    def around(self, inputs: Tensor, radius: Tensor, classifier: Classifier) -> "WassersteinRegion":
        """The pictures `(B, C, H, W)` that may be reached."""
        check_pictures(inputs.shape[1:], f"threat model {self.name}")
        if (inputs < 0).any():
            raise ValueError(
                "brightness that is carried cannot be negative; images have some: take data in the "
                "box [0, 1], or another threat model"
            )
        half = self.window // 2
        steps = torch.arange(-half, half + 1, dtype=inputs.dtype, device=inputs.device)
        cost = torch.hypot(steps[:, None], steps).flatten()[:, None]
        ones = inputs.new_ones(1, 1, *inputs.shape[-2:])
        open_ = F.unfold(ones, self.window, padding=half)[0]
        return WassersteinRegion(inputs, radius, self.window, self.halvings, cost, open_)


@dataclass(frozen=True, eq=False)
class WassersteinRegion(Mapped):
    """Pictures whose brightness was carried. Parameters: the coupling, `(B, C, window ^ 2, H W)`.

    Entry k of a pixel is the brightness that it hands to its neighbour k. `cost` `(window ^ 2, 1)`:
    distances, pixels. `open_` `(window ^ 2, H W)`: 1 where that neighbour lies in the picture.
    """

    window: int
    halvings: int
    cost: Tensor
    open_: Tensor

    @property
    def _mass(self) -> Tensor:
        """The brightness of each pixel, which it hands out, `(B, C, 1, H W)`."""
        return self.inputs.flatten(2)[:, :, None]

    def rest(self) -> Tensor:
        stay = (self.cost == 0).to(self.inputs)
        return stay * self._mass

    def random(self, randomness: Randomness) -> Tensor:
        rest = self.rest()
        noise = randomness.uniform(tuple(rest.shape[1:])).to(rest)
        return self.project(rest + noise * per_sample(self.radius, rest) * self._mass)

    def apply(self, parameters: Tensor) -> Tensor:
        batch, channels = parameters.shape[:2]
        carried = F.fold(
            (parameters * self.open_).flatten(0, 1),
            tuple(self.inputs.shape[-2:]),
            self.window,
            padding=self.window // 2,
        )
        return carried.view(batch, channels, *self.inputs.shape[-2:])

    def project(self, parameters: Tensor) -> Tensor:
        mass = self._mass
        allowed = self.radius * mass.flatten(1).sum(1)
        low = torch.zeros_like(self.radius)
        high = 2 * parameters.flatten(1).abs().amax(1) + mass.flatten(1).amax(1)
        free = self._priced(parameters, low)
        dear = self._paid(free) > allowed
        if not dear.any():
            return free
        for _ in range(self.halvings):
            middle = (low + high) / 2
            above = self._paid(self._priced(parameters, middle)) > allowed
            low, high = torch.where(above, middle, low), torch.where(above, high, middle)
        return torch.where(per_sample(dear, free), self._priced(parameters, high), free)

    def size(self, parameters: Tensor) -> Tensor:
        whole = self._mass.flatten(1).sum(1)
        return self._paid(parameters) / whole.clamp(min=torch.finfo(whole.dtype).tiny)

    def steepest(self, gradient: Tensor, parameters: Tensor) -> Tensor:
        slope = gradient * self.open_
        largest = slope.flatten(1).abs().amax(1)
        return slope / per_sample(largest.clamp(min=torch.finfo(slope.dtype).tiny), slope)

    def farthest(self, slope: Tensor) -> Tensor:
        """Return the coupling whose inner product with `slope` is largest.

        At a price of transport each pixel hands all it has to the neighbour that pays most; the
        price is bisected, and the couplings at both ends of what is left of its interval are mixed
        so that they use up the budget: the linear programme's solution.
        """
        allowed = self.radius * self._mass.flatten(1).sum(1)
        value = slope.masked_fill(self.open_ == 0, -torch.inf)
        high = 3 * slope.flatten(1).abs().amax(1).clamp(min=1e-30)
        low = 1e-6 * high  # above 0: where neighbours pay alike, the nearest is taken
        for _ in range(self.halvings):
            middle = (low + high) / 2
            best = self._best(value, middle)
            above = (self.cost[best, 0] * self._mass).flatten(1).sum(1) > allowed
            low, high = torch.where(above, middle, low), torch.where(above, high, middle)
        dear, cheap = (
            torch.zeros_like(value).scatter(2, self._best(value, price), self._mass)
            for price in (low, high)
        )
        left, asked = allowed - self._paid(cheap), self._paid(dear) - self._paid(cheap)
        share = (left / asked.clamp(min=torch.finfo(asked.dtype).tiny)).clamp(0, 1)
        return torch.lerp(cheap, dear, per_sample(share, dear))

    def _best(self, value: Tensor, price: Tensor) -> Tensor:
        """The neighbours `(B, C, 1, H W)` that pay most at a price `(B,)` of transport."""
        return (value - per_sample(price, value) * self.cost).argmax(2, keepdim=True)

    def _paid(self, coupling: Tensor) -> Tensor:
        return (coupling * self.cost).flatten(1).sum(1)

    def _priced(self, coupling: Tensor, price: Tensor) -> Tensor:
        """The closest coupling of the right mass where each step costs `price` `(B,)`."""
        cheaper = coupling - per_sample(price, coupling) * self.cost
        return _on_simplex(cheaper.masked_fill(self.open_ == 0, -torch.inf), self._mass)


def _on_simplex(values: Tensor, mass: Tensor) -> Tensor:
    """The closest point with entries >= 0 that sum up to `mass` along axis 2.

    Held et al. 1974. Entries of -inf become 0.
    """
    falling = values.sort(2, descending=True).values
    count = torch.arange(1, values.shape[2] + 1, dtype=values.dtype, device=values.device)
    levels = (falling.cumsum(2) - mass) / count[:, None]
    used = (falling > levels).sum(2, keepdim=True).clamp(min=1)
    return (values - levels.gather(2, used - 1)).clamp(min=0)
