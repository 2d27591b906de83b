"""What language codes mean, however they are spelled: ISO 639-1 and 639-3, ISO 15924 scripts, tags of BCP 47.

`tha_Thai`, `tha`, `th`, `TH` and `th-TH` are one language in one script. Codes keep their spelling in data and in
results; only what follows from a language goes through here. A code that no standard knows stands for itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from langcodes import Language as Tag


class Language(NamedTuple):
    """A language in a script."""

    code: str
    """ISO 639, the shortest code. A macrolanguage stands for its standard variety: `ar` for `arb`, `no` for `nb`."""
    script: str
    """ISO 15924; the usual script where the code names none, empty where that is not known either."""
    usual_script: str
    """In which the language is mostly written."""
    macrolanguage: str
    """The ISO 639 macrolanguage of a variety that is kept apart from it, such as `ar` of `arz`; empty if none."""

    @property
    def is_unspaced(self) -> bool:
        """Whether white space does not divide the words."""
        return self.script in _UNSPACED_SCRIPTS


@cache
def parse_language(code: str) -> Language | None:
    """The language and script that a code stands for, or None if it names none.

    Images, `zxx`, have no language.
    """
    from langcodes import Language as Tag
    from langcodes.data_dicts import LIKELY_SUBTAGS, MACROLANGUAGES

    tag = _tag(code)
    if tag is None or tag.language in _NO_LANGUAGES:
        return None
    standard = tag.prefer_macrolanguage().language or ""
    language = _STANDARD_VARIETIES.get(standard, standard)
    macrolanguage = MACROLANGUAGES.get(language, "")
    likely = next((known for known in (language, macrolanguage) if known in LIKELY_SUBTAGS), None)
    usual = Tag.make(language=likely).maximize().script if likely else None
    script = tag.script
    if likely and not script:
        script = Tag.make(language=likely, territory=tag.territory).maximize().script
    return Language(language, _plain_script(script), _plain_script(usual), macrolanguage)


def is_unknown(code: str) -> bool:
    """Whether a code is neither that of a language, nor for private use, nor one such as `und` for no language."""
    return _tag(code) is None and code.lower() not in _NO_LANGUAGES and not _PRIVATE.match(code)


def code_of(name: str) -> str:
    """The code of a language by its English name, whatever its case; empty if there is none of that name."""
    subtags = {called.lower(): subtag for subtag, called in reversed(_iana_names().items())}
    kind, _, code = subtags.get(name.lower(), "").partition(" ")
    return code if kind == "language" else ""


def is_unspaced(code: str) -> bool:
    """Whether white space does not divide the words of a language, as in Thai or Chinese.

    The script decides: romanised Thai, `tha_Latn`, has spaces.
    """
    language = parse_language(code)
    return language is not None and language.is_unspaced


def canonical(code: str) -> str:
    """One spelling for all codes of one language in one script, such as `zh-Hans`; an unknown code as it is."""
    language = parse_language(code)
    if language is None:
        return code
    return f"{language.code}-{language.script}" if language.script else language.code


def alpha3_with_script(code: str) -> str:
    """ISO 639-3 and ISO 15924, as in `tha-Thai`; `und` and `Zzzz` stand for what is not known.

    Three letters that were given are kept, so that `arb_Arab` is `arb-Arab` though `ar` is `ara-Arab`.
    """
    language, tag = parse_language(code), _tag(code)
    if language is None or tag is None:
        return "und-Zzzz"
    given = code.replace("_", "-").split("-")[0].lower()
    alpha3 = given if len(given) == 3 and given != tag.to_alpha3("B") else tag.to_alpha3()
    script = tag.script or language.script or "Zzzz"
    return f"{alpha3}-{'Hang' if script == 'Kore' else script}"


def language_name(code: str) -> str:
    """A language in English, with its script if that is not the usual one: `Bengali, Latin` for `ben_Latn`.

    An unknown code is its own name.
    """
    language, tag = parse_language(code), _tag(code)
    if tag is None:
        return code
    names = _iana_names()
    name = names[f"language {tag.language}"]
    if language is None or language.script == language.usual_script or not tag.script:
        return name
    return f"{name}, {names.get(f'script {tag.script}', tag.script)}"


def language_label(code: str) -> str:
    """The name of a language and its code, `Thai (tha_Thai)`; an unknown code alone."""
    name = language_name(code)
    return code if name == code else f"{name} ({code})"


def match_language(code: str, known: Iterable[str]) -> list[str]:
    """Those of the known codes that another spelling may mean; one if it is clear.

    A code without a script or region means its language in any script.
    """
    asked = parse_language(code)
    if asked is None:
        return []
    is_bare = "-" not in code.replace("_", "-")
    found = [(name, language) for name in known if (language := parse_language(name)) and language.code == asked.code]
    return [name for name, language in found if is_bare or language.script == asked.script]


def find_split_languages(sizes: Mapping[str, tuple[int, int]]) -> list[tuple[str, str]]:
    """Pairs of codes for one language and script of which one has only queries and the other only candidates.

    `sizes` gives the numbers of queries and candidates by code. Two codes that both have both are two variants.
    """
    asking = [code for code, (queries, candidates) in sizes.items() if queries and not candidates]
    offered = [code for code, (queries, candidates) in sizes.items() if candidates and not queries]
    return [
        (query, candidate)
        for query in asking
        for candidate in offered
        if parse_language(query) and canonical(query) == canonical(candidate)
    ]


_NO_LANGUAGES = ("zxx", "und", "mul", "mis")
"""Valid codes that name no language; images are `zxx`."""

_PRIVATE = re.compile("q[a-t][a-z]([-_]|$)", re.IGNORECASE)

_UNSPACED_SCRIPTS = frozenset(
    ("Hani", "Hans", "Hant", "Hanb", "Bopo", "Jpan", "Hrkt", "Hira", "Kana", "Thai", "Laoo", "Khmr", "Mymr", "Tibt",
     "Lana", "Tale", "Talu", "Tavt", "Ahom", "Java", "Bali")
)  # fmt: skip
"""Line breaks within words or syllables, not at spaces: the classes ID, CJ, SA and AK of UAX 14, and Tibetan."""

_STANDARD_VARIETIES = {"nb": "no", "pbt": "ps"}
"""What CLDR keeps apart from a macrolanguage, though data in the macrolanguage's code is mostly in it."""

