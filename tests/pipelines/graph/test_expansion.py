"""The notation of graphs: axes, references, joins, and how many members they give."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from advcore.pipelines.graph.notation.expansion import expand
from advcore.pipelines.graph.notation.members import Member
from advcore.pipelines.settings.documents import load_yaml, override
from advcore.workers.errors import InputError

HERE = Path(__file__).parent


def counts(document: Any) -> dict[str, int]:
    return {
        f"{section}.{name}": len(own.members) for (section, name), own in expand(document).items()
    }


def family(text: str, section: str, name: str) -> list[Member]:
    return list(expand(yaml.safe_load(text))[section, name].members.values())


@pytest.mark.parametrize(
    ("study", "wanted"),
    [
        (
            "fig5",
            {
                "models.plain": 9,
                "fits.uap": 9,
                "fits.curved": 9,
                "probes.fooled": 18,
                "probes.elsewhere": 27,
                "probes.energy": 9,
            },
        ),
        (
            "fig7",
            {
                "models.student": 36,
                "probes.accuracy": 72,
                "probes.robustness": 36,
                "probes.pictures": 4,
            },
        ),
        (
            "transfer_learning",
            {
                "models.source": 25,
                "models.tuned": 150,
                "models.scratch": 15,
                "probes.accuracy": 165,
            },
        ),
        (
            "membership",
            {
                "data_sets.half": 16,
                "models.shadow": 32,
                "models.target": 2,
                "probes.scores": 34,
                "tables.lira": 2,
            },
        ),
        (
            "fig14",
            {
                "data_sets.corrupted": 75,
                "models.net": 12,
                "probes.errors": 75 * 12,
                "probes.clean": 12,
                "tables.mce": 12,
            },
        ),
    ],
)
def test_the_examples_expand_to_their_members(study: str, wanted: dict[str, int]) -> None:
    found = counts(load_yaml(HERE / f"{study}.yaml"))
    assert {name: found[name] for name in wanted} == wanted


def test_one_seed_by_an_override() -> None:
    document = override(load_yaml(HERE / "fig5.yaml"), ["axes.seed=1"])
    assert counts(document)["models.plain"] == 3


def test_equal_names_join_and_renamed_ones_multiply() -> None:
    text = """
axes: {net: [a, b], seed: 2}
models: {plain: {architecture: $net, seed: $seed}}
fits: {uap: {kind: universal, model: plain}}
probes:
  own: {kind: shifted, model: plain, fit: uap}
  other: {kind: shifted, model: plain, fit: {of: uap, rename: {net: made_on}}}
"""
    own, other = family(text, "probes", "own"), family(text, "probes", "other")
    assert [member.at for member in own] == [
        {"net": net, "seed": seed} for net in "ab" for seed in (0, 1)
    ]
    for member in own:
        net, seed = member.at["net"], member.at["seed"]
        assert member.settings["fit"] == f"fits.uap net={net} seed={seed}"
        assert member.inputs == (f"models.plain net={net} seed={seed}", member.settings["fit"])
    assert len(other) == 8
    assert {tuple(member.at) for member in other} == {("net", "seed", "made_on")}
    for member in other:
        assert member.settings["fit"] == (
            f"fits.uap net={member.at['made_on']} seed={member.at['seed']}"
        )


def test_a_name_inside_a_list_is_a_reference() -> None:
    """As a fit in the threat model of one of a probe's attacks."""
    text = """
axes: {seed: 2}
data_sets: {train: {name: digits, split: train}}
models: {plain: {recipe: plain, data: train, seed: $seed}}
fits: {spread: {kind: components, model: plain, data: train}}
probes:
  both:
    kind: robustness
    model: plain
    attacks: [{kind: fgsm}, {kind: pgd, threat: {kind: along, fit: spread}}, {kind: deepfool}]
"""
    for seed, member in enumerate(family(text, "probes", "both")):
        first, second, third = member.settings["attacks"]
        assert (first, third) == ({"kind": "fgsm"}, {"kind": "deepfool"})
        assert second["threat"]["fit"] == f"fits.spread seed={seed}"
        assert f"fits.spread seed={seed}" in member.inputs


def test_what_lacks_an_axis_goes_with_each_of_its_labels() -> None:
    text = """
axes: {eps: [1.5, 4.0]}
data_sets:
  train: {name: digits}
  made: {kind: adversarial, of: train, eps: $eps}
models: {student: {recipe: plain, data: {each: [train, made], as: learnt_from}}}
probes: {accuracy: {kind: accuracy, model: student, data: made}}
"""
    students = family(text, "models", "student")
    assert [member.at for member in students] == [
        {"learnt_from": "train"},
        {"learnt_from": "made", "eps": 1.5},
        {"learnt_from": "made", "eps": 4.0},
    ]
    assert len(family(text, "probes", "accuracy")) == 4  # train with both, made with its own


