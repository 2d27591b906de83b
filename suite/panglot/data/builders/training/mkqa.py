"""Questions of MKQA as published for the MIA 2022 shared task: two ZIP archives with a file for each language."""

from __future__ import annotations

import re
from collections.abc import Iterator

from panglot.data.builders.training.part import Files, Row, clean

ARCHIVES = {
    "data/eval/mkqa_dev.zip": "mia_dev",
    "data/eval/mkqa_test_without_answers.zip": "mia_test",
}
"""The archives, and the name of their part."""

LANGUAGES = {"ar", "en", "es", "fi", "ja", "ko", "ru", "tr", "zh"}
"""The languages that are taken; Khmer, Malay and Swedish are left out."""

_NAME = re.compile(r"(?:.*/)?mkqa-([a-z]{2})(?:_cn)?\.jsonl")


def mkqa_rows(files: Files) -> Iterator[Row]:
    """Each question with its answers, which the test part lacks."""
    for archive, part in ARCHIVES.items():
        for name, content in files.zipped(archive):
            match = _NAME.fullmatch(name)
            if not match or match[1] not in LANGUAGES:
                continue
            for row in files.json_lines(name, content):
                yield {
                    "id": str(row["id"]).split("_")[0],
                    "lang": match[1],
                    "question": clean(row["question"]),
                    "answers": [clean(answer) for answer in row.get("answers") or []],
                    "part": part,
                }
