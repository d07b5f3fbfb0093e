"""Which tests may start a Ray, and a scheduler of pytest-xdist by which they run in one process, in
their order; tests of one fixture or one function stay together too.

Two Rays on one machine may find each other, and each wants the cores. (`--dist loadgroup` and its
marker would do, but groups are lost in pytest 9.2 with xdist 3.8.)
"""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]

MODULE = re.compile(r"RayPool|ray_running|ray\.init|cluster_utils|from driver|\"ray\", \"start\"")
"""What stands in a module whose tests start a Ray."""

TEST = re.compile(r"[\"']ray[\"']")
"""What stands in another test that does."""

FIXTURE = re.compile(r"fixture\(scope=\"(module|class)\"")
"""What stands in a file whose tests share a fixture."""


def starts_ray(nodeid: str) -> bool:
    """Whether a test may start a Ray, by the source of its module and its own."""
    path, name = nodeid.split("[")[0].split("::")[:2]
    return name in _tests_with_ray(ROOT / path)


@cache
def _shares_a_fixture(path: Path) -> bool:
    return bool(FIXTURE.search(path.read_text()))


@cache
def _tests_with_ray(path: Path) -> frozenset[str]:
    source = path.read_text()
    tests = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    if MODULE.search(source):
        return frozenset(test.name for test in tests)
    lines = source.splitlines()

    def text(test: ast.FunctionDef) -> str:
        first = min(part.lineno for part in (test, *test.decorator_list))
        return "\n".join(lines[first - 1 : test.end_lineno])

    return frozenset(test.name for test in tests if TEST.search(text(test)))


def group(nodeid: str) -> str:
    """Return which tests run in one process: those with Ray; those of a file that share a fixture,
    which would be made in either process; the cases of a test.
    """
    path = nodeid.split("::")[0]
    if _shares_a_fixture(ROOT / path):
        return "ray" if _tests_with_ray(ROOT / path) else path
    return "ray" if starts_ray(nodeid) else nodeid.split("[")[0]


def scheduler(config: Any, log: Any) -> Any:
    """Each group goes to the next process that is free, the largest first."""
    from xdist.scheduler import LoadScopeScheduling

    class Grouped(LoadScopeScheduling):
        _split_scope = staticmethod(cache(group))

    return Grouped(config, log)
