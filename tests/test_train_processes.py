"""Two processes on one machine, as torchrun starts them, make the model of one, and share its validation."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.torch import load_file

from panglot.train.data.read import read_pairs
from panglot.train.recipes.recipe_file import make_recipe
from panglot.train.run.record import read_training
from panglot.train.run.train import train
from tests.helpers.processes import python

# The second process is forked off after the imports, which take longer than the training, and the two meet in a file:
# all else is what torchrun sets.
PROGRAM = """
import os, sys
from pathlib import Path
import torch
from sentence_transformers import SentenceTransformer
from panglot.train.data.read import read_pairs
from panglot.train.recipes.recipe import Recipe
from panglot.train.run.train import train
from panglot.train.steps.arguments import arguments

folder = Path(sys.argv[1])
recipe = Recipe.model_validate_json((folder / "recipe.json").read_bytes())
pairs = read_pairs(recipe)
child = os.fork()
rank = "1" if child == 0 else "0"
os.environ.update(RANK=rank, LOCAL_RANK=rank, WORLD_SIZE="2", LOCAL_WORLD_SIZE="2", MASTER_ADDR="127.0.0.1")
os.environ.update(MASTER_PORT="1", GLOO_SOCKET_IFNAME="lo")
if child == 0:
    inner = SentenceTransformer._inference

    def shared(model, inputs, **settings):
        (folder / "shared").write_text(str(len(inputs)))
        return inner(model, inputs, **settings)

    SentenceTransformer._inference = shared
meeting = f"file://{folder / 'meeting'}"
torch.distributed.init_process_group("gloo", init_method=meeting, rank=int(rank), world_size=2)
assert arguments(recipe, folder / "two.training").world_size == 2
train(recipe, folder / "two", pairs)
torch.distributed.destroy_process_group()
if child:
    sys.exit(os.waitpid(child, 0)[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_two_processes_make_the_model_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {"query": f"{x} question{n}", "passage": f"{x} answer{n} of {x} question{n}", "lang": x, "id": str(n)}
        for n in range(40)
        for x in ("de", "en", "zh")
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    sentences = [{"id": n, "lang": x, "text": f"{x} answer{n} sentence"} for n in range(20) for x in ("de", "en", "zh")]
    (tmp_path / "train").mkdir()
    pq.write_table(pa.Table.from_pylist(sentences), tmp_path / "train" / "validation_flores_sib200.parquet")
    monkeypatch.setenv("PANGLOT_DATA", str(tmp_path))
    recipe = make_recipe(
        {
            "name": "two",
            "languages": ["de", "en", "zh"],
            "text": {"kind": "static", "dimension": 16, "vocabulary": 300},
            "data": [{"name": "own", "source": str(tmp_path / "rows.parquet"), "language": "lang", "group": "id"}],
            "loss": {"learned": True},
            "training": {"steps": 8, "batch": 8, "learning_rate": 0.05},
            "validation": {"every": 4, "sentences": 20},
        }
    )
    (tmp_path / "recipe.json").write_text(recipe.model_dump_json(), encoding="utf-8")
    python(PROGRAM, tmp_path)
    together = read_training(recipe, tmp_path / "two")
    alone = train(recipe, tmp_path / "one", read_pairs(recipe)).training
    assert together is not None
    assert int((tmp_path / "shared").read_text()) == 30  # of 20 sentences in 3 languages
    assert together.best_validation == pytest.approx(alone.best_validation)
    assert together.scales == pytest.approx(alone.scales, abs=1e-4)
    found, expected = (load_file(next((tmp_path / name).rglob("model.safetensors"))) for name in ("two", "one"))
    assert found.keys() == expected.keys()
    for name, weight in expected.items():
        # Adam divides by a gradient's own size, so that the rounding of a small one shows; a step is 0.05.
        assert found[name].numpy() == pytest.approx(weight.numpy(), abs=1e-4)
        assert weight.std() > 0
