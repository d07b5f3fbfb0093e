"""The settings of a study's run, and whether it is finished, without torch, Ray or MLflow."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from advcore.pipelines.article.choosing import ChosenStudy
from advcore.pipelines.graph.reporting.saved_answer import Question, find_answer
from advcore.pipelines.settings.runs import RunSettings, read_study_run

Over = Mapping[str, Any]
"""Settings of all runs, by name, over those of each study's file."""


def settings_of(chosen: ChosenStudy, over: Over) -> RunSettings:
    """Return the settings of a study's run, with those of all runs over them."""
    return replace(read_study_run(chosen.study, chosen.settings, chosen.small), **over)


def question_of(chosen: ChosenStudy, over: Over) -> Question:
    """Return what the saved answer of a study depends on, whatever else is run with it."""
    settings = settings_of(chosen, over)
    tracked = "tracked" if settings.track else "untracked"
    words = ("article", chosen.folder, *chosen.settings, settings.store or "", tracked)
    return Question.read(words, chosen.study, chosen.settings, settings, chosen.small)


def finished_studies(studies: Iterable[ChosenStudy], over: Over) -> frozenset[str]:
    """Return the folders of the studies that the article has finished, and that are unchanged."""
    return frozenset(
        own.folder for own in studies if find_answer(question_of(own, over)) is not None
    )
