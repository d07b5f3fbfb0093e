"""Changes of a table's row: every rule is kept on every sample, whatever the search does."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from advcore import Randomness, Targeted
from advcore.attacks import APGD, FGSM, PGD, MinimalNorm, SmallestEps, Status
from advcore.attacks.attack import norm_of
from advcore.box import keeps_box
from advcore.norms import NORMS
from advcore.table_rules import TableRules
from advcore.table_schema import TableColumn, TableSchema
from advcore.threats import Spatial, Tabular

SCHEMA = TableSchema(
    (
        TableColumn("income", low=0, high=10, center=4, scale=2),
        TableColumn("sex", ("f", "m"), "none"),
        TableColumn("age", direction="up", low=18, high=80, center=40, scale=10),
        TableColumn("job", ("none", "part", "full", "own"), "up"),
        TableColumn("debts", direction="down", low=-1, high=1),
        TableColumn("home", ("rent", "own", "free")),
        TableColumn("born", direction="none"),
        TableColumn("credits", low=1, high=4, center=1.4, scale=0.6, whole=True),
        TableColumn("amount", low=250, high=9000, center=3000, scale=2500, whole=True),
    )
)
COUNT = 40
WIDTHS = {"sex": slice(1, 3), "job": slice(4, 8), "home": slice(9, 12)}


def rows(count=COUNT, seed=0):
    generator = torch.Generator().manual_seed(seed)
    own = torch.zeros(count, SCHEMA.features)
    for column, place in SCHEMA.places():
        if column.categories:
            own[:, place] = torch.eye(column.width)[
                torch.randint(column.width, (count,), generator=generator)
            ]
        else:
            low, high = column.bounds
            own[:, place] = low + (high - low) * torch.rand(count, 1, generator=generator)
            if column.whole:
                raw = (column.center + column.scale * own[:, place]).round()
                own[:, place] = (raw - column.center) / column.scale
    own[0, 0] = 5.0  # above all training rows
    return own


def broken_by_hand(before, after):
    """The rules, column by column, in plain Python: an oracle of `TableRules.violations`."""
    count = 0
    for old, new in zip(before.tolist(), after.tolist(), strict=True):
        for column, place in SCHEMA.places():
            if column.categories:
                one, other = old[place], new[place]
                wrong = sorted(other) != [0] * (column.width - 1) + [1]
                a, b = one.index(1), other.index(max(other))
            else:
                a, b = old[place.start], new[place.start]
                low, high = column.bounds
                wrong = not min(low, a) - 1e-4 <= b <= max(high, a) + 1e-4
                raw = column.center + column.scale * b
                wrong |= column.whole and abs(raw - round(raw)) > 5e-6 * column.scale
            wrong |= b > a + 1e-4 and column.direction in ("down", "none")
            wrong |= b < a - 1e-4 and column.direction in ("up", "none")
            count += wrong
    return count


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(SCHEMA.features, 16), nn.ReLU(), nn.Linear(16, 2)).eval()


def noise(count=COUNT):
    return Randomness(0, torch.arange(count))


every_norm = pytest.mark.parametrize("norm", NORMS)


@every_norm
@pytest.mark.parametrize("eps", [0.4, 2.0, 9.0])
@pytest.mark.parametrize(
    "attack",
    [FGSM, lambda **own: PGD(steps=12, **own), lambda **own: APGD(steps=12, **own)],
    ids=["fgsm", "pgd", "apgd"],
)
def test_no_rule_is_broken_on_any_row(norm, eps, attack):
    inputs, classifier = rows(), network()
    wished = 1 - classifier(inputs).argmax(1)
    result = attack(eps=eps, threat=Tabular(SCHEMA, norm))(
        classifier, inputs, Targeted(wished), noise()
    )
    assert broken_by_hand(inputs, result.images) == 0
    rules = TableRules.around(SCHEMA, inputs)
    assert not rules.violations(result.images).any()
    costs = rules.cost(result.images, NORMS[norm], 1.0)
    assert (costs <= eps * (1 + 1e-4)).all()
    reached = result.status == Status.BROKEN
    torch.testing.assert_close(result.distance[reached], costs[reached])
    assert torch.equal(result.found, classifier(result.images).argmax(1) == wished)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.01, 20), st.sampled_from(list(NORMS)))
def test_whatever_the_parameters_the_row_is_allowed(seed, radius, norm):
    inputs = rows(4, seed)
    region = Tabular(SCHEMA, norm).around(inputs, torch.full((4,), radius), network())
    wild = 30 * torch.randn(inputs.shape, generator=torch.Generator().manual_seed(seed))
    for parameters in (wild, region.project(wild), region.random(noise(4))):
        made = region.apply(parameters)
        assert broken_by_hand(inputs, made) == 0
        assert (region.size(parameters) <= radius * (1 + 1e-4) + 1e-5).all()
    inside = region.project(wild)
    torch.testing.assert_close(region.project(inside), inside, atol=1e-4, rtol=1e-4)


@every_norm
def test_rest_rows_of_their_own_and_gradients(norm):
    inputs = rows()
    region = Tabular(SCHEMA, norm).around(inputs, torch.full((COUNT,), 2.0), network())
    assert torch.equal(region.apply(region.rest()), inputs)
    assert not region.size(region.rest()).any()
    some, drawn = torch.tensor([7, 3]), region.random(noise())
    part = region.take(some)
    torch.testing.assert_close(part.random(noise().take(some)), drawn[some])
    torch.testing.assert_close(part.apply(drawn[some]), region.apply(drawn)[some])
    parameters = drawn.requires_grad_()
    (slope,) = torch.autograd.grad((region.apply(parameters) * inputs).sum(), parameters)
    assert torch.equal(slope, inputs)
    step = region.steepest(inputs, drawn.detach())
    assert step.isfinite().all()


class Score(nn.Module):
    """Two classes by a line: the wished one above 0."""

    def __init__(self, weights, bias):
        super().__init__()
        self.weights, self.bias = torch.tensor(weights), bias

    def forward(self, inputs):
        score = inputs @ self.weights.to(inputs) + self.bias
        return torch.stack([-score, score], 1)


def test_the_cheapest_of_a_line_is_known():
    """A category that earns 2 for 1 is taken before numbers that earn 1 for 1, as far as needed."""
    inputs = rows(1)
    inputs[0, 0], inputs[0, 9:12] = -1.0, torch.tensor([1.0, 0, 0])
    weights = [1.0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0, 2.0, 0.5, 0, 0, 0]
    for gap, cost in ((0.5, 0.5), (1.9, 1.0), (2.5, 1.5)):
        classifier = Score(weights, 1.0 - gap)  # income is -1: the score is -gap
        budget = PGD(steps=12, objective="logit_margin", threat=Tabular(SCHEMA))
        result = SmallestEps(budget, largest=4, steps=8)(
            classifier, inputs, Targeted(torch.ones(1, dtype=torch.int64)), noise(1)
        )
        assert result.distance.item() == pytest.approx(cost, abs=0.02)


def test_whole_numbers_are_taken_whole_and_cost_so():
    """A rate of 3 must fall to 2 where 2.6 would do, unless another column is cheaper."""
    schema = TableSchema(
        (
            TableColumn("rate", low=1, high=4, center=2, scale=1.25, whole=True),
            TableColumn("ratio", low=-2, high=2),
        )
    )
    inputs, wished = torch.tensor([[0.8, 0.0]]), Targeted(torch.ones(1, dtype=torch.int64))
    budget = PGD(steps=12, objective="logit_margin", threat=Tabular(schema))
    for slope, row, cost in ((0.1, [0.0, 0.0], 0.8), (0.8, [0.8, 0.4], 0.4)):
        result = SmallestEps(budget, largest=4, steps=12)(
            Score([-1.0, slope], 0.48), inputs, wished, noise(1)
        )
        torch.testing.assert_close(result.images, torch.tensor([row]), atol=0.02, rtol=0)
        assert result.distance.item() == pytest.approx(cost, abs=0.02)
    rules = TableRules.around(schema, inputs)
    assert rules.violations(torch.tensor([[0.48, 0.0]])).tolist() == [1]
    drawn = [rules.projected(torch.tensor([[own, 0.0]]))[0, 0].item() for own in (0.48, 0.9, 9)]
    assert drawn == pytest.approx([0.0, 1.6, 1.6], abs=1e-6)  # rates of 2, 4 and 4


def test_a_unit_of_a_column_of_large_scale_is_a_change():
    """One unit is 2e-5 standard deviations, and half of one is rounding."""
    income = TableColumn("income", (), "up", low=0, high=1e6, center=2e5, scale=5e4, whole=True)
    schema = TableSchema((income, TableColumn("debts")))
    raw = torch.randint(10**6, (200, 1), generator=torch.Generator().manual_seed(0))
    raw[0] = 10**6 - 2
    inputs = torch.cat([(raw - 2e5) / 5e4, torch.zeros(200, 1)], 1)
    rules = TableRules.around(schema, inputs)
    for units, broken, changed in ((-4, 1, 1), (-1, 1, 1), (0, 0, 0), (1, 0, 1), (0.4, 1, 0)):
        other = inputs.clone()
        other[:, :1] = (raw.double() + units - 2e5) / 5e4
        assert (rules.violations(other) == broken).all()
        assert (rules.changed(other) == changed).all()
    beyond = inputs + torch.tensor([8e-5, 5e-5])  # four units, and less than CLOSE
    assert rules.violations(beyond).tolist() == [1] + [0] * 199  # above the largest
    assert not rules.violations(rules.projected(beyond)).any()
    assert (rules.changed(beyond) == 1).all()


def test_columns_that_nobody_can_change_cannot_help():
    inputs = rows()
    weights = [0.0] * 15
    weights[1], weights[12] = 5.0, 5.0  # sex and birth
    classifier = Score(weights, -100.0)
    result = PGD(eps=9.0, steps=5, threat=Tabular(SCHEMA))(
        classifier, inputs, Targeted(torch.ones(COUNT, dtype=torch.int64)), noise()
    )
    assert not result.found.any()
    for place in (slice(1, 3), slice(12, 13)):
        assert torch.equal(result.images[:, place], inputs[:, place])


def test_rules_count_what_is_broken():
    inputs = rows()
    rules = TableRules.around(SCHEMA, inputs)
    assert not rules.violations(inputs).any()
    wild = inputs + torch.randn(inputs.shape, generator=torch.Generator().manual_seed(1))
    assert rules.violations(wild).sum() == broken_by_hand(inputs, wild)
    drawn = rules.projected(wild)
    assert broken_by_hand(inputs, drawn) == 0
    other = inputs.clone()
    other[:, 0] -= 0.5
    other[:, 9:12] = other[:, 9:12].roll(1, 1)
    assert (rules.changed(other) == 2).all()
    torch.testing.assert_close(rules.cost(other, NORMS["l1"], 3.0), torch.full((COUNT,), 3.5))
    spoilt = inputs.clone()
    spoilt[2, 0] = torch.nan
    assert rules.violations(spoilt)[2] > 0


def test_a_table_without_numbers_and_one_without_categories():
    for columns in (
        (TableColumn("job", ("a", "b", "c")), TableColumn("sex", ("f", "m"), "none")),
        (TableColumn("age", low=-3, high=3), TableColumn("debts", low=-3, high=3)),
    ):
        schema = TableSchema(columns)
        if columns[0].categories:
            inputs = torch.cat([torch.eye(3)[[0, 2]], torch.eye(2)], 1)
        else:
            inputs = torch.tensor([[0.0, 1.0], [1.0, -1.0]])
        region = Tabular(schema).around(inputs, torch.tensor([1.0, 1.0]), network())
        made = region.apply(region.project(inputs + 5 * region.steepest(-inputs, inputs)))
        assert not TableRules.around(schema, inputs).violations(made).any()
        assert not torch.equal(made, inputs)


def test_what_cannot_be_is_refused():
    one, classifier = torch.ones(2), network()
    for inputs in (torch.rand(2, 7), torch.rand(2, 1, 4, 4), torch.rand(2, 3, 15)):
        with pytest.raises(ValueError, match=r"has rows \(B, 15\), a number an entry; got"):
            Tabular(SCHEMA).around(inputs, one, classifier)
    with pytest.raises(ValueError, match="need one 1 and else 0 in the entries of each cat"):
        Tabular(SCHEMA).around(torch.rand(2, 15), one, classifier)
    with pytest.raises(ValueError, match="category must be a positive cost; got 0"):
        Tabular(SCHEMA, category=0)
    with pytest.raises(ValueError, match="norm must be one of"):
        Tabular(SCHEMA, "l3")
    with pytest.raises(ValueError, match="at least one column; got none"):
        TableSchema(())


def test_a_threat_model_says_alone_whether_there_is_a_box():
    assert not keeps_box(PGD(threat=Tabular(SCHEMA)))
    assert not keeps_box(SmallestEps(PGD(threat=Tabular(SCHEMA))))
    assert keeps_box(PGD(threat=Spatial(), box=False))
    assert norm_of(SmallestEps(PGD(threat=Tabular(SCHEMA)))) == "table"


def test_a_plain_perturbation_breaks_rules():
    """The control: what the rules are for."""
    inputs, classifier = rows(), network()
    wished = Targeted(1 - classifier(inputs).argmax(1))
    result = MinimalNorm(norm="l2", box=False)(classifier, inputs, wished, noise())
    assert (TableRules.around(SCHEMA, inputs).violations(result.images) > 0).all()
