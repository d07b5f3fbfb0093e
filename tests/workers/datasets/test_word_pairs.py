"""Pairs of words: both have vectors, and the controls lie as far apart."""

import numpy as np
import pytest

from advcore.workers.datasets import DataSpec, absent, load
from advcore.workers.datasets.word_pairs import CONTROLS

pytestmark = pytest.mark.skipif("word_pairs" in absent(), reason="the package is not here")


@pytest.mark.slow
def test_controls_are_other_words_at_the_distances_of_their_pairs():
    data = load(DataSpec("word_pairs", columns=("word", "pair", "kind")))
    words, kinds = data.columns["word"].reshape(-1, 2), data.columns["kind"][::2]
    assert data.columns["pair"].tolist() == [pair for pair in range(len(words)) for _ in "ab"]
    assert [int((kinds == kind).sum()) for kind in ("sex", "name", "control")] == [
        28,
        16,
        44 * CONTROLS,
    ]
    assert words[0].tolist() == ["he", "she"]
    named, controls = words[:44], words[44:]
    assert not np.isin(controls, named).any()
    rows = data.take(np.arange(len(data))).reshape(-1, 2, 300)
    apart = np.linalg.norm(rows[:, 0] - rows[:, 1], axis=1)
    off = np.abs(apart[44:] - np.repeat(apart[:44], CONTROLS))
    assert np.median(off) < 0.01  # few words have another as near as the nearest pairs are
    assert off.max() < 0.2
