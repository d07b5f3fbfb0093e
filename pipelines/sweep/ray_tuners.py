"""Ray Tune's schedulers and search domains.

Import this module only once Ray runs.
"""

from typing import Any

import numpy as np
from ray import tune
from ray.tune.schedulers import (
    AsyncHyperBandScheduler,
    FIFOScheduler,
    MedianStoppingRule,
    PopulationBasedTraining,
    TrialScheduler,
)

from advcore.pipelines.settings.schedulers import ASHA, PBT, Median, Scheduler
from advcore.pipelines.sweep.population import explored
from advcore.pipelines.sweep.space import Domain, Space


def scheduler(own: Scheduler, longest: int, space: Space) -> TrialScheduler:
    """Return Tune's scheduler, which counts epochs; `longest` is the most epochs of a trial."""
    match own:
        case ASHA(metric, mode, grace, reduction):
            return AsyncHyperBandScheduler(
                "epoch", metric, mode, max(longest, grace), grace, reduction
            )
        case Median(metric, mode, grace, least):
            return MedianStoppingRule("epoch", metric, mode, grace, least)
        case PBT(metric, mode, interval, share, resample, seed):
            random = np.random.default_rng(seed)

            def close_to(config: dict[str, Any]) -> dict[str, Any]:
                point = explored(space, config["trial"]["point"], random, resample)
                return {**config, "trial": {**config["trial"], "point": point}}

            return PopulationBasedTraining(
                "turn",
                metric,
                mode,
                interval,
                quantile_fraction=share,
                custom_explore_fn=close_to,
                log_config=False,
                require_attrs=False,
            )
        case _:
            return FIFOScheduler()


def domain(own: Domain) -> Any:
    """Return Tune's search domain."""
    if own.choice is not None:
        return tune.choice(list(own.choice))
    ends: tuple[Any, ...] = own.uniform or own.loguniform or own.quniform or own.randint or ()
    return getattr(tune, own.kind)(*ends)
