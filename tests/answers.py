"""What the command line answers from a finished study."""

from collections.abc import Sequence

from advcore.pipelines.commands import parse
from advcore.pipelines.graph.reporting.saved_answer import Question, find_answer
from advcore.pipelines.run_commands import DemoCommand, RunCommand


def question_of(words: Sequence[str]) -> Question:
    """Return the question of a command that runs a study, parsed as the command line does."""
    command = parse(words)
    if isinstance(command, RunCommand):
        command = parse(words, command.with_file())
    assert isinstance(command, RunCommand | DemoCommand)
    return command.question(words)


def answer_of(words: Sequence[str]) -> str | None:
    """Return the saved answer of a command that runs a study; None if it has to run."""
    return find_answer(question_of(words))
