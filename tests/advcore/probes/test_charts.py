"""Charts as data: the series that several probes draw."""

import torch

from advcore.probes.charts import ascending


def test_values_stand_over_the_share_that_is_at_most_as_large():
    series = ascending("x", torch.tensor([3.0, torch.nan, 1.0, torch.inf, 2.0]))
    assert series.y.tolist() == [1.0, 2.0, 3.0, torch.inf]
    assert series.x.tolist() == [25.0, 50.0, 75.0, 100.0]
    assert ascending("x", torch.tensor([5.0])).x.tolist() == [100.0]
    assert not len(ascending("x", torch.tensor([torch.nan])).x)
