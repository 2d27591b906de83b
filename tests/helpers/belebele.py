"""Generated data in the format of Belebele."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

PASSAGES, QUESTIONS = 12, 20


def write_twin(folder: Path, languages: Sequence[str], passages: int = PASSAGES) -> dict[str, Path]:
    paths = {}
    for language in languages:
        rows = [
            {
                "link": f"https://example.org/{number % passages}",
                "question_number": number // passages + 1,
                "flores_passage": f"passage {number % passages} in {language}",
                "question": f"question {number} in {language}",
            }
            for number in range(QUESTIONS)
        ]
        paths[language] = folder / f"{language}.jsonl"
        paths[language].write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return paths
