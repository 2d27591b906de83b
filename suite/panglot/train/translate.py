"""Translate-train: a data set in more languages than it has, by any translation model of transformers.

M2M-100 (Fan et al., 2021) is the default. Translations are kept in the user's cache, one file for each pair of
languages, so that a stopped translation goes on and a second run is quick.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from panglot.errors import BadEncoder, require
from panglot.files import cache_dir, write_whole
from panglot.train.pairs import TextPair
from panglot.train.recipe import TextData

BATCH = 16
LONGEST = 256
"""Tokens of a translation."""

Translator: TypeAlias = Callable[[Sequence[str], str, str], list[str]]
"""Translates texts from one language into another."""


def translated(
    entries: Sequence[TextPair], data: TextData, cache: Path | None = None, translator: Translator | None = None
) -> Iterator[TextPair]:
    """The entries, and a translation of each into every language that its group lacks.

    :raises BadEncoder: the translation model cannot be loaded, or does not know a language.
    """
    yield from entries
    there = {(entry.group, entry.language) for entry in entries}
    remembered = _Remembered(data.translator, cache or cache_dir("translations"), translator)
    for target in data.translate_to:
        for source in sorted({entry.language for entry in entries} - {target}):
            lacking = [e for e in entries if e.language == source and (e.group, target) not in there]
            texts = [text for entry in lacking for text in (entry.query, entry.passage)]
            found = iter(remembered(texts, source, target))
            for entry in lacking:
                there.add((entry.group, target))
                yield TextPair(entry.group, target, next(found), next(found), cluster=entry.cluster)


class _Remembered:
    """A translator that asks its model only for what is not in the cache."""

    def __init__(self, name: str, cache: Path, translator: Translator | None) -> None:
        self._name, self._cache, self._translator = name, cache, translator

    def __call__(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        stem = hashlib.sha256(self._name.encode()).hexdigest()[:12]
        path = self._cache / f"{stem}.{source}-{target}.json"
        known: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        lacking = [text for text in dict.fromkeys(texts) if text not in known]
        for start in range(0, len(lacking), BATCH):
            batch = lacking[start : start + BATCH]
            self._translator = self._translator or load_translator(self._name)
            known |= zip(batch, self._translator(batch, source, target), strict=True)
            if start // BATCH % BATCH == 0 or start + BATCH >= len(lacking):
                _keep(path, known)
        return [known[text] for text in texts]


def _keep(path: Path, known: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, lambda file: file.write_text(json.dumps(known, ensure_ascii=False), encoding="utf-8"))


def load_translator(name: str) -> Translator:
    """A translation model of transformers: M2M-100, NLLB, or one whose tokenizer knows languages likewise.

    :raises BadEncoder: it cannot be loaded.
    """
    require("transformers", "train", f"The translator {name}")
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(name)
        model = AutoModelForSeq2SeqLM.from_pretrained(name).eval()
    except Exception as error:
        raise BadEncoder(f"The translator {name} cannot be loaded. {type(error).__name__}: {error}") from error

    def translate(texts: Sequence[str], source: str, target: str) -> list[str]:
        tokenizer.src_lang = source
        read = tokenizer(list(texts), return_tensors="pt", padding=True, truncation=True, max_length=LONGEST)
        with torch.inference_mode():
            made = model.generate(
                **read, forced_bos_token_id=_first_token(tokenizer, name, target), max_new_tokens=LONGEST
            )
        return tokenizer.batch_decode(made, skip_special_tokens=True)

    return translate


def _first_token(tokenizer: Any, name: str, language: str) -> int:
    """The token that tells the model into which language to translate.

    :raises BadEncoder: it does not know the language.
    """
    if hasattr(tokenizer, "get_lang_id"):
        try:
            return int(tokenizer.get_lang_id(language))
        except KeyError as error:
            raise BadEncoder(f"The translator {name} does not know the language '{language}'.") from error
    return int(tokenizer.convert_tokens_to_ids(language))
