"""Names of map features (iD tagging schema), and of territories and languages (Unicode CLDR)."""

from __future__ import annotations

from collections.abc import Iterator

from panglot.data.builders.training.part import Files, Row, clean

LANGUAGES = (
    "ar", "bn", "de", "el", "en", "es", "fa", "fi", "fr", "hi", "id", "ja", "ko", "ru", "sw", "te", "th", "tr", "vi",
    "zh",
)  # fmt: skip
PRESETS = {language: "zh-CN" if language == "zh" else language for language in LANGUAGES if language != "sw"}
"""The code of each language in the tagging schema, which has no Swahili."""
CLDR = {"cldr-territory": "territories", "cldr-language": "languages"}
"""The file of each kind of name."""


def preset_file(language: str) -> str:
    """The file with the names of map features in a language."""
    return f"dist/translations/{PRESETS[language]}.json"


def cldr_file(language: str, kind: str) -> str:
    """The file with the names of one kind in a language."""
    return f"main/{language}/{CLDR[kind]}.json"


def preset_rows(files: Files) -> Iterator[Row]:
    """Each map feature with its name and its search terms; only features that are named in English are taken."""
    named = {language: _presets(files, language) for language in PRESETS}
    for language, presets in named.items():
        for key in presets.keys() & named["en"].keys():
            name, terms = presets[key]
            yield _row("osm-preset", key, language, name, sorted(terms - {name}))


def cldr_rows(files: Files) -> Iterator[Row]:
    """Each territory and language with its name; a name equal to the code is no name, and variants are left out."""
    for kind, label in CLDR.items():
        names = {
            language: files.json(cldr_file(language, kind))["main"][language]["localeDisplayNames"][label]
            for language in LANGUAGES
        }
        for language, own in names.items():
            for key, name in own.items():
                if key in names["en"] and "-alt-" not in key and name != key:
                    yield _row(kind, key, language, clean(name), [])


def _presets(files: Files, language: str) -> dict[str, tuple[str, set[str]]]:
    """The name and the search terms of each feature; older versions have the terms in one string."""
    presets = files.json(preset_file(language))[PRESETS[language]]["presets"]["presets"]
    found = {}
    for key, facts in presets.items():
        if name := clean(facts.get("name", "")):
            terms = facts.get("terms", [])
            listed = terms.split(",") if isinstance(terms, str) else terms
            found[key] = name, {clean(term) for term in listed} - {""}
    return found


def _row(source: str, key: str, language: str, name: str, synonyms: list[str]) -> Row:
    return {"source": source, "key": key, "lang": language, "name": name, "synonyms": synonyms}