def test_where_pins_or_selects() -> None:
    text = """
axes: {eps: [1e-3, 8/255, 1]}
data_sets: {made: {kind: noised, of: base, size: $eps}, base: {name: digits}}
probes:
  pinned: {kind: accuracy, data: {of: made, where: {eps: 1e-3}}}
  listed: {kind: accuracy, data: {of: made, where: {eps: [8/255, 1]}}}
  apart: {kind: accuracy, data: [{of: made, where: {eps: 1}}, {of: made, where: {eps: 0.001}}]}
"""
    (pinned,) = family(text, "probes", "pinned")
    assert pinned.at == {}
    assert pinned.settings["data"] == "data_sets.made eps=0.001"
    assert [member.at for member in family(text, "probes", "listed")] == [
        {"eps": 8 / 255},
        {"eps": 1},
    ]
    assert [member.at["data"] for member in family(text, "probes", "apart")] == [
        "made eps=1",
        "made eps=0.001",
    ]


def test_cases_stand_for_their_content_and_keys_for_parts_of_it() -> None:
    text = """
axes: {mode: {fixed: {freeze: ["*"], recipe: head}, full: {freeze: [], recipe: all}}}
models: {tuned: {recipe: $mode.recipe, freeze: $mode.freeze, note: $$mode, whole: x-$mode}}
"""
    fixed, full = family(text, "models", "tuned")
    assert fixed.at == {"mode": "fixed"}
    assert fixed.settings == {
        "recipe": "head",
        "freeze": ["*"],
        "note": "$mode",
        "whole": "x-$mode",
    }
    assert full.settings["freeze"] == []


def test_cases_may_be_called_by_numbers() -> None:
    """Sizes of a data set, each with so many epochs that all take the same number of steps."""
    text = """
axes: {size: {1000: {samples: 1000, epochs: 8}, 2000: {samples: 2000, epochs: 4}}}
data_sets: {few: {name: digits, samples: $size.samples}}
models: {net: {recipe: {base: plain, set: {epochs: $size.epochs}}, data: few}}
probes: {p: {model: {of: net, where: {size: 2000}}}}
"""
    nets = family(text, "models", "net")
    assert [member.at for member in nets] == [{"size": 1000}, {"size": 2000}]
    assert [member.settings["recipe"]["set"]["epochs"] for member in nets] == [8, 4]
    assert nets[1].inputs == ("data_sets.few size=2000",)
    assert family(text, "probes", "p")[0].inputs == ("models.net size=2000",)


def test_an_axis_of_names_chooses_entries() -> None:
    text = """
axes: {where: [one, two]}
data_sets: {one: {name: digits}, two: {name: mnist5k}}
models: {net: {recipe: plain, data: $where}}
"""
    assert [member.settings["data"] for member in family(text, "models", "net")] == [
        "data_sets.one",
        "data_sets.two",
    ]


def test_the_parts_of_a_union_stand_together() -> None:
    text = """
axes: {seed: 2}
data_sets:
  base: {name: digits}
  made: {kind: noised, of: base, seed: $seed}
  both: {kind: union, of: [base, made]}
"""
    both = family(text, "data_sets", "both")
    assert [member.settings["of"] for member in both] == [
        ["data_sets.base", f"data_sets.made seed={seed}"] for seed in (0, 1)
    ]


def test_a_part_of_a_union_may_stand_there_several_times() -> None:
    text = """
data_sets:
  few: {name: digits}
  made: {kind: noised, of: few}
  both: {kind: union, of: [few, few, made]}
"""
    (both,) = family(text, "data_sets", "both")
    assert both.settings["of"] == ["data_sets.few", "data_sets.few", "data_sets.made"]
    assert both.inputs == ("data_sets.few", "data_sets.made")


def test_a_table_says_which_axes_it_removes() -> None:
    text = """
axes: {net: [a, b], seed: 3}
models: {plain: {architecture: $net, seed: $seed}}
probes: {accuracy: {kind: accuracy, model: plain}}
tables: {mean: {kind: mean, of: accuracy, reduce: [seed]}}
"""
    means = family(text, "tables", "mean")
    assert [member.at for member in means] == [{"net": "a"}, {"net": "b"}]
    assert means[0].settings["of"] == [f"probes.accuracy net=a seed={seed}" for seed in range(3)]


def test_texts_of_digits_stay_texts() -> None:
    text = """
axes: {name: ["007", "1"], size: [1e-3, 8/255]}
data_sets: {a: {name: $name, size: $size}}
probes: {p: {data: {of: a, where: {name: "1", size: 8/255}}}}
"""
    assert [member.at["name"] for member in family(text, "data_sets", "a")] == ["007"] * 2 + [
        "1"
    ] * 2
    (member,) = family(text, "probes", "p")
    assert member.settings["data"] == f"data_sets.a name=1 size={8 / 255}"


def test_many_members_take_no_long_join() -> None:
    document = {
        "axes": {"source": 190, "target": 190},
        "models": {"one": {"seed": "$source"}, "two": {"seed": "$target"}},
        "probes": {"both": {"kind": "transfer", "model": "one", "fit": "onto"}},
        "fits": {"onto": {"kind": "universal", "model": "two"}},
    }
    assert counts(document)["probes.both"] == 36_100
    with pytest.raises(InputError, match="more than 1000 members"):
        expand(document, most=1000)


