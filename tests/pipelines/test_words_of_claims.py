"""The words of the shipped studies' claims: each is read alone, beside its number."""

import re

import pytest

from advcore.pipelines.settings.documents import load_yaml
from advcore.pipelines.settings.shipped import find, shipped_files

REFERS = re.compile(r"(^|: )the same\b|\bthe same (of|under|at|with|by|inside)\b|\bthe same$")


@pytest.mark.parametrize("name", shipped_files("studies"))
def test_each_claim_says_what_it_is_without_another(name: str) -> None:
    said = [claim["says"] for claim in load_yaml(find(name, "studies")).get("claims", {}).values()]
    assert len(said) == len(set(said))
    assert [words for words in said if REFERS.search(words)] == []


@pytest.mark.parametrize("words", ["the same at l2 2", "the control: the same", "x: the same of y"])
def test_words_that_refer_to_another_claim_are_seen(words: str) -> None:
    assert REFERS.search(words)
