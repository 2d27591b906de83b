"""Headings with the texts below them, aligned across languages: two sets of Markdown documents, and a website."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any

from panglot.data.builders.training.markdown import Document, read_markdown
from panglot.data.builders.training.part import Files, Row, clean

SHORTEST = 30
"""Minimum length of a text in characters."""
IN_SCRIPT = 0.1
"""Minimum share of letters in the language's script; texts on programming have many Latin words."""

GUIDES = {
    "ar": "ar", "bn": "bn", "de": "de", "el": "el", "es": "es", "fa": "fa", "fr": "fr", "hi": "hi", "id": "id",
    "ja": "ja", "ko": "ko", "ru": "ru", "sw": "sw", "tr": "tr", "zh": "zh-hans",
}  # fmt: skip
"""The folder of each language in the Open Source Guides; English is in the parent folder."""
LESSONS = {
    "ar": "ar", "bn": "bn", "de": "de", "el": "el", "en": "en", "es": "es", "fa": "fa", "fr": "fr", "id": "id",
    "ja": "ja", "ko": "ko", "ru": "ru", "th": "th", "tr": "tr", "vi": "vi", "zh": "zh-hans",
}  # fmt: skip
"""The folder of each language in Elixir School."""
SITE = {
    "ar": "ar", "de": "de", "el": "el", "en": "en", "es": "es", "fa": "fa", "fr": "fr", "hi": "hi", "id": "id",
    "ja": "ja", "ko": "ko", "ru": "ru", "tr": "tr", "zh": "zh_CN",
}  # fmt: skip
"""The file of each language on bitcoin.org."""

_SCRIPTS = {
    "ar": "\u0600-\u06ff", "bn": "\u0980-\u09ff", "el": "\u0370-\u03ff\u1f00-\u1fff", "fa": "\u0600-\u06ff",
    "hi": "\u0900-\u097f", "ja": "\u3040-\u30ff\u4e00-\u9fff", "ko": "\uac00-\ud7a3", "ru": "\u0400-\u04ff",
    "th": "\u0e00-\u0e7f", "zh": "\u4e00-\u9fff",
}  # fmt: skip
_TAG = re.compile(r"<[^<>]*>")
_SITE_LINK = re.compile(r"\[([^\[\]]+)\]\([^()]*\)")


def guide_rows(files: Files) -> Iterator[Row]:
    """Sections of the Open Source Guides."""
    documents: dict[str, dict[str, Document]] = {}
    for name, content in files.items():
        *folder, file = name.removeprefix("_articles/").removesuffix(".md").split("/")
        language = next((own for own, named in GUIDES.items() if folder == [named]), "en" if not folder else "")
        if language:
            documents.setdefault(file, {})[language] = read_markdown(content)
    yield from _aligned("opensource-guide", documents)


def lesson_rows(files: Files) -> Iterator[Row]:
    """Sections of the lessons of Elixir School."""
    languages = {folder: language for language, folder in LESSONS.items()}
    documents: dict[str, dict[str, Document]] = {}
    for name, content in files.items():
        folder, _, document = name.removeprefix("lessons/").removesuffix(".md").partition("/")
        documents.setdefault(document, {})[languages[folder]] = read_markdown(content)
    yield from _aligned("elixir-school", documents)


def site_rows(files: Files) -> Iterator[Row]:
    """Texts of bitcoin.org: a heading has a key; its paragraphs have the same key followed by `txt` or `text`."""
    pages = {language: _page(files, language) for language in SITE}
    english = _sections(pages["en"])
    numbers = {place: number for number, place in enumerate(english)}
    for language, page in pages.items():
        for (document, key), (heading, text) in _sections(page).items():
            number = numbers.get((document, key))
            if number is not None and _is_kept(language, text, english[document, key][1]):
                yield _row("bitcoin-org", document, number, 2, language, "", heading, text)


def site_file(language: str) -> str:
    """The file with all texts of bitcoin.org in a language."""
    return f"_translations/{SITE[language]}.yml"


def _aligned(source: str, documents: Mapping[str, Mapping[str, Document]]) -> Iterator[Row]:
    """The sections of each document in all languages in which its headings have the same levels as in English."""
    for name, versions in documents.items():
        if "en" not in versions:
            continue
        english = versions["en"]
        for language, version in versions.items():
            if version.levels != english.levels:
                continue
            for number, (section, original) in enumerate(zip(version.sections, english.sections, strict=True)):
                if _is_kept(language, section.text, original.text):
                    facts = (section.level, language, version.title, section.heading, section.text)
                    yield _row(source, name, number, *facts)


def _is_kept(language: str, text: str, english: str) -> bool:
    """Whether a text is long enough, translated, and in the script of its language."""
    if len(text) < SHORTEST or (language != "en" and text == english):
        return False
    if language not in _SCRIPTS:
        return True
    letters = sum(map(str.isalpha, text))
    return len(re.findall(f"[{_SCRIPTS[language]}]", text)) >= IN_SCRIPT * letters


def _page(files: Files, language: str) -> Mapping[str, Any]:
    import yaml

    name = site_file(language)
    try:
        content = yaml.load(files[name], getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise files.error(f"has a file {name} that is not YAML ({str(error)[:100]})") from error
    return content[SITE[language]]


def _sections(pages: Mapping[str, Any]) -> dict[tuple[str, str], tuple[str, str]]:
    """The heading and the text of each key that has both, by page and key, in alphabetical order."""
    found = {}
    for page in sorted(pages):
        texts = pages[page] if isinstance(pages[page], dict) else {}
        for key in sorted(texts):
            paragraphs = [texts[name] for name in sorted(texts) if re.fullmatch(rf"{re.escape(key)}te?xt\d*", name)]
            heading, text = _plain(str(texts[key] or "")), _plain(" ".join(str(each or "") for each in paragraphs))
            if heading and text:
                found[page, key] = heading, text
    return found


def _plain(text: str) -> str:
    return clean(html.unescape(_SITE_LINK.sub(r"\1", _TAG.sub(" ", text))))


def _row(
    source: str, document: str, number: int, level: int, language: str, title: str, heading: str, text: str
) -> Row:
    return {
        "source": source,
        "doc": document,
        "section": number,
        "level": level,
        "lang": language,
        "title": title,
        "heading": heading,
        "text": text,
    }
