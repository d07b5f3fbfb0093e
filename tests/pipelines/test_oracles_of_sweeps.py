"""Claims of the sweeps that come along on rows of known values: whose networks they are about."""

import pytest
import torch

from advcore.pipelines.settings import schema
from advcore.pipelines.settings.shipped import find
from advcore.pipelines.sweep.settings import Sweep
from advcore.pipelines.sweep.trial_files import Trial
from advcore.pipelines.sweep.trials_table import claim_tables

SAMPLES = 300


@pytest.mark.parametrize("at", ["0.25", "0.3"])
@pytest.mark.parametrize(("here", "others", "verdict"), [(0.1, 0.9, "yes"), (0.9, 0.0, "no")])
def test_a_collapse_at_an_eps_is_that_of_the_networks_trained_at_it(at, here, others, verdict):
    """Of FGSM's nine networks the three of that eps count, seed by seed; no other's, no mean."""
    sweep = schema.structure(Sweep, schema.load_yaml(find("gradalign_vs_fgsm", "sweeps")))
    trials = [
        Trial(str(number), number, point, "s", status="finished")
        for number, point in enumerate(sweep.points(), 1)
    ]
    rows = {}
    for trial in trials:
        eps = trial.point["recipe.objective.adversarial.attack.eps"]
        own = trial.point["method"] == "fgsm" and eps == float(at)
        rows[trial.key] = {"robustness": under_pgd(here if own else others)}
    claim = sweep.claims["fgsm_collapses" if at == "0.25" else "fgsm_collapses_further"]
    measured = claim.measure(claim_tables(trials, sweep.space, rows))
    assert measured.value == pytest.approx(here, abs=1 / SAMPLES)
    assert measured.unit == f"3 seeds, {SAMPLES} samples in each"
    assert measured.verdict == verdict


def under_pgd(share):
    """Rows of samples of which a share holds at every eps, and the others at none."""
    broken = torch.where(
        torch.arange(SAMPLES) < share * SAMPLES, torch.inf, torch.tensor(0.1, dtype=torch.float64)
    )
    return {"sample": torch.arange(SAMPLES), "attack": ["pgd-linf"] * SAMPLES, "broken_at": broken}
