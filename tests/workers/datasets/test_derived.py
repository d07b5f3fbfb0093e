"""Data sets that are chosen of others or made where they are used, against their sources."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from advcore.attacks import PGD
from advcore.derived import AdversarialExamples, Projected
from advcore.learnt import Learnt
from advcore.low_pass_noise import noise_images
from advcore.pipelines.settings import schema
from advcore.randomness import Randomness
from advcore.transforms import Flip, LowPass
from advcore.workers.datasets import Dataset, DataSpec, batch, inputs_of, load, sources
from advcore.workers.datasets.derived import (
    DERIVED,
    Corrupted,
    Decoy,
    Half,
    Hybrid,
    Marked,
    Noised,
    NoiseImages,
    OneClass,
    Outlined,
    Relabelled,
    Subset,
    Transformed,
    Union,
)
from advcore.workers.datasets.entries import Hidden, LabelledBy, Swapped
from advcore.workers.errors import InputError
from advcore.workers.model_checks import check_box
from advcore.workers.shards import Shard

IMAGES = np.random.RandomState(0).randint(0, 256, (60, 1, 8, 8)).astype(np.uint8)
ROOT = Dataset(IMAGES, np.arange(60) % 4, np.arange(60) * 3, tuple("abcd"))


def in_files(tmp_path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """The same samples, left in their file."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    np.savez(tmp_path / "root.npz", images=IMAGES, labels=ROOT.labels, names=np.array(ROOT.names))
    with monkeypatch.context() as patch:
        patch.setattr(sources, "SENT", 0)
        stays = load(DataSpec(f"npz:{tmp_path / 'root.npz'}"))
    assert not stays.in_memory
    return replace(stays, indices=ROOT.indices)


def rows_of(data: Dataset) -> torch.Tensor:
    return batch(data, Shard(0, len(data))).inputs


def derive(kind: object, **datasets: Dataset) -> Dataset:
    return kind.apply(datasets or {"root": ROOT})


KINDS = [
    Subset("root", 20, skip=5),
    Half("root", 4, 1),
    Union(("root", "root")),
    OneClass("root"),
    Relabelled("root", "next"),
    Noised("root", 0.5),
    Noised("root", 0.1, "linf", "random", "target"),
    Corrupted("root", "shot_noise", 3),
    Corrupted("root", "glass_blur", 5, "large"),
    NoiseImages("root"),
    NoiseImages("root", "uniform", False, 3),
    Marked("root", 0.5, 3),
    Decoy("root", 3),
    Decoy("root", 3, "random"),
    Outlined("root"),
    Transformed("root", LowPass(3)),
    Hybrid("root", 3),
    Hybrid("root", 4, "same_class", "high", box=True),
    Hybrid("root", 3, split="size", seed=2),
    Swapped("root", ((0, 5), (7, 2))),
    Hidden("root", (1, 3)),
]


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_of_arrays_and_of_files_it_is_the_same(tmp_path, monkeypatch, kind):
    one, other = derive(kind), derive(kind, root=in_files(tmp_path, monkeypatch))
    other = pickle.loads(pickle.dumps(other))
    assert torch.equal(rows_of(one), rows_of(other))
    assert np.array_equal(one.labels, other.labels)
    assert np.array_equal(one.indices, other.indices)
    assert one.shape == other.shape == tuple(rows_of(one).shape[1:])
    assert not other.in_memory  # nothing was read for it
    some = np.array([7, 2, 3])
    assert torch.equal(rows_of(one.chosen(some)), rows_of(other)[some])
    assert np.array_equal(other.chosen(some).indices, one.indices[some])


