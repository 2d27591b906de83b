"""Memory of a run of the size of Crossmodal-3600: 3,600 images of 640 pixels, 261,375 captions, vectors of 512."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image as Pillow
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.conftest import Claim
from panglot.data.catalogue import suite_tasks
from panglot.data.origins.hub import ROW_GROUP

CAPTIONS = {name: size.queries for name, size in suite_tasks()["xm3600-t2i"].sizes.items() if size.queries}

IMAGES = 3600

ENCODER = '''
"""Vectors that cost nothing, and are counted."""
import hashlib, json, pathlib
import numpy as np

class Cheap:
    images = 0
    def _vectors(self, contents):
        seeds = [int.from_bytes(hashlib.blake2b(content, digest_size=8).digest()) for content in contents]
        return np.stack([np.random.default_rng(seed).standard_normal(512, np.float32) for seed in seeds])
    def encode(self, texts, role):
        return self._vectors([text.encode() for text in texts])
    def encode_images(self, images):
        Cheap.images += len(images)
        pathlib.Path("images.json").write_text(json.dumps(Cheap.images))
        return self._vectors([image.tobytes()[:4096] for image in images])

make = Cheap
'''


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files as `panglot.data.origins.hub` writes them: photographs of noise, captions as many as the published ones."""
    folder = tmp_path_factory.mktemp("data") / "xm3600"
    folder.mkdir()
    locales = list(CAPTIONS)
    random = np.random.default_rng(0)
    schema = pa.schema({"id": pa.string(), "locale": pa.string(), "image": pa.binary()})
    with pq.ParquetWriter(folder / "images.parquet", schema) as writer:
        for start in range(0, IMAGES, ROW_GROUP):
            rows = [
                {"id": f"i{n}", "locale": locales[n % 36], "image": _photograph(random)}
                for n in range(start, min(start + ROW_GROUP, IMAGES))
            ]
            writer.write_table(pa.Table.from_pylist(rows, schema))
    texts = [
        {"id": f"i{n % IMAGES}", "lang": language, "text": f"Caption {n} in {language} of what the photograph shows"}
        for language, count in CAPTIONS.items()
        for n in range(count)
    ]
    pq.write_table(pa.Table.from_pylist(texts), folder / "texts.parquet")
    (folder.parent / "cheap.py").write_text(ENCODER, encoding="utf-8")
    return folder.parent


def _photograph(random: np.random.Generator) -> bytes:
    coarse = Pillow.fromarray(random.integers(0, 256, (30, 40, 3), np.uint8))
    content = io.BytesIO()
    coarse.resize((640, 480), Pillow.Resampling.BICUBIC).save(content, "JPEG", quality=90)
    return content.getvalue()


def test_memory(benchmark: BenchmarkFixture, claim: Claim, data: Path) -> None:
    """The three directions in one process, with a cache that the first of them fills."""
    panglot = Path(sys.executable).with_name("panglot")
    command = [panglot, "run", "py:cheap:make", "--tasks", "xm3600", "--cache", "vectors", "--out", "out"]
    environment = os.environ | {"PANGLOT_DATA": str(data)}
    benchmark.pedantic(
        subprocess.run, (command,), {"cwd": data, "env": environment, "check": True, "capture_output": True}
    )
    runs = {path.stem: json.loads(path.read_text(encoding="utf-8"))["run"] for path in data.glob("out/*/*.json")}
    assert set(runs) == {"xm3600-t2i", "xm3600-i2t", "xm3600-mixed"}
    assert json.loads((data / "images.json").read_text(encoding="utf-8")) == IMAGES
    claim(
        "peak memory of xm3600 in three directions, GiB",
        max(run["peak_memory_mib"] for run in runs.values()) / 1024,
        at_most=3.0,
        seconds={name: sum(run["seconds"].values()) for name, run in runs.items()},
        peak_mib={name: run["peak_memory_mib"] for name, run in runs.items()},
    )
