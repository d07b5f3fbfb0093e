"""The results of the shipped studies: verdicts and main numbers, when they were last measured.

`findings.yaml` beside this file holds it, written by hand from docs/benchmarks.md, whose sections
have the rest. Reading it imports no torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from advcore.pipelines.settings.converter import build_value, make_converter
from advcore.pipelines.settings.documents import load_yaml
from advcore.pipelines.settings.shipped import shipped_files
from advcore.workers.errors import InputError


@dataclass(frozen=True)
class Finding:
    """The result of one study.

    Attributes:
        data: what it was measured on, in words.
        over: what its intervals are over: seeds, samples; one seed is said so.
        verdicts: yes, no and undecided in a few words.
        found: the main numbers with their 95 % intervals.
        section: heading of docs/benchmarks.md under which the rest stands; null without one.
    """

    data: str
    over: str
    verdicts: str
    found: str
    section: str | None = None


@dataclass(frozen=True)
class Findings:
    """The file as a whole: `findings` by the name of the study."""

    findings: dict[str, Finding]


def read_findings(path: str | None = None) -> Mapping[str, Finding]:
    """Return what each shipped study found, of the file that comes with advcore if `path` is None.

    Raises InputError where the file is invalid, or not of all the studies that ship.
    """
    at = path or str(shipped_files("article")["findings"])
    found = build_value(make_converter({}), Findings, load_yaml(at), "file").findings
    known = set(shipped_files("studies"))
    if other := known ^ set(found):
        raise InputError(
            f"{at}: expected the studies that come with advcore, got one too many or too few: "
            f"{', '.join(sorted(other))}; add it or leave it out"
        )
    return found