@pytest.mark.parametrize("kind", KINDS, ids=repr)
@pytest.mark.parametrize("size", [1, 7, 13])
def test_bits_do_not_depend_on_the_batch(kind, size):
    made = derive(kind)
    parts = [batch(made, Shard(i, min(i + size, len(made)))) for i in range(0, len(made), size)]
    mixed = np.random.RandomState(1).permutation(len(made))
    # a data set's own transform acts on batches, whose products may round otherwise
    tolerance = 0.0 if made.transform is None else 1e-6
    for found, expected in (
        (torch.cat([part.inputs for part in parts]), rows_of(made)),
        (rows_of(made.chosen(mixed)), rows_of(made)[mixed]),
    ):
        torch.testing.assert_close(found, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_digests_differ_when_and_only_when_the_content_does(tmp_path, monkeypatch, kind):
    digest = derive(kind).digest
    assert digest == derive(kind).digest != ROOT.digest
    spoilt = IMAGES.copy()
    spoilt[:, 0, 0, 0] ^= 1
    moved = np.roll(ROOT.indices, 1)
    for other in (
        replace(ROOT, images=spoilt),
        replace(ROOT, indices=moved),
    ):
        assert derive(kind, root=other).digest != digest
    relabelled = derive(kind, root=replace(ROOT, labels=(ROOT.labels + 1) % 4))
    assert (relabelled.digest == digest) == (type(kind) is OneClass)  # whose labels are its own
    stays = in_files(tmp_path, monkeypatch)
    assert derive(kind, root=stays).digest == derive(kind, root=stays).digest


def test_digests_of_other_settings_differ():
    kinds = [*KINDS, Noised("root", 0.6), Noised("root", 0.5, seed=1), Noised("root", 0.5, "linf")]
    kinds += [Subset("root", 20), Half("root", 4, 2), Half("root", 4, 1, 1), Relabelled("root")]
    kinds += [NoiseImages("root", seed=1), NoiseImages("root", "permuted", False)]
    kinds += [Transformed("root", Flip()), Decoy("root", 4), Decoy("root", 3, "random", 1)]
    assert len({derive(kind).digest for kind in kinds}) == len(kinds)


def test_subsets_are_nested_and_skipped_ones_apart():
    small, large = (set(derive(Subset("root", n)).indices) for n in (10, 30))
    assert small < large
    behind = derive(Subset("root", 30, skip=30))
    assert large.isdisjoint(behind.indices)
    assert (np.diff(behind.indices) > 0).all()
    assert len(derive(Subset("root", skip=50))) == 10
    assert set(derive(Subset("root", 10, seed=1)).indices) != small


def test_a_subset_is_what_a_description_draws():
    whole = load(DataSpec("digits"))
    drawn = load(DataSpec("digits", samples=50, seed=3))
    assert Subset("root", 50, seed=3).apply({"root": whole}).digest == drawn.digest


def test_a_subset_of_classes():
    some = derive(Subset("root", 12, classes=(1, 3)))
    assert set(some.labels) == {1, 3}
    assert len(some) == 12
    assert some.names == ROOT.names


@pytest.mark.parametrize("out_of", [2, 4, 16])
def test_each_sample_lies_in_exactly_half_of_the_halves(out_of):
    halves = [derive(Half("root", out_of, number)) for number in range(out_of)]
    found, counts = np.unique(np.concatenate([half.indices for half in halves]), return_counts=True)
    assert np.array_equal(found, ROOT.indices)
    assert (counts == out_of // 2).all()
    assert len({half.digest for half in halves}) == out_of


def test_a_sample_is_in_a_half_whatever_the_others_are():
    some = ROOT.chosen(np.arange(10, 30))
    whole, part = derive(Half("root", 4, 1)), derive(Half("root", 4, 1), root=some)
    assert set(part.indices) == set(whole.indices) & set(some.indices)


def test_all_samples_are_of_one_class():
    made = derive(OneClass("root", "outside"))
    assert set(made.labels) == {1}
    assert set(derive(OneClass("root")).labels) == {0}
    assert made.names == ("inside", "outside")
    assert np.array_equal(made.indices, ROOT.indices)


def test_random_labels_are_never_the_true_ones_and_the_same_for_noise():
    made = derive(Relabelled("root", seed=2))
    assert (made.labels != ROOT.labels).all()
    assert np.array_equal(made.images, ROOT.images)
    noisy = derive(Noised("root", 0.1, targets="random", labels="target", seed=2))
    assert np.array_equal(noisy.labels, made.labels)
    part = derive(Relabelled("root", seed=2), root=ROOT.chosen(np.arange(5, 9)))
    assert np.array_equal(part.labels, made.labels[5:9])


def test_noise_keeps_its_size_in_the_box():
    made = derive(Noised("root", 0.5))
    noise = (rows_of(made).double() - rows_of(ROOT).double()).flatten(1)
    assert made.in_box
    assert torch.allclose(noise.norm(dim=1), torch.full((60,), 0.5, dtype=torch.float64), atol=1e-6)


@pytest.mark.parametrize("source", ["uniform", "permuted", "mixed"])
@pytest.mark.parametrize("filtered", [False, True])
def test_noise_images_lie_in_the_box_and_are_drawn_by_the_root_index(source, filtered):
    kind = NoiseImages("root", source, filtered, seed=4)
    made = derive(kind)
    rows = rows_of(made)
    expected = noise_images(
        rows_of(ROOT), Randomness(4, torch.from_numpy(ROOT.indices)), source, filtered
    )
    torch.testing.assert_close(rows, expected)
    assert made.in_box
    assert torch.equal(rows_of(derive(kind, root=ROOT.chosen(np.array([5, 9])))), rows[[5, 9]])
    flipped = derive(kind, root=replace(ROOT, transform=Flip()))
    assert flipped.in_box == (filtered or source == "uniform")
    if filtered:
        assert (rows.amin((1, 2, 3)) == 0).all()
        assert (rows.amax((1, 2, 3)) == 1).all()
    elif source == "permuted":
        assert torch.equal(rows.flatten(1).sort().values, rows_of(ROOT).flatten(1).sort().values)


def test_noise_comes_behind_a_transform_and_leaves_the_box_with_it():
    flipped = replace(ROOT, transform=Flip())
    made = derive(Noised("root", 0.5), root=flipped)
    assert not made.in_box
    noise = (rows_of(made).double() - rows_of(flipped).double()).flatten(1)
    assert torch.allclose(noise.norm(dim=1), torch.full((60,), 0.5, dtype=torch.float64), atol=1e-6)


def test_attacks_in_the_box_are_refused_outside_of_it():
    made = derive(Noised("root", 0.5), root=replace(ROOT, transform=Flip()))
    with pytest.raises(InputError, match=r"probe p attacks in the box .* inputs of this data set"):
        check_box("probe p", AdversarialExamples(PGD(1.0)), made)
    check_box("probe p", AdversarialExamples(PGD(1.0, box=False)), made)
    with pytest.raises(InputError, match="attacks in the box"):
        check_box("probe p", Projected(Learnt("normals")), made)


def test_a_transform_comes_behind_another():
    made = derive(Transformed("root", LowPass(3)), root=replace(ROOT, transform=Flip()))
    assert torch.allclose(rows_of(made), LowPass(3)(Flip()(rows_of(ROOT))), atol=1e-6)


def test_a_union_keeps_root_indices_unless_one_stands_twice():
    parts = {"a": ROOT.chosen(np.arange(10)), "b": ROOT.chosen(np.arange(20, 25))}
    both = derive(Union(("a", "b")), **parts)
    assert np.array_equal(both.indices, np.r_[0:30:3, 60:75:3])
    twice = derive(Union(("root", "root", "a")), root=ROOT, a=parts["a"])
    assert len(np.unique(twice.indices)) == 130
    assert np.array_equal(twice.indices % 1000, np.r_[ROOT.indices, ROOT.indices, 0:30:3])
    assert np.array_equal(twice.indices // 1000, np.repeat([0, 1, 2], [60, 60, 10]))


def test_a_union_of_other_types_shows_each_as_it_was():
    noisy = derive(Noised("root", 0.1))
    flipped = replace(ROOT, transform=Flip())
    both = derive(Union(("root", "noisy", "flipped")), root=ROOT, noisy=noisy, flipped=flipped)
    shown = torch.cat([rows_of(part) for part in (ROOT, noisy, flipped)])
    assert torch.equal(rows_of(both)[:120], shown[:120])
    assert torch.allclose(rows_of(both)[120:], shown[120:], atol=1e-6)
    assert not both.in_box
    assert derive(Union(("root", "noisy")), root=ROOT, noisy=noisy).in_box


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Subset("root", 61), "between 1 and 60 samples"),
        (Subset("root", 0), "between 1 and 60 samples"),
        (Subset("root", 5, skip=-1), "skip: -1"),
        (Subset("root", skip=60), "between 1 and 0 samples"),
        (Subset("root", 5, seed=-1), "seed of a subset"),
        (Subset("root", classes=(4,)), "classes must be numbers in 0..3"),
        (Subset("root", classes=()), "at least one"),
        (Half("root", 3, 0), "even out_of"),
        (Half("root", 4, 4), "from 0 to out_of - 1"),
        (Union(("root",)), "at least 2 data sets"),
        (Union(("root", "other")), "one shape, the same classes and the"),
        (Noised("root", -1), "size must be"),
        (
            NoiseImages("root", "white"),
            "source must be one of uniform, permuted, mixed",
        ),
        (Decoy("root", 9), "decoy: side of the decoy must be from 1 to"),
        (Marked("root", -1.0), "marked: size must be"),
        (Marked("root", 1.0, 1), "band 1 has 1 frequencies, fewer than the 4 classes"),
        (Noised("root", 1, targets="random"), "go together"),
        (Noised("root", 1, labels="target"), "go together"),
        (Relabelled("one"), "at least 2 classes"),
        (Corrupted("root", "frost", 1), "corrupted: frost .* 14 of the 15 corruptions"),
        (Corrupted("root", "saturate", 1), "corrupted: saturate changes colours alone"),
        (
            Corrupted("boxless", "contrast", 1),
            r"contrast needs images in \[0, 1\]; those of boxless",
        ),
        (Hybrid("root", 8), "hybrid: band must be from 1 to below the shorter side .* 8, so that"),
        (Hybrid("one", 3), "a sample of class only has no other of other class in 60 samples"),
        (Hybrid("few", 3, "same_class"), "a sample of class a has no other of same class in 4"),
    ],
)
def test_what_cannot_be_is_refused(kind, words):
    other = Dataset(IMAGES[:, :, :4], ROOT.labels, ROOT.indices, ROOT.names)
    one = Dataset(IMAGES, np.zeros(60, np.int64), ROOT.indices, ("only",))
    boxless = replace(ROOT, transform=LowPass(3))
    with pytest.raises(InputError, match=words):
        kind.apply(
            {
                "root": ROOT,
                "other": other,
                "one": one,
                "boxless": boxless,
                "few": ROOT.chosen(np.arange(4)),
            }
        )


