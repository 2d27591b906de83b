"""Images and captions that cannot be used: named, or left out and counted."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from PIL import Image as Pillow
from pyarrow import Table, parquet

from panglot.data.damage import without_damaged
from panglot.data.pool import Pool
from panglot.data.readers.captions import ImageText, image_to_text, mixed, text_to_image
from panglot.data.task import Size, Source, Task
from panglot.encode.model import Model
from panglot.encode.scoring import score_pool
from panglot.errors import BadData
from panglot.evaluate.run import run
from panglot.retrieve.ranking import collect_evidence
from panglot.score.summary import Scores, score_evidence
from tests.helpers.command import panglot
from tests.helpers.images import Numbers, encoded, image_text, numbered

LANGUAGES = ("de", "en", "zh")


DIRECTIONS: Mapping[str, Callable[[ImageText], Pool]] = {"t2i": text_to_image, "i2t": image_to_text, "mixed": mixed}


@pytest.fixture(params=DIRECTIONS)
def direction(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _scores(pool: Pool, model: Model) -> Scores:
    return score_evidence(collect_evidence(pool, score_pool(model, pool).scores), "ndcg@10", draws=20)


DAMAGED = [numbered(0), b"no image", encoded(Pillow.new("RGB", (1, 1))), numbered(3), numbered(4)]


def _damaged() -> ImageText:
    data = image_text(5, ("de", "en"), files=DAMAGED)
    empty = [caption._replace(text=" \u00a0") if caption.id == "de:i4:0" else caption for caption in data.captions]
    return ImageText(data.images, empty)


def test_damage_is_named(direction: str) -> None:
    with pytest.raises(BadData) as caught:
        without_damaged(DIRECTIONS[direction](_damaged()))
    said = str(caught.value)
    assert said.startswith("3 items are damaged: ")
    assert all(part in said for part in ("zxx:i1: an image", "zxx:i2: an image of a single", "de:i4:0: an empty text"))
    assert said.endswith("skip these items with --skip-damaged.")


def test_damage_is_left_out_and_counted(direction: str) -> None:
    pool, damaged = without_damaged(DIRECTIONS[direction](_damaged()), skip=True)
    assert damaged == 3
    assert {
        "t2i": (5, 3),
        "i2t": (3, 9),
        "mixed": (9, 12),
    }[direction] == (len(pool.queries), len(pool.candidates))
    assert _scores(pool, Numbers()).settings["multi"]["ndcg@10"].value > 0.8
    whole = DIRECTIONS[direction](image_text(3, LANGUAGES))
    assert without_damaged(whole) == (whole, 0)


def test_a_result_says_how_many_were_left_out() -> None:
    sizes = dict.fromkeys(("de", "en", "zxx"), Size(0, 0))
    task = Task("t", "", sizes, Source("t", {}), lambda _: text_to_image(_damaged()), "ndcg@10", "", "", "")
    assert run(task, Numbers(), skip_damaged=True).record.run.damaged == 3
    with pytest.raises(BadData, match="3 items are damaged"):
        run(task, Numbers())


def test_pool_emptied_by_damage_is_refused() -> None:
    data = image_text(2, ("en",), files=[b"x", b"y"])
    with pytest.raises(BadData, match="No query remains after the damaged items are skipped"):
        without_damaged(text_to_image(data), skip=True)


def test_run_skips_damaged_images_when_asked(tmp_path: Path) -> None:
    """In a set of the Hub as it is stored, one of whose images breaks off."""
    files = [numbered(0), numbered(1)[:45], numbered(2)]
    texts = [{"id": f"{n}", "lang": language, "text": f"{n} {language}"} for language in ("cs", "en") for n in range(3)]
    (tmp_path / "multi30k").mkdir()
    images = [{"id": f"{n}", "locale": "", "image": file} for n, file in enumerate(files)]
    for name, rows in ("images", images), ("texts", texts):
        parquet.write_table(Table.from_pylist(rows), tmp_path / "multi30k" / f"{name}.parquet")
    command = ("run", "random", "--tasks", "multi30k-t2i", "--out", "out")
    stopped = panglot(*command, cwd=tmp_path, PANGLOT_DATA=str(tmp_path))
    assert stopped.returncode != 0
    assert "1 item is damaged: zxx:1: an image that cannot be decoded" in " ".join(stopped.stderr.split())
    assert not list((tmp_path / "out").rglob("*.evidence.parquet"))
    done = panglot(*command, "--skip-damaged", cwd=tmp_path, PANGLOT_DATA=str(tmp_path))
    assert done.returncode == 0, done.stdout
    (path,) = (tmp_path / "out").rglob("multi30k-t2i.*.json")
    assert json.loads(path.read_text(encoding="utf-8"))["run"]["damaged"] == 1
