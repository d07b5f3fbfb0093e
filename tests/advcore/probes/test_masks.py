"""The rows of masks, checked by the network itself."""

import oracles
import pytest
import torch

from advcore import Randomness
from advcore.attacks import MinimalNorm
from advcore.probes import Batch, Masks

NETWORK = oracles.relu()
BATCH = Batch(oracles.images(6), torch.arange(6) % 4, torch.arange(6))
PROBE = Masks(cells=4, draws=2, images=True)


def measured(probe):
    return probe.measure(NETWORK, BATCH, Randomness(0, BATCH.indices))


@pytest.mark.parametrize("search", [PROBE.search, MinimalNorm(norm="l1")])
def test_labels_change_or_stay_as_they_say(search):
    table = measured(Masks(search, cells=4, draws=2, images=True))
    said, now = (NETWORK(table[name]).argmax(1) for name in ("image", "masked"))
    for row, (by, goal) in enumerate(zip(table["by"], table["goal"], strict=True)):
        if by == "search":
            did = (now[row] != said[row]) if goal == "delete" else (now[row] == said[row])
            assert did == bool(table["found"][row])
            area = table["mask"][row].mean() if did else torch.tensor(1.0)
            torch.testing.assert_close(table["area"][row], area, check_dtype=False)
    assert len(table["sample"]) == 6 * 3 * 2 * 3


def test_what_was_searched_for_is_no_larger_as_a_rule():
    """Both are bounds from above; greedy cells are no proof that no blob is smaller."""
    table = measured(PROBE)
    search, blob = (table["area"][table.rows_with("by", by)] for by in ("search", "blob"))
    assert (search <= blob + 1e-9).double().mean() > 0.9
    assert search.mean() < blob.mean()


def test_an_answer_that_the_fill_already_has_needs_no_mask():
    constant = Masks(fills=("constant",), cells=2, draws=2)
    table = measured(constant)
    kept = table.take(table.rows_with("goal", "keep"))
    same = NETWORK(torch.zeros_like(BATCH.inputs)).argmax(1) == NETWORK(BATCH.inputs).argmax(1)
    assert same.any()
    assert (kept["area"].view(3, 6)[:, same] == 0).all()
    assert (kept["area"].view(3, 6)[:, ~same] > 0).all()


def test_charts_and_summary():
    table = measured(PROBE)
    names = [chart.name for chart in PROBE.charts({"net": table})]
    pictures = [f"masks_{sample}" for sample in range(4)]
    assert names == ["mask_areas_delete", "mask_areas_keep", *pictures]
    plain = Masks(cells=4, draws=1, fills=("noise",))
    assert [chart.name for chart in plain.charts({"net": measured(plain)})] == names[:2]
    scalars = PROBE.summarise(table).scalars
    assert len(scalars) == 2 * 3 * 2 * 3
    assert scalars["found/search/keep/noise"] == 1


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="cells must be a whole number of at least 1; got 0"):
        Masks(cells=0)
    with pytest.raises(ValueError, match=r"draws must be a whole number .* got 2\.5"):
        Masks(draws=2.5)
    with pytest.raises(ValueError, match="fills must be one or more of blur, constant, noise"):
        Masks(fills=("noise", "noise"))
    for wrong in (("blurr",), "blur", ()):
        with pytest.raises(ValueError, match="fills must be one or more of blur, constant, noise"):
            Masks(fills=wrong)
    with pytest.raises(ValueError, match="blur must not exceed the pictures' longer side, 28"):
        Masks(blur=30.0).validate((1, 28, 28), 10)
    with pytest.raises(ValueError, match="blur must be above 0 and level in"):
        Masks(level=2.0)
    with pytest.raises(ValueError, match="cells must not exceed the sides of the pictures, 4 x 4"):
        Masks().validate((1, 4, 4), 4)
    with pytest.raises(ValueError, match="a mask needs pictures"):
        Masks().validate((16,), 4)
    with pytest.raises(ValueError, match="1 or 3 channels; got 2"):
        Masks(images=True).validate((2, 28, 28), 4)