def test_every_kind_names_its_sources():
    assert {type(kind) for kind in KINDS} | {LabelledBy} == set(DERIVED.values())
    assert [kind.sources for kind in KINDS] == [("root",)] * 2 + [("root", "root")] + [
        ("root",)
    ] * 18


def test_a_training_makes_few_images_once_and_many_in_batches(monkeypatch):
    made = derive(Noised("root", 0.5))
    once, labels = inputs_of(made, torch.device("cpu"))
    assert torch.equal(once, rows_of(made))
    assert torch.equal(labels, torch.from_numpy(made.labels))
    monkeypatch.setattr(sources, "SENT", 0)
    streamed, _ = inputs_of(made, torch.device("cpu"))
    assert not isinstance(streamed, torch.Tensor)
    assert torch.equal(streamed[torch.tensor([5, 1])], once[[5, 1]])


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_share_of_wrong_labels_is_drawn_by_sample_and_grows_with_the_share(share):
    many = replace(
        ROOT,
        images=np.zeros((2000, 1, 2, 2), np.uint8),
        labels=np.arange(2000) % 4,
        indices=np.arange(2000),
    )
    all_wrong = derive(Relabelled("root", seed=2), root=many).labels
    made = derive(Relabelled("root", seed=2, share=share), root=many).labels
    wrong = made != many.labels
    assert wrong.mean() == pytest.approx(share, abs=0.035)
    assert np.array_equal(made[wrong], all_wrong[wrong])
    few = derive(Relabelled("root", seed=2, share=share / 2), root=many).labels != many.labels
    assert not (few & ~wrong).any()
    part = derive(Relabelled("root", seed=2, share=share), root=many.chosen(np.arange(50, 90)))
    assert np.array_equal(part.labels, made[50:90])


