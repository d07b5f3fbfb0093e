"""What leaves the house: a network's file and its program, read by plain torch as the docs say."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import torch

from advcore.pipelines.settings import schema
from advcore.pipelines.tracking.card import add_to_card, card_of, model_description
from advcore.pipelines.tracking.packing import export
from advcore.workers.checkpoints import bare_weights, read_metadata, save_tensors
from advcore.workers.models import ModelSpec, build
from advcore.workers.training.card import make_card

DOCS = (Path(__file__).parents[2] / "docs/models.md").read_text()
SPEC = ModelSpec(
    "squeezenet1_1",
    classes=5,
    arguments={"dropout": 0.1},
    mean=(0.4, 0.5, 0.6),
    std=(0.2, 0.3, 0.2),
)
PLAIN = (
    "import sys\nassert not any(name.partition('.')[0] in ('advcore', 'workers', 'pipelines', "
    "'mlflow') for name in sys.modules)\n"
)


def _about(spec: ModelSpec) -> dict[str, object]:
    model = schema.unstructure(spec)
    settings = {"model": model, "data": {"name": "digits"}, "recipe": {"epochs": 2}}
    return {
        "training": "abc",
        "settings": settings,
        "data": "d1",
        "epoch": 2,
        "metrics": [{"loss": 2.0}, {"loss": 1.0}],
    }


def _run_in_docs(place: int, folder: Path, images: torch.Tensor) -> torch.Tensor:
    """Run the docs' example on images, in a process that knows nothing of advcore; return its
    logits.
    """
    torch.save(images, folder / "images.pt")
    code = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)[place]
    assert len([line for line in code.splitlines() if line.strip()]) <= 13
    script = (
        f"import torch\nimages = torch.load('images.pt')\n{code}\ntorch.save(logits.detach(), "
        f"'logits.pt')\n{PLAIN}"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    logits: torch.Tensor = torch.load(folder / "logits.pt")
    return logits


def test_the_docs_example_makes_the_network_of_a_file(tmp_path: Path) -> None:
    save_tensors(bare_weights(build(SPEC)), tmp_path / "best.safetensors", make_card(_about(SPEC)))
    add_to_card(tmp_path / "best.safetensors", {"score": json.dumps({"value": 0.5}), "run": ""})
    images = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    expected = build(replace(SPEC, checkpoint=str(tmp_path / "best.safetensors")))(images)
    torch.testing.assert_close(_run_in_docs(0, tmp_path, images), expected, rtol=1e-4, atol=1e-5)
    words = read_metadata(tmp_path / "best.safetensors")
    assert json.loads(words["advcore.score"]) == {"value": 0.5}
    assert "advcore.run" not in words
    assert json.loads(words["advcore.numbers"]) == {"loss": 1.0}
    assert json.loads(words["advcore.data"]) == {"name": "digits", "digest": "d1"}


def test_the_docs_example_runs_the_exported_program(tmp_path: Path) -> None:
    spec = ModelSpec("lenet", mean=(0.1,), std=(0.3,))
    save_tensors(bare_weights(build(spec)), tmp_path / "w.safetensors", {})
    (tmp_path / "about.json").write_text(json.dumps(_about(spec)))
    assert export(
        tmp_path / "w.safetensors", tmp_path / "about.json", (1, 28, 28), tmp_path / "network.pt2"
    )
    images = torch.rand(5, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    expected = build(replace(spec, checkpoint=str(tmp_path / "w.safetensors")))(images)
    torch.testing.assert_close(_run_in_docs(1, tmp_path, images), expected, rtol=1e-4, atol=1e-5)


def test_a_network_that_cannot_be_taken_down_has_no_program(tmp_path: Path) -> None:
    spec = ModelSpec(f"{__name__}:branching")
    save_tensors(bare_weights(build(spec)), tmp_path / "w.safetensors", {})
    (tmp_path / "about.json").write_text(json.dumps(_about(spec)))
    assert not export(
        tmp_path / "w.safetensors", tmp_path / "about.json", (1, 2, 2), tmp_path / "network.pt2"
    )


class _Branching(torch.nn.Linear):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images.flatten(1)) * (1 if images.sum() > 0 else 2)


def branching() -> torch.nn.Module:
    """A network that branches by its values."""
    return _Branching(4, 10)


def test_a_description_says_what_it_is() -> None:
    said = model_description(_about(SPEC), make_card(_about(SPEC)))
    assert "`squeezenet1_1` for 5 classes, trained by advcore on digits: epoch 2, loss 1." in said
    assert "inside (mean [0.4, 0.5, 0.6], std [0.2, 0.3, 0.2])" in said
    assert "best of sweep" not in said
    bare = _about(ModelSpec("lenet"))
    assert "; there is no normalisation." in model_description(bare, make_card(bare))


def test_a_description_says_which_number_chose_it(tmp_path: Path) -> None:
    """As the file's metadata say."""
    about, file = _about(SPEC), tmp_path / "best.safetensors"
    score = {"name": "r/accuracy", "value": 0.421875, "interval": [0.3087, 0.54389]}
    for chosen_by, interval, told in (
        ("v/accuracy", score["interval"], " (95 %: 0.3087 to 0.5439), chosen by `v/accuracy`."),
        ("r/accuracy", [None, None], "."),
        ("r/accuracy", None, "."),
    ):
        save_tensors(bare_weights(build(SPEC)), file, make_card(about))
        words = json.dumps({**score, "interval": interval, "chosen_by": chosen_by})
        add_to_card(file, {"score": words, "sweep": "tiny", "run": "r1"})
        card = card_of(file, about)
        assert (card["advcore.score"], card["advcore.run"]) == (words, "r1")
        assert f"The best of sweep `tiny`: `r/accuracy` 0.4219{told}\n" in model_description(
            about, card
        )


def test_the_same_words_make_the_same_bytes(tmp_path: Path) -> None:
    words = {f"advcore.{i}": "ä" * i for i in range(12)}
    for name, own in (("a", words), ("b", dict(reversed(words.items())))):
        save_tensors({"w": torch.arange(3.0)}, tmp_path / name, own)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert read_metadata(tmp_path / "a") == words
