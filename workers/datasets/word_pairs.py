"""Pairs of words that should have one sentiment, and random pairs that lie as far apart."""

from collections.abc import Sequence
from functools import cache

import numpy as np

from advcore.workers.datasets.sources import ReadAtOnce, Source
from advcore.workers.datasets.word2vec import vocabulary, word_vectors

CONTROLS = 5
"""Number of random pairs beside each pair."""

TRIED = 20
"""Number of random words that are tried for each pair; the nearest distances are kept."""

SEX = (
    "he she|him her|his hers|himself herself|man woman|men women|boy girl|father mother|"
    "son daughter|brother sister|uncle aunt|husband wife|grandfather grandmother|nephew niece|"
    "gentleman lady|guy gal|male female|businessman businesswoman|spokesman spokeswoman|"
    "chairman chairwoman|congressman congresswoman|actor actress|waiter waitress|king queen|"
    "prince princess|hero heroine|monk nun|John Mary"
)
"""Pairs that differ in sex alone; those of Bolukbasi et al. 2016 and more."""

NAMES = (
    "Brad Darnell|Geoffrey Hakim|Greg Jamal|Jay Jermaine|Matthew Kareem|Neil Leroy|Todd Rasheed|"
    "Allison Aisha|Anne Ebony|Carrie Keisha|Emily Kenya|Jill Lakisha|Kristen Latonya|"
    "Laurie Latoya|Meredith Tamika|Sarah Tanisha"
)
"""First names of white and of black Americans, within a sex in the order of the alphabet, those of
Bertrand and Mullainathan 2004 that have a vector."""


def pairs_of_words() -> Source:
    """Load the words of all pairs, float32 `(300,)` of l2 norm 1.

    Columns: `word`; `pair`, the number of its pair; `kind`: `sex`, `name`, or `control`, of which
    each other pair has five: of twenty random words, each with the one whose distance from it is
    nearest to that of the pair, those that come nearest. Nothing says which sentiment is right: the
    label is 0 for all.
    """
    words, kinds = _words()
    vectors, labels = word_vectors(words), np.zeros(len(words), np.int64)
    return ReadAtOnce(
        len(words),
        ("negative", "positive"),
        lambda indices: (vectors[indices], labels[indices]),
        box=False,
        columns={
            "word": np.array(words),
            "pair": np.arange(len(words)) // 2,
            "kind": np.array(kinds),
        },
    )


@cache
def _words() -> tuple[list[str], list[str]]:
    """Return all words, those of a pair one behind the other, and the kind of each."""
    pairs = [
        (own.split(), kind)
        for kind, text in (("sex", SEX), ("name", NAMES))
        for own in text.split("|")
    ]
    controls = [(own, "control") for own in _controls([words for words, _ in pairs])]
    both = [*pairs, *controls]
    return [word for words, _ in both for word in words], [kind for _, kind in both for _ in "ab"]


def _controls(pairs: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return random pairs of other words, at the distances of these ones."""
    places, rows = vocabulary()
    known, named = np.array(list(places)), [word for own in pairs for word in own]
    free = np.flatnonzero(~np.isin(known, np.array(named)))
    drawn = np.random.RandomState(0).permutation(free)[: len(pairs) * TRIED]
    found = list[list[str]]()
    for own, firsts in zip(pairs, drawn.reshape(len(pairs), TRIED), strict=True):
        one, other = word_vectors(own)
        apart = np.abs(rows[firsts] @ rows[free].T - one @ other)  # of cosines: lengths are 1
        apart[free == firsts[:, None]] = np.inf
        seconds = free[apart.argmin(1)]
        best = np.argsort(apart.min(1), kind="stable")[:CONTROLS]
        found += [[known[firsts[place]], known[seconds[place]]] for place in best]
    return found