def test_a_share_lies_between_none_and_all_and_all_is_as_it_was():
    with pytest.raises(InputError, match=r"share must lie in \[0, 1\]; got 1.5"):
        derive(Relabelled("root", share=1.5))
    assert "share" not in schema.unstructure(Relabelled("root"))


def test_entries_are_exchanged_and_hidden_and_a_column_labels() -> None:
    whole = rows_of(ROOT).flatten(1)
    swapped = rows_of(derive(Swapped("root", ((0, 5), (7, 2))))).flatten(1)
    assert torch.equal(swapped[:, [0, 5, 7, 2]], whole[:, [5, 0, 2, 7]])
    rest = [entry for entry in range(64) if entry not in (0, 2, 5, 7)]
    assert torch.equal(swapped[:, rest], whole[:, rest])
    hidden = rows_of(derive(Hidden("root", (1, 3)))).flatten(1)
    assert not hidden[:, [1, 3]].any()
    assert torch.equal(hidden[:, 4:], whole[:, 4:])
    sex = np.array(["w", "m"])[np.arange(60) % 7 % 2]
    labelled = derive(LabelledBy("root", "sex"), root=replace(ROOT, columns={"sex": sex}))
    assert labelled.names == ("m", "w")
    assert (np.array(labelled.names)[labelled.labels] == sex).all()
    assert labelled.digest != ROOT.digest


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Swapped("root", ((0, 0),)), "pairs must be at least 2 different numbers"),
        (Swapped("root", ((0, 64),)), "below 64 for inputs"),
        (Hidden("root", (-1,)), "at least 1 different numbers of entries of an input, from 0"),
        (LabelledBy("root", "sex"), "root has no column 'sex'; it has none"),
    ],
    ids=repr,
)
def test_entries_that_are_not_there_are_refused(kind: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        derive(kind)


def test_an_unknown_label_is_refused() -> None:
    sex = np.array(["w", ""] * 30)
    with pytest.raises(InputError, match="is unknown of 30 samples"):
        derive(LabelledBy("root", "sex"), root=replace(ROOT, columns={"sex": sex}))