_SCRIPT_VARIANTS = {"Hang": "Kore", "Aran": "Arab"}
"""Scripts that are part or style of another."""

_COMMON_NAMES = {
    "language el": "Greek",
    "language ht": "Haitian Creole",
    "language ky": "Kyrgyz",
    "language nso": "Northern Sotho",
    "language pa": "Punjabi",
    "language zxx": "Images",
    "script Hans": "simplified",
    "script Hant": "traditional",
}
"""Where the registry's first name is not the usual one."""


def _plain_script(script: str | None) -> str:
    return _SCRIPT_VARIANTS.get(script or "", script or "")


@cache
def _tag(code: str) -> Tag | None:
    from langcodes import Language as Tag

    try:
        tag = Tag.get(code)
    except ValueError:  # not of the form of a tag
        return None
    is_known = f"language {tag.language}" in _iana_names() and not tag.extlangs
    return tag if is_known and tag.is_valid() else None


@cache
def _iana_names() -> dict[str, str]:
    """English names of all languages and scripts, from the registry of BCP 47 that langcodes brings along."""
    from langcodes.registry_parser import parse_registry

    names = {
        f"{entry['Type']} {entry['Subtag']}": entry["Description"][0].partition(" (")[0]
        for entry in parse_registry()  # type: ignore[no-untyped-call]
        if entry["Type"] in ("language", "script")
    }
    return names | _COMMON_NAMES
