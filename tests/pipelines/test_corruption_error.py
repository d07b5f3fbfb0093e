"""The table of mean corruption errors, against sums by hand."""

import pytest
import torch

from advcore.pipelines.graph.reporting.reduced_tables import _means
from advcore.pipelines.tables import MeanCorruptionError, Part

RIGHT = {
    ("plain", "fog", 1): [1, 1, 0, 0],
    ("plain", "fog", 2): [1, 0, 0, 0],
    ("plain", "snow", 1): [1, 1, 1, 0],
    ("plain", "snow", 2): [1, 1, 0, 0],
    ("other", "fog", 1): [1, 1, 1, 1],
    ("other", "fog", 2): [0, 1, 1, 0],
    ("other", "snow", 1): [1, 0, 0, 1],
    ("other", "snow", 2): [0, 0, 0, 1],
}
TABLE = MeanCorruptionError("errors", "clean", axis="training", baseline="plain")


def part(probe: str, right: list[int], **at: str | int) -> Part:
    correct = torch.tensor(right, dtype=torch.bool)
    return Part(probe, at, {"sample": torch.arange(len(right)) * 2, "correct": correct})


def parts() -> list[Part]:
    clean = [part("clean", [1, 1, 1, 0], training=name) for name in ("plain", "other")]
    return clean + [
        part("errors", right, training=name, corruption=corruption, severity=severity)
        for (name, corruption, severity), right in RIGHT.items()
    ]


def test_the_means_over_samples_are_the_sums_by_hand() -> None:
    table = TABLE.rows(parts())
    assert table["method"] == ["plain"] * 4 + ["other"] * 4
    assert table["sample"].tolist() == [0, 2, 4, 6] * 2
    assert table["clean"].tolist() == [0, 0, 0, 1] * 2
    assert table["error"].tolist() == [0, 0.25, 0.75, 1, 0.5, 0.5, 0.5, 0.25]
    shown = _means(table)
    assert list(shown) == ["method", "clean", "error", "relative", "mce"]
    assert shown["method"] == ["plain", "other"]
    # fog: 5/8 and 2/8 wrong; snow: 3/8 and 5/8
    assert shown["error"].tolist() == [(5 + 3) / 16, (2 + 5) / 16]
    assert shown["relative"].tolist() == [8 / 16 - 1 / 4, 7 / 16 - 1 / 4]
    torch.testing.assert_close(
        shown["mce"], torch.tensor([1, (2 / 5 + 5 / 3) / 2], dtype=torch.float64)
    )


def test_the_rows_spread_as_the_ratio_does() -> None:
    """Beside a bootstrap of the samples that draws both networks' together."""
    random = torch.Generator().manual_seed(0)
    hard = torch.rand(1000, generator=random)  # of a picture, for both networks
    made = [part("clean", [1] * 1000, training=name) for name in ("plain", "other")]
    wrong: dict[tuple[str, str], torch.Tensor] = {}
    for name, corruption in (
        ("plain", "fog"),
        ("plain", "snow"),
        ("other", "fog"),
        ("other", "snow"),
    ):
        right = hard + 0.3 * torch.rand(1000, generator=random) < 0.9
        wrong[name, corruption] = 1 - right.double()
        made.append(
            part("errors", right.tolist(), training=name, corruption=corruption, severity=1)
        )
    rows = TABLE.rows(made)["mce"]
    assert isinstance(rows, torch.Tensor)
    assert rows[:1000].tolist() == [1] * 1000
    drawn = torch.randint(1000, (4000, 1000), generator=random)
    means = {place: own[drawn].mean(1) for place, own in wrong.items()}
    ratios = sum(means["other", name] / means["plain", name] for name in ("fog", "snow")) / 2
    assert isinstance(ratios, torch.Tensor)
    assert rows[1000:].mean().item() == pytest.approx(ratios.mean().item(), abs=0.01)
    assert rows[1000:].std().item() / 1000**0.5 == pytest.approx(ratios.std().item(), rel=0.08)


def test_images_that_not_all_saw_and_baselines_without_errors_are_refused() -> None:
    with pytest.raises(LookupError, match="the baseline training=cure has no rows of probe errors"):
        MeanCorruptionError("errors", "clean", "training", "cure").rows(parts())
    with pytest.raises(
        LookupError, match=r"training=other and the baseline plain .*\('snow', '2'\)"
    ):
        TABLE.rows(parts()[:-1])
    with pytest.raises(LookupError, match=r"training=plain and the .* clean images"):
        TABLE.rows(parts()[1:])
    fine = [part("errors", [1, 1, 1, 1], training="plain", corruption="jpeg", severity=1)]
    fine += [part("errors", [1, 1, 1, 1], training="other", corruption="jpeg", severity=1)]
    with pytest.raises(LookupError, match="plain makes no error at corruption=jpeg"):
        TABLE.rows(parts() + fine)
    other = [part("clean", [1], training="other"), *parts()[2:]]
    with pytest.raises(LookupError, match="plain were not measured on the same samples"):
        TABLE.rows([parts()[0], *other])
    odd = part("errors", [1], training="other", corruption="snow", severity=2)
    with pytest.raises(LookupError, match="must be of the same samples"):
        TABLE.rows([*parts()[:-1], odd])
