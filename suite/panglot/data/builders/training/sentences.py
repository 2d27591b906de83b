"""Parallel sentences: NTREX-128 (news, with documents) and the FLORES-200 sentences published with SIB-200."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator

from panglot.data.builders.training.part import Files, Row, clean

NTREX = {
    "ar": "arb", "bn": "ben", "de": "deu", "el": "ell", "es": "spa", "fa": "fas", "fi": "fin", "fr": "fra",
    "hi": "hin", "id": "ind", "ja": "jpn", "ko": "kor", "ru": "rus", "sw": "swa", "te": "tel", "th": "tha",
    "tr": "tur", "vi": "vie", "zh": "zho-CN",
}  # fmt: skip
"""The code of each language in the file names of NTREX; English is the source text."""

FLORES = {
    "ar": "arb_Arab", "bn": "ben_Beng", "de": "deu_Latn", "el": "ell_Grek", "en": "eng_Latn", "es": "spa_Latn",
    "fa": "pes_Arab", "fi": "fin_Latn", "fr": "fra_Latn", "hi": "hin_Deva", "id": "ind_Latn", "ja": "jpn_Jpan",
    "ko": "kor_Hang", "ru": "rus_Cyrl", "sw": "swh_Latn", "te": "tel_Telu", "th": "tha_Thai", "tr": "tur_Latn",
    "vi": "vie_Latn", "zh": "zho_Hans",
}  # fmt: skip
"""The folder of each language in SIB-200."""

SPLITS = ("train", "dev", "test")
DOCUMENTS = "DOCUMENT_IDS.tsv"


def ntrex_file(language: str) -> str:
    """The file with the sentences of a language, one a line."""
    return f"NTREX-128/newstest2019-{f'ref.{NTREX[language]}' if language in NTREX else 'src.eng'}.txt"


def ntrex_rows(files: Files) -> Iterator[Row]:
    """Each sentence with its document and its place in the document."""
    documents = _lines(files[DOCUMENTS])
    for language in ("en", *NTREX):
        sentences = _lines(files[ntrex_file(language)])
        if len(sentences) != len(documents):
            raise files.error(f"has {len(sentences)} sentences in {ntrex_file(language)} for {len(documents)} places")
        places = Counter[str]()
        for document, sentence in zip(documents, sentences, strict=True):
            yield {"doc": document, "segment": places[document], "lang": language, "text": clean(sentence)}
            places[document] += 1


def flores_rows(files: Files) -> Iterator[Row]:
    """Each sentence with its number in FLORES-200, and its split and topic in SIB-200."""
    for language, folder in FLORES.items():
        for split in SPLITS:
            lines = files[f"data/annotated/{folder}/{split}.tsv"].decode("utf-8").split("\n")
            for row in csv.DictReader((line for line in lines if line), delimiter="\t"):
                yield {
                    "id": int(row["index_id"]),
                    "sib200_split": split,
                    "category": row["category"],
                    "lang": language,
                    "text": clean(_unquoted(row["text"])),
                }


def _lines(content: bytes) -> list[str]:
    """The lines of a file; only a line feed ends a line."""
    return content.decode("utf-8").removesuffix("\n").split("\n")


def _unquoted(text: str) -> str:
    """The text without quotation marks around it; SIB-200 has some texts quoted twice."""
    return text.strip('"') if text.startswith('"') else text
