"""What a row's key depends on: all that defines it, the user's own code among it."""

from dataclasses import asdict, dataclass, field, replace

import pytest
from tiny_probes import PLAIN

from advcore.learnt import Learnt
from advcore.probes import Attributions, Pictures
from advcore.workers.errors import InputError
from advcore.workers.keys import settings_that_define_rows, work_key
from advcore.workers.shards import Shard
from advcore.workers.tasks import Other


def test_a_key_changes_with_all_that_rows_depend_on():
    key = ("m", "d", {"kind": "Look", "scale": 1.0}, Shard(0, 4), 7, "float32")
    others = ("n", "e", {"kind": "Look", "scale": 2.0}, Shard(4, 8), 8, "float64")
    keys = {
        work_key(*(other if place == index else part for index, part in enumerate(key)))
        for place, other in enumerate(others)
    }
    assert len(keys | {work_key(*key)}) == 7
    assert work_key(
        "m", "d", {"scale": 1.0, "kind": "Look"}, Shard(0, 4), 7, "float32"
    ) == work_key(*key)
    beside = [(), (Other("a", PLAIN, "h"),), (Other("a", PLAIN, "i"),), (Other("b", PLAIN, "h"),)]
    assert len({work_key(*key, others) for others in beside}) == 4
    assert work_key(*key, ()) == work_key(*key)


def _key(settings):
    return work_key("m", "d", settings, Shard(0, 4), 7, "float32")


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "tiny_own:Look"},
        {
            "kind": "margins",
            "attacks": [{"kind": "restarts", "attack": {"kind": "tiny_own:Attack"}}],
        },
        {"kind": "transfer", "model": {"architecture": "tiny_own:make"}},
    ],
)
def test_the_code_of_the_users_own_classes_is_part_of_the_key(own_module, settings):
    own_module("tiny_own", "scale = 1\n")
    first = _key(settings)
    assert _key(settings) == first
    own_module("tiny_own", "scale = 2.5\n")
    assert _key(settings) != first
    own_module("tiny_own", "scale = 1\n")
    assert _key(settings) == first


def test_own_classes_that_cannot_be_hashed():
    with pytest.raises(InputError, match=r"'builtins:dict' stands in a module without source"):
        _key({"kind": "builtins:dict"})
    assert _key({"kind": "Look", "title": "no_such_module:name"})


@dataclass(frozen=True)
class Costly:
    """A probe that holds another one, both with a setting of memory."""

    scale: float = 1.0
    rows: int = field(default=64, metadata={"cost": True})
    inner: tuple["Costly", ...] = ()
    by_name: dict[str, "Costly"] = field(default_factory=dict)


def test_settings_of_memory_and_speed_do_not_define_rows():
    def wanted(probe):
        return settings_that_define_rows(probe, {"kind": "costly", **asdict(probe)})

    small = Costly(inner=(Costly(2.0, rows=1),), by_name={"a": Costly(3.0, rows=2)})
    large = replace(small, rows=8, inner=(Costly(2.0, rows=9),), by_name={"a": Costly(3.0, rows=9)})
    bare = {"inner": [], "by_name": {}}
    parts = {"inner": [{"scale": 2.0, **bare}], "by_name": {"a": {"scale": 3.0, **bare}}}
    assert wanted(small) == {"kind": "costly", "scale": 1.0, **parts}
    assert _key(wanted(small)) == _key(wanted(large)) != _key(wanted(replace(large, scale=4.0)))


@dataclass(frozen=True)
class OnFit:
    fit: Learnt


def test_what_a_fit_learnt_defines_rows_and_not_its_name():
    def wanted(fit):
        return settings_that_define_rows(OnFit(fit), {"kind": "on_fit", "fit": fit.name})

    one = wanted(Learnt("a", "key of a"))
    assert one == wanted(Learnt("b", "key of a")) == {"kind": "on_fit", "fit": "key of a"}
    assert _key(one) != _key(wanted(Learnt("a", "another key")))
    assert wanted(Learnt("a"))["fit"] == "a"


def test_rows_that_became_others_have_another_key_and_the_rest_stay():
    def wanted(probe):
        return settings_that_define_rows(probe, {"kind": "some", **asdict(probe)})

    assert wanted(Attributions())["rows_changed"] == 1
    assert "rows_changed" not in wanted(Pictures())
