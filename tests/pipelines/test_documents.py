"""YAML files, --set, dotted names."""

from pathlib import Path

import pytest

from advcore.pipelines.settings.documents import flatten, load_yaml, override, put
from advcore.workers.errors import InputError


def write(folder: Path, text: str) -> Path:
    path = folder / "study.yaml"
    path.write_text(text)
    return path


def test_a_file_is_plain_data(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        (
            "name: a\nwhen: 2024-01-02\nrun: &r {seed: 1}\nother: {<<: *r, seed: 2}\neps: "
            "[8/255, 1e-3]\n"
        ),
    )
    assert load_yaml(path) == {
        "name": "a",
        "when": "2024-01-02",
        "run": {"seed": 1},
        "other": {"seed": 2},
        "eps": ["8/255", "1e-3"],
    }


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (
            "a: 1\nb: 2\na: 3\n",
            r"not valid YAML in line 3: key 'a' is there twice; correct it there",
        ),
        ("a: {b: 1, b: 2}\n", r"in line 1: key 'b' is there twice"),
        ("a: [1\nb: 2\n", r"not valid YAML in line 2: "),
        (
            "a: !!python/object/apply:os.getcwd []\n",
            r"not valid YAML in line 1: could not determine a constructor",
        ),
        ("? [1, {}]\n: 2\n", r"not valid YAML in line 1: found unhashable key"),
        ("a: \x07\n", r"not valid YAML: unacceptable character"),
        ("a: !!timestamp x\n", r"not valid YAML: 'NoneType' object has no attribute"),
        ("a: !!bool x\n", r"not valid YAML: 'x'; correct it there"),
        ("a: !!map [1]\n", r"not valid YAML: "),
        ("a: " + "[" * 51 + "]" * 51, r"in line 1: more than 50 levels of lists and mappings"),
        ("a: " + "[" * 5000, r"not valid YAML: more than 50 levels of lists and mappings"),
        ("a: &a [*a]\n", r"in line 1: more than 50 levels"),
        (
            "0: &a0 [x]\n" + "".join(f"{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 60)),
            r"in line 49: more than 50 levels",
        ),
        (
            "0: &a0 [x]\n" + "".join(f"{i}: &a{i} [{f'*a{i - 1}, ' * 9}]\n" for i in range(1, 9)),
            r"more than 100000 values",
        ),
        (
            "0: &a0 {x: 1}\n"
            + "".join(f"{i}: &a{i} {{<<: [{f'*a{i - 1}, ' * 9}]}}\n" for i in range(1, 9)),
            r"more than 100000 val",
        ),
        ("- 1\n", r"expected a mapping of keys to values, got a list"),
        ("", r"expected a mapping of keys to values, got nothing"),
        ("hello\n", r"expected a mapping of keys to values, got 'hello'"),
    ],
)
def test_a_file_that_is_not_in_order_is_refused_in_one_line(
    tmp_path: Path, text: str, match: str
) -> None:
    with pytest.raises(InputError, match=match) as refused:
        load_yaml(write(tmp_path, text))
    assert "study.yaml" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no file .*none.yaml'; give the path of a YAML file"):
        load_yaml(tmp_path / "none.yaml")
    with pytest.raises(
        InputError, match=r"cannot be read \(Is a directory\); give the path of a YAML file"
    ):
        load_yaml(tmp_path)
    (tmp_path / "image.png").write_bytes(b"\x89PNG\xff")
    with pytest.raises(
        InputError, match=r"expected text in UTF-8, got other bytes; give a YAML file"
    ):
        load_yaml(tmp_path / "image.png")


def test_settings_are_put_over_a_copy() -> None:
    data = {"probes": {"r": {"attacks": [{"steps": 1}, {"steps": 2}]}}, "run": None}
    settings = [
        "probes.r.attacks.1.steps=10",
        "run.seed=3",
        "a.b.c=[1, x]",
        "name=a=b",
        "probes.r.attacks.0={kind: pgd}",
        "none=",
    ]
    assert override(data, settings) == {
        "probes": {"r": {"attacks": [{"kind": "pgd"}, {"steps": 10}]}},
        "run": {"seed": 3},
        "a": {"b": {"c": [1, "x"]}},
        "name": "a=b",
        "none": None,
    }
    assert data == {"probes": {"r": {"attacks": [{"steps": 1}, {"steps": 2}]}}, "run": None}


def test_a_setting_finds_a_key_that_is_a_number() -> None:
    data = {"axes": {"size": {1000: {"epochs": 8}, "2000": {"epochs": 4}}}}
    settings = [f"axes.size.{size}.epochs=1" for size in (1000, 2000, 4000)]
    assert override(data, settings) == {
        "axes": {"size": {1000: {"epochs": 1}, "2000": {"epochs": 1}, "4000": {"epochs": 1}}}
    }


@pytest.mark.parametrize(
    ("setting", "match"),
    [
        ("seed", r"--set 'seed': expected dotted.name=value; for example run.seed=3"),
        ("run..seed=3", r"expected dotted.name=value"),
        ("=3", r"expected dotted.name=value"),
        ("list.2=3", r"expected a position from 0 to 1 in that list, got '2'; set the whole list"),
        ("list.x=3", r"expected a position from 0 to 1 in that list, got 'x'"),
        ("name.x=3", r"expected a mapping or a list at 'name', got 'a'; set 'name' itself"),
        ("name=[3", r"--set 'name=\[3': not valid YAML in line 1"),
    ],
)
def test_a_setting_that_cannot_be_put_is_refused(setting: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        override({"name": "a", "list": [1, 2]}, [setting])


def test_flatten_gives_dotted_names() -> None:
    data = {
        "a": {"b": 1, "c": None},
        "eps": [0.5, 1, "x", True],
        "attacks": [{"steps": 1}, {"steps": 2}],
        "no": [],
        "empty": {},
    }
    assert flatten(data) == {
        "a.b": 1,
        "a.c": None,
        "eps": "0.5, 1, x, true",
        "attacks.0.steps": 1,
        "attacks.1.steps": 2,
        "no": "",
        "empty": "{}",
    }


def test_what_an_alias_repeats_is_changed_alone(tmp_path: Path) -> None:
    text = "one: &one {of: {eps: 1}, list: [{a: 1}]}\ntwo: {<<: *one, says: b}\nthree: *one\n"
    data = load_yaml(write(tmp_path, text))
    for changed in (
        override(data, ["one.of.eps=2", "three.list.0.a=3"]),
        put(data, {"one.of.eps": 2, "three.list.0.a": 3}, "small.set"),
    ):
        assert changed == {
            "one": {"of": {"eps": 2}, "list": [{"a": 1}]},
            "two": {"of": {"eps": 1}, "list": [{"a": 1}], "says": "b"},
            "three": {"of": {"eps": 1}, "list": [{"a": 3}]},
        }
    assert data["one"] == {"of": {"eps": 1}, "list": [{"a": 1}]}
