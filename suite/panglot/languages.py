"""Interpret language codes in any spelling: ISO 639-1 and 639-3, ISO 15924 scripts, BCP 47 tags.

`tha_Thai`, `tha`, `th`, `TH` and `th-TH` all mean the same language in the same script. Data and results keep the
spelling that they were given; this module interprets a code only where its meaning matters. An unknown code is kept as
it is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from langcodes import Language as Tag


class Language(NamedTuple):
    """A language in a script."""

    code: str
    """Shortest ISO 639 code. The macrolanguage replaces its standard variety: `ar` for `arb`, `no` for `nb`."""
    script: str
    """ISO 15924 code; the usual script if the code names none, empty if that is unknown."""
    usual_script: str
    """The script in which the language is usually written."""
    macrolanguage: str
    """ISO 639 macrolanguage of a variety that has its own code, such as `ar` for `arz`; empty if none."""

    @property
    def is_unspaced(self) -> bool:
        """Whether the script is written without spaces between words."""
        return self.script in _UNSPACED_SCRIPTS


@cache
def parse_language(code: str) -> Language | None:
    """Return the language and script that a code means, or None if it means none, as `zxx` for images."""
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
    """Whether a language is written without spaces between words, such as Thai or Chinese.

    This depends on the script: romanised Thai, `tha_Latn`, has spaces.
    """
    language = parse_language(code)
    return language is not None and language.is_unspaced


def canonical(code: str) -> str:
    """Return the canonical code of a language in a script, such as `zh-Hans`; unknown codes are returned unchanged."""
    language = parse_language(code)
    if language is None:
        return code
    return f"{language.code}-{language.script}" if language.script else language.code


def shortest(code: str) -> str:
    """Return the shortest code, without the usual script: `en` for `ENG` and `eng_Latn`, `bn-Latn` for `ben_Latn`.

    A region stays, as in `pt-BR` for `por_Latn-BR`, since data can tell regions apart. Unknown codes are returned
    unchanged.
    """
    language, tag = parse_language(code), _tag(code)
    if language is None or tag is None:
        return code
    short = language.code if language.script == language.usual_script else canonical(code)
    return f"{short}-{tag.territory}" if tag.territory else short


def alpha3_with_script(code: str) -> str:
    """Return the ISO 639-3 and ISO 15924 codes, such as `tha-Thai`; `und` and `Zzzz` mean unknown.

    A three-letter input is kept, so `arb_Arab` becomes `arb-Arab`, while `ar` becomes `ara-Arab`.
    """
    language, tag = parse_language(code), _tag(code)
    if language is None or tag is None:
        return "und-Zzzz"
    given = code.replace("_", "-").split("-")[0].lower()
    alpha3 = given if len(given) == 3 and given != tag.to_alpha3("B") else tag.to_alpha3()
    script = tag.script or language.script or "Zzzz"
    return f"{alpha3}-{'Hang' if script == 'Kore' else script}"


def language_name(code: str) -> str:
    """Return the English name, with the script if it is not the usual one: `Bengali, Latin` for `ben_Latn`.

    Unknown codes are returned unchanged.
    """
    language, tag = parse_language(code), _tag(code)
    if tag is None:
        return code
    name = _iana_names()[f"language {tag.language}"]
    if language is None or language.script == language.usual_script or not tag.script:
        return name
    return f"{name}, {script_name(tag.script)}"


def script_name(script: str) -> str:
    """Return the English name of an ISO 15924 code, such as `Bengali` for `Beng`; unknown codes unchanged."""
    return _iana_names().get(f"script {script}", script)


def language_label(code: str) -> str:
    """Return the name and the code, such as `Thai (tha_Thai)`; for an unknown code, the code alone."""
    name = language_name(code)
    return code if name == code else f"{name} ({code})"


def match_language(code: str, known: Iterable[str]) -> list[str]:
    """Return the known codes that a code in another spelling can mean; several if it is ambiguous.

    A code without a script or region matches its language in any script.
    """
    wanted = parse_language(code)
    if wanted is None:
        return []
    is_bare = "-" not in code.replace("_", "-")
    found = [(name, language) for name in known if (language := parse_language(name)) and language.code == wanted.code]
    return [name for name, language in found if is_bare or language.script == wanted.script]


def find_language(code: str, known: Collection[str]) -> str | None:
    """Return the one known code that a code in any spelling means, or None if there is none or it is ambiguous.

    If several known codes fit, the script decides, which without one is the usual script, and then the region.
    """
    if code in known:
        return code
    found = match_language(code, known)
    for same in (canonical, shortest):
        if len(found) > 1:
            found = [name for name in found if same(name) == same(code)]
    return found[0] if len(found) == 1 else None


def find_split_languages(sizes: Mapping[str, tuple[int, int]]) -> list[tuple[str, str]]:
    """Find pairs of codes for the same language and script where one has only queries and the other only candidates.

    `sizes` maps each code to its numbers of queries and candidates. Codes that have both are treated as variants.
    """
    query_codes = [code for code, (queries, candidates) in sizes.items() if queries and not candidates]
    candidate_codes = [code for code, (queries, candidates) in sizes.items() if candidates and not queries]
    return [
        (query, candidate)
        for query in query_codes
        for candidate in candidate_codes
        if parse_language(query) and canonical(query) == canonical(candidate)
    ]


def find_respelled_languages(codes: Iterable[str]) -> list[tuple[str, ...]]:
    """Find codes of one language, script and region in several spellings, such as `de`, `DE` and `deu_Latn`."""
    spellings: dict[tuple[object, ...], list[str]] = {}
    for code in codes:
        tag = _tag(code)
        if tag is not None and parse_language(code):
            own = (tag.language, canonical(code), tag.territory, *(tag.variants or ()), tag.private)
            spellings.setdefault(own, []).append(code)
    return [tuple(found) for found in spellings.values() if len(found) > 1]


_NO_LANGUAGES = ("zxx", "und", "mul", "mis")
"""Valid codes that do not name a language; `zxx` is used for images."""

_PRIVATE = re.compile("q[a-t][a-z]([-_]|$)", re.IGNORECASE)

_UNSPACED_SCRIPTS = frozenset(
    ("Hani", "Hans", "Hant", "Hanb", "Bopo", "Jpan", "Hrkt", "Hira", "Kana", "Thai", "Laoo", "Khmr", "Mymr", "Tibt",
     "Lana", "Tale", "Talu", "Tavt", "Ahom", "Java", "Bali")
)  # fmt: skip
"""Scripts whose lines break within words or syllables: classes ID, CJ, SA and AK of UAX 14, and Tibetan."""

_STANDARD_VARIETIES = {"nb": "no", "pbt": "ps"}
"""Varieties that CLDR separates from their macrolanguage, although data under its code is mostly in this variety."""

_SCRIPT_VARIANTS = {"Hang": "Kore", "Aran": "Arab"}
"""Scripts that are a part or a style of another script."""

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
"""Names for which the first name in the registry is not the usual one."""


def _plain_script(script: str | None) -> str:
    return _SCRIPT_VARIANTS.get(script or "", script or "")


@cache
def _tag(code: str) -> Tag | None:
    from langcodes import Language as Tag

    try:
        tag = Tag.get(code)
    except ValueError:  # not a well-formed tag
        return None
    is_known = f"language {tag.language}" in _iana_names() and not tag.extlangs
    return tag if is_known and tag.is_valid() else None


@cache
def _iana_names() -> dict[str, str]:
    """English names of all languages and scripts, from the BCP 47 registry bundled with langcodes."""
    from langcodes.registry_parser import parse_registry

    names = {
        f"{entry['Type']} {entry['Subtag']}": entry["Description"][0].partition(" (")[0]
        for entry in parse_registry()  # type: ignore[no-untyped-call]
        if entry["Type"] in ("language", "script")
    }
    return names | _COMMON_NAMES
