"""Files and flags as plain mappings: YAML in, `--set` over it, dotted names out.

Nothing here knows what the keys mean.
"""

import json
import re
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from advcore.workers.errors import InputError

Scalar = str | int | float | bool | None

DEPTH, VALUES = 50, 100_000
"""Largest depth of lists and mappings in each other, and largest number of values in a text, those
that aliases repeat among them."""


def load_yaml(path: str | Path) -> dict[str, Any]:
    """Read the mapping in a YAML file.

    Raises InputError where the file, its YAML or its keys are invalid.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"no file {str(path)!r}; give the path of a YAML file") from None
    except UnicodeDecodeError:
        raise InputError(
            f"{path}: expected text in UTF-8, got other bytes; give a YAML file"
        ) from None
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); give the path of a YAML file"
        ) from None
    data = _parse(text, str(path))
    if not isinstance(data, dict):
        raise InputError(
            f"{path}: expected a mapping of keys to values, got {_what(data)}; begin with a "
            "line such as 'name: ...'"
        )
    return data


def override(data: Mapping[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    """Return a copy of `data` with settings `a.b.c=value` put over it, the values read as YAML.

    Positions of lists are numbers (`attacks.0.steps=10`); mappings on the way that do not exist are
    made.
    """
    result = _apart(dict(data))
    for setting in settings:
        name, equals, text = setting.partition("=")
        steps = name.strip().split(".")
        if not equals or not all(steps):
            raise InputError(
                f"--set {setting!r}: expected dotted.name=value; for example run.seed=3"
            )
        _put(result, steps, _parse(text, f"--set {setting!r}"), f"--set {setting!r}")
    return result


def put(data: Mapping[str, Any], values: Mapping[str, Any], at: str) -> dict[str, Any]:
    """Return a copy of `data` with each value put at its dotted name.

    `at` says where the names are from, for messages.
    """
    result = _apart(dict(data))
    for name, value in values.items():
        _put(result, name.split("."), value, f"{at}.{name}")
    return result


def _apart(value: Any) -> Any:
    """Return a copy in which what an alias repeats stands by itself, so that one can be changed."""
    if isinstance(value, Mapping):
        return {name: _apart(part) for name, part in value.items()}
    return [_apart(part) for part in value] if isinstance(value, list) else value


def flatten(mapping: Mapping[str, Any]) -> dict[str, Scalar]:
    """Return scalars by dotted names.

    A list of scalars becomes one text with commas, any other list `name.0`, `name.1`, ...
    """
    result: dict[str, Scalar] = {}
    for name, value in mapping.items():
        if isinstance(value, list | tuple):
            value = (
                ", ".join(map(_word, value))
                if all(map(_is_scalar, value))
                else {str(i): part for i, part in enumerate(value)}
            )
        if _is_scalar(value):
            result[name] = value
        elif value:
            result |= {f"{name}.{inner}": part for inner, part in flatten(value).items()}
        else:
            result[name] = "{}"
    return result


class _Loader(yaml.SafeLoader):
    """A YAML loader for plain data only: bounded size, no duplicate keys, dates stay texts."""

    def construct_document(self, node: yaml.Node) -> Any:
        _count(node, {})
        return super().construct_document(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"key {key.value!r} is there twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if not tag.endswith(":timestamp")]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _count(
    node: yaml.Node, known: dict[int, tuple[int, int]], levels: int = DEPTH
) -> tuple[int, int]:
    """Count the values at and below a node with its aliases expanded, and its levels.

    `known` caches nodes that were counted. Raises yaml.MarkedYAMLError where they are too many, as
    in a node that contains itself.
    """
    if isinstance(node, yaml.ScalarNode):
        return 1, 0
    if id(node) not in known and levels:
        parts = [
            part
            for entry in node.value
            for part in (entry if isinstance(entry, tuple) else (entry,))
        ]
        counts = [_count(part, known, levels - 1) for part in parts]
        known[id(node)] = (
            1 + sum(values for values, _ in counts),
            1 + max((deep for _, deep in counts), default=0),
        )
    values, deep = known.get(id(node), (1, levels + 1))
    if deep > levels or values > VALUES:
        problem = (
            f"more than {DEPTH} levels of lists and mappings"
            if deep > levels
            else f"more than {VALUES} values"
        )
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
    return values, deep


def _parse(text: str, at: str) -> Any:
    """Parse a YAML text; `at` says where the text is from."""
    try:
        return yaml.load(text, _Loader)
    except RecursionError:
        raise InputError(
            f"{at}: not valid YAML: more than {DEPTH} levels of lists and mappings; "
            "correct it there"
        ) from None
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InputError(
            f"{at}: not valid YAML{line}: {_one_line(error.problem or error.context)}; correct it "
            "there"
        ) from None
    except (
        yaml.YAMLError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
    ) as error:  # the last: of a value that is not its tag's
        raise InputError(f"{at}: not valid YAML: {_one_line(error)}; correct it there") from None


def _put(data: dict[str, Any], steps: Sequence[str], value: Any, at: str) -> None:
    """Write `value` into `data`, in place."""
    place: Any = data
    for depth, step in enumerate(steps):
        last = depth == len(steps) - 1
        key: Any = _position(place, step, at) if isinstance(place, list) else _key(place, step)
        if last:
            place[key] = value
        else:
            if isinstance(place, dict) and place.get(key) is None:
                place[key] = {}
            place = place[key]
            if not isinstance(place, dict | list):
                name = ".".join(steps[: depth + 1])
                raise InputError(
                    f"{at}: expected a mapping or a list at {name!r}, got {_what(place)}; set "
                    f"{name!r} itself"
                )


def _key(place: Mapping[Any, Any], step: str) -> Any:
    """Return the key that a step names: a number too, as cases of an axis may have."""
    return next((key for key in place if str(key) == step), step)


def _position(place: list[Any], step: str, at: str) -> int:
    if not re.fullmatch(r"\d+", step) or int(step) >= len(place):
        raise InputError(
            f"{at}: expected a position from 0 to {len(place) - 1} in that list, got {step!r}; "
            "set the whole list"
        )
    return int(step)


def _is_scalar(value: Any) -> bool:
    return not isinstance(value, Mapping | list | tuple)


def _word(value: Scalar) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _what(value: Any) -> str:
    if value is None:
        return "nothing"
    return (
        "a list"
        if isinstance(value, list)
        else "a mapping"
        if isinstance(value, dict)
        else f"{str(value)[:40]!r}"
    )


def _one_line(value: object) -> str:
    return " ".join(str(value).split())
