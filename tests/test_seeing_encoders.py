"""Encoders that see images: CLIP from its configuration, a router of towers, a function, an endpoint."""

from __future__ import annotations

import io
import json
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from panglot.data.readers.captions import mixed
from panglot.encode.load import load_model
from panglot.encode.model import SeesImages
from panglot.encode.scoring import score_pool
from panglot.errors import BadEncoder
from tests.helpers.flaky_proxy import forget_endpoint_settings
from tests.helpers.images import image_text
from tests.helpers.minilm import MINILM
from tests.helpers.seeing import WORDS, save_siglip

PICTURES = [
    Pillow.new("RGB", size, colour) for size, colour in (((50, 40), "red"), ((20, 60), "blue"), ((9, 9), "red"))
]


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_siglip(tmp_path_factory.mktemp("siglip"))


@pytest.mark.parametrize("name", ["st:{}", "hf:{}?pooling=own"])
def test_clip_sees(clip: Path, name: str) -> None:
    model = load_model(name.format(clip))
    assert isinstance(model, SeesImages)
    whole = model.encode_images(PICTURES)
    assert whole.shape == (3, 8)
    assert np.concatenate([model.encode_images([picture]) for picture in PICTURES]) == pytest.approx(whole, abs=1e-5)
    assert model.card.dimension == 8
    assert score_pool(model, mixed(image_text(3, ("de", "en")))).queries


def test_clip_is_what_transformers_makes_of_it(clip: Path) -> None:
    import torch
    from transformers import CLIPModel, CLIPProcessor

    peer, processor = CLIPModel.from_pretrained(clip), CLIPProcessor.from_pretrained(clip)
    with torch.inference_mode():
        images = peer.get_image_features(**processor(images=PICTURES, return_tensors="pt")).pooler_output.numpy()
        texts = peer.get_text_features(**processor(text=["a red picture"], return_tensors="pt")).pooler_output.numpy()
    ours = load_model(f"hf:{clip}?pooling=own&normalise=false")
    assert isinstance(ours, SeesImages)
    assert ours.encode_images(PICTURES) == pytest.approx(images, abs=1e-5)
    assert ours.encode(["a red picture"], "query") == pytest.approx(texts, abs=1e-5)
    assert np.linalg.norm(load_model(f"hf:{clip}?pooling=own").encode_images(PICTURES), axis=1) == pytest.approx(1)


@pytest.mark.parametrize("name", ["st:{}", "hf:{}?pooling=own&normalise=false"])
def test_siglip_reads_its_padding_as_it_was_trained(siglip: Path, name: str) -> None:
    """It has no attention mask, so a text must be padded to one length whatever stands beside it in a batch."""
    import torch
    from transformers import SiglipModel, SiglipProcessor

    peer, processor = SiglipModel.from_pretrained(siglip), SiglipProcessor.from_pretrained(siglip)
    padded = processor(text=["a red picture"], padding="max_length", max_length=12, return_tensors="pt")
    with torch.inference_mode():
        images = peer.get_image_features(**processor(images=PICTURES, return_tensors="pt")).pooler_output.numpy()
        texts = peer.get_text_features(**padded).pooler_output.numpy()
    ours = load_model(name.format(siglip))
    assert isinstance(ours, SeesImages)
    assert ours.card.max_length == 12
    assert ours.encode_images(PICTURES) == pytest.approx(images, abs=1e-5)
    assert ours.encode(["a red picture"], "query") == pytest.approx(texts, abs=1e-5)
    assert ours.encode(["a red picture", "a " * 20], "query")[:1] == pytest.approx(texts, abs=1e-5)


def test_a_router_of_towers_sees(clip: Path, tmp_path: Path) -> None:
    """What the trainer saves: a text tower, and beside it an image tower with a projection."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense, Router, Transformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    mappings = {(None, "text"): "text", (None, "image"): "image"}
    towers = {"text": [StaticEmbedding(words, embedding_dim=6)], "image": [Transformer(str(clip)), Dense(8, 6)]}
    router = Router(towers, default_route="text", route_mappings=mappings)
    SentenceTransformer(modules=[router], device="cpu").save_pretrained(str(tmp_path / "towers"))
    model = load_model(str(tmp_path / "towers"))
    assert isinstance(model, SeesImages)
    assert model.encode_images(PICTURES).shape == (3, 6)
    assert score_pool(model, mixed(image_text(3, ("de", "en")))).queries


def test_models_of_text_do_not_see(clip: Path) -> None:
    assert not isinstance(load_model(str(MINILM)), SeesImages)
    with pytest.raises(BadEncoder, match="must specify the pooling"):
        load_model(f"hf:{clip}?pooling=mine")


def test_a_function_sees_if_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = (
        "import numpy as np\nclass E:\n    def encode(self, texts, role):\n        return np.ones((len(texts), 2))\n"
    )
    sees = "    def encode_images(self, images):\n        return np.array([image.size for image in images], float)\n"
    (tmp_path / "blind_one.py").write_text(source + "make = E\n", encoding="utf-8")
    (tmp_path / "seeing_one.py").write_text(source + sees + "make = E\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert not isinstance(load_model("py:blind_one:make"), SeesImages)
    seeing = load_model("py:seeing_one:make")
    assert isinstance(seeing, SeesImages)
    assert seeing.encode_images(PICTURES).tolist() == [[50, 40], [20, 60], [9, 9]]


@contextmanager
def _endpoint() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server that embeds texts by their length and an image, one a request, by its size."""
    asked: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            asked.append(body)
            vectors = _answer(body)
            data = [{"index": index, "embedding": vector} for index, vector in enumerate(vectors)]
            content = json.dumps({"data": data, "model": body["model"]}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _answer(body: dict[str, Any]) -> list[list[float]]:
    if "input" in body:
        return [[float(len(text)), 1.0] for text in body["input"]]
    (message,) = body["messages"]
    (part,) = message["content"]
    head, _, data = part["image_url"]["url"].partition(",")
    assert (part["type"], head) == ("image_url", "data:image/png;base64")
    with Pillow.open(io.BytesIO(b64decode(data))) as picture:
        return [[float(side) for side in picture.size]]


def test_an_endpoint_that_takes_images(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_endpoint_settings(monkeypatch)
    with _endpoint() as (url, asked):
        model = load_model(f"openai-images:clip@{url}")
        assert isinstance(model, SeesImages)
        assert model.card.name == "openai-images:clip@127.0.0.1"
        assert model.encode_images(PICTURES).tolist() == [[50, 40], [20, 60], [9, 9]]
        assert model.encode(["abc"], "query").tolist() == [[3, 1]]
        assert sum("messages" in body for body in asked) == 3
        assert all("input" not in body for body in asked if "messages" in body)
        assert not isinstance(load_model(f"openai:clip@{url}"), SeesImages)