REFUSED = [
    (
        "axes: {eps: 0.5}",
        r"axes.eps: expected a list of values",
    ),
    (
        "axes: {eps: [0.1, null]}",
        r"axes.eps: None is no value of an axis",
    ),
    (
        "axes: {eps: [0.1, true]}",
        r"axes.eps: True is no value",
    ),
    (
        "axes: {eps: [0.1, 1e-1]}",
        r"axes.eps: 0.1 is there twice",
    ),
    (
        "axes: {eps: [[1], [2]]}",
        r"axes.eps: lists and mappings need names",
    ),
    (
        "axes: {eps: []}",
        r"axes.eps: expected at least 1 value",
    ),
    (
        "axes: {eps: {true: a}}",
        r"axes.eps: the name of a case must be a text or a number, got True: put it in quotes",
    ),
    (
        "axes: {eps: {.nan: a}}",
        r"axes.eps: the name of a case must be a text or a number, got nan",
    ),
    (
        "axes: {eps: [$seed], seed: 2}",
        r"axes.eps: the values of an axis cannot mention",
    ),
    (
        "axes: {seed: 2}",
        r"axes.seed: no entry mentions \$seed",
    ),
    (
        "models: {a: {seed: $seed}}",
        r"models.a.seed: '\$seed' mentions no axis",
    ),
    (
        "axes: {m: {x: {a: 1}}}\nmodels: {a: {seed: $m.b}}",
        r"models.a.seed: \$m.b is not in the case",
    ),
    (
        "models: {a: {data: nowhere}}",
        r"models.a.data: 'nowhere' is not in data_sets",
    ),
    (
        "models: {a: {start: b}, b: {start: a}}",
        r"models.a <- models.b <- models.a|models.b <- models.a",
    ),
    (
        "data_sets: {a: {name: x}}\nmodels: {m: {data: [a]}}",
        r"models.m.data: a list is an axis",
    ),
    (
        "data_sets: {a: {name: x}}\nprobes: {p: {data: []}}",
        r"probes.p.data: expected at least one name",
    ),
    (
        "data_sets: {a: {name: x}}\nprobes: {p: {data: {of: a, where: {eps: 1}}}}",
        r"a has no axis 'eps'",
    ),
    (
        "data_sets: {a: {name: x}}\nprobes: {p: {data: {of: a, when: 1}}}",
        r"unknown key 'when'",
    ),
    (
        "axes: {eps: [1, 2]}\n"
        "data_sets: {a: {size: $eps}}\n"
        "probes: {p: {data: {of: a, where: {eps: 3}}}}",
        r"probes.p.data: a has no eps 3; it has 1, 2",
    ),
    (
        "axes: {eps: [1, 2], k: 2}\n"
        "data_sets: {a: {size: $eps, k: $k}}\n"
        "probes: {p: {data: {of: a, rename: {eps: k}}}}",
        r"has an axis 'k' already",
    ),
    (
        "models: {a: {}, b: {}}\n"
        "fits: {f: {model: {each: [a, b], as: model}}}\n"
        "probes: {p: {fit: f, model: a}}",
        r"an axis 'model' is inherited",
    ),
    (
        "models: {a: {}, b: {}}\n"
        "fits: {f: {model: {each: [a, b], as: model}}}\n"
        "probes: {p: {fit: f, model: [a, b]}}",
        r"an axis 'model' is inherited",
    ),
    (
        "axes: {data: 2}\ndata_sets: {a: {seed: $data}, b: {}}\nprobes: {p: {data: [a, b]}}",
        r"probes.p.data: the axis 'data' is declared in axes, .*: rename it in axes",
    ),
    (
        "axes: {data: 2}\ndata_sets: {a: {seed: $data}}\nprobes: {p: {data: a}}",
        r"probes.p.data: the axis 'data' is declared in axes, .*: rename it in axes",
    ),
    (
        "axes: {data: 2}\ndata_sets: {a: {seed: $data}}\nmodels: {m: {data: a}}",
        r"models.m.data: the axis 'data' is declared in axes, .*: rename it in axes",
    ),
    (
        "axes: {data: 2}\n"
        "data_sets: {a: {}}\n"
        "models: {m: {data: a, seed: $data}}\n"
        "probes: {p: {model: m, data: a}}",
        r"models.m.data: the axis 'data' is declared in axes, .*: rename it in axes",
    ),
    (
        "axes: {eps: [1, 2]}\n"
        "data_sets: {a: {eps: $eps}, b: {eps: $eps}}\n"
        "models: {m: {data: {of: a, where: {eps: [1]}}}}\n"
        "probes: {p: {model: m, data: {of: b, where: {eps: [2]}}}}",
        r"no member has the same eps",
    ),
    (
        "probes: {p: {}}\ntables: {t: {of: p, reduce: [seed]}}",
        r"tables.t.reduce: no axis 'seed'",
    ),
    (
        "models: [a]",
        r"models: expected a mapping",
    ),
    (
        "models: {a: 3}",
        r"models.a: expected a mapping",
    ),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_refused_in_one_line_with_the_place(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        expand(yaml.safe_load(text))
    assert "\n" not in str(caught.value)
