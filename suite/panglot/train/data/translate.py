"""Translate-train: translate a data set into further languages with a transformers translation model.

The default is M2M-100 (Fan et al., 2021). Translations are cached in one file per pair of languages, so an interrupted
translation resumes and a second run is fast.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from panglot.encode.checkpoints.loading import load_fetched
from panglot.errors import BadEncoder, require
from panglot.files import cache_dir, write_whole
from panglot.train.data.pairs import TextPair
from panglot.train.recipes.recipe import TextData

BATCH = 16
LONGEST = 256
"""Maximum length of a text and of its translation in tokens."""

Translator: TypeAlias = Callable[[Sequence[str], str, str], list[str]]
"""Translates texts from one language (second argument) into another (third)."""


def translated(
    entries: Sequence[TextPair], data: TextData, cache: Path | None = None, translator: Translator | None = None
) -> Iterator[TextPair]:
    """The entries, followed by translations into each language of `data.translate_to` that their group lacks.

    :raises BadEncoder: the translation model cannot be loaded, or does not support a language.
    """
    entries = [entry._replace(group=entry.group or f"{place}") for place, entry in enumerate(entries, start=1)]
    yield from entries
    existing = {(entry.group, entry.language) for entry in entries}
    translate = _CachedTranslator(data.translator, cache or cache_dir("translations"), translator)
    for target in data.translate_to:
        for source in sorted({entry.language for entry in entries} - {target}):
            missing = [e for e in entries if e.language == source and (e.group, target) not in existing]
            texts = [text for entry in missing for text in (entry.query, entry.passage)]
            found = iter(translate(texts, source, target))
            for entry in missing:
                existing.add((entry.group, target))
                yield TextPair(entry.group, target, next(found), next(found), cluster=entry.cluster)


class _CachedTranslator:
    """A translator that runs its model only on texts that are not in the cache."""

    def __init__(self, name: str, cache: Path, translator: Translator | None) -> None:
        self._name, self._cache, self._translator = name, cache, translator

    def __call__(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        stem = hashlib.sha256(self._name.encode()).hexdigest()[:12]
        path = self._cache / f"{stem}.{source}-{target}.json"
        known: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        for start in range(0, len(missing), BATCH):
            batch = missing[start : start + BATCH]
            self._translator = self._translator or load_translator(self._name)
            known |= zip(batch, self._translator(batch, source, target), strict=True)
            if start // BATCH % BATCH == 0 or start + BATCH >= len(missing):
                _write(path, known)
        return [known[text] for text in texts]


def _write(path: Path, known: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, lambda file: file.write_text(json.dumps(known, ensure_ascii=False), encoding="utf-8"))


def load_translator(name: str) -> Translator:
    """Load a transformers translation model: M2M-100, NLLB, or one with a similar tokenizer.

    :raises MissingExtra: transformers is not installed.
    :raises BadEncoder: the model cannot be loaded.
    """
    require("transformers", "train", f"The translator {name}")
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    def load(local: bool) -> tuple[Any, Any]:
        kinds = (AutoTokenizer, AutoModelForSeq2SeqLM)
        tokenizer, model = (kind.from_pretrained(name, local_files_only=local) for kind in kinds)
        return tokenizer, model.eval()

    try:
        tokenizer, model = load_fetched(name, load)
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
    """The first output token, which sets the target language.

    :raises BadEncoder: the model does not support the language.
    """
    if hasattr(tokenizer, "get_lang_id"):
        try:
            return int(tokenizer.get_lang_id(language))
        except KeyError as error:
            raise BadEncoder(f"The translator {name} does not support the language '{language}'.") from error
    return int(tokenizer.convert_tokens_to_ids(language))
