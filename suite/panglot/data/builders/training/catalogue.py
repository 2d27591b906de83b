"""The training sets, their public sources, and the counts and hashes of the published tables."""

from __future__ import annotations

from panglot.data.builders.training.mkqa import ARCHIVES, mkqa_rows
from panglot.data.builders.training.part import Part
from panglot.data.builders.training.questions import (
    ARCD,
    CMRC,
    ENELPI,
    IAPP,
    arcd_rows,
    cmrc_rows,
    enelpi_rows,
    iapp_rows,
)
from panglot.data.builders.training.sections import (
    GUIDES,
    LESSONS,
    SITE,
    guide_rows,
    lesson_rows,
    site_rows,
)
from panglot.data.builders.training.sentences import DOCUMENTS, FLORES, NTREX, SPLITS, flores_rows, ntrex_rows
from panglot.data.builders.training.terms import CLDR, LANGUAGES, PRESETS, cldr_rows, preset_rows
from panglot.data.builders.training.training_set import TrainingSet
from panglot.data.origins.archive import Archive

CLDR_PACKAGE = Archive(
    "https://registry.npmjs.org/cldr-localenames-full/-/cldr-localenames-full-47.0.0.tgz",
    "a8a62bed512f264a424138db04e9ce3b1cdf2dda8de7abf00dab4bedcfb47cab",
)


def _github(repository: str, commit: str) -> Archive:
    return Archive(f"https://github.com/{repository}/archive/{commit}.tar.gz")


def _any(*names: str) -> str:
    return "|".join(name.replace(".", r"\.") for name in names)


NTREX_PART = Part(
    "ntrex",
    _github("MicrosoftTranslator/NTREX", "8561f6a622db9edad1217683e5c83daefd8bb2bf"),
    "CC BY-SA 4.0",
    rf"{_any(DOCUMENTS)}|NTREX-128/newstest2019-(?:src\.eng|ref\.(?:{_any(*NTREX.values())}))\.txt",
    len(NTREX) + 2,
    ntrex_rows,
)
MKQA_PART = Part(
    "mkqa",
    _github("mia-workshop/MIA-Shared-Task-2022", "ea2491a3e3a588e270b2dd30ce7e044584c3eeb5"),
    "CC BY-SA 3.0",
    _any(*ARCHIVES),
    len(ARCHIVES),
    mkqa_rows,
)
GUIDE_PART = Part(
    "opensource-guide",
    _github("github/opensource.guide", "ebc9678e39b55ff5e5c8801d1960904692188e90"),
    "CC BY 4.0, content based on github.com/github/opensource.guide",
    rf"_articles/(?:(?:{_any(*GUIDES.values())})/)?[^/]+\.md",
    13 * (len(GUIDES) + 1),
    guide_rows,
)
SITE_PART = Part(
    "bitcoin-org",
    _github("bitcoin-dot-org/bitcoin.org", "39779fb9594d4bd941c2baecb3d64b292a76f8f5"),
    "MIT",
    rf"_translations/(?:{_any(*SITE.values())})\.yml",
    len(SITE),
    site_rows,
)
LESSON_PART = Part(
    "elixir-school",
    _github("elixirschool/elixirschool", "dab9a06f102ed0d2660410e3670e06a7a7e30215"),
    "Apache-2.0",
    rf"lessons/(?:{_any(*LESSONS.values())})/.+\.md",
    700,
    lesson_rows,
)
ARCD_PART = Part(
    "arcd",
    _github("husseinmozannar/SOQAL", "1229d34aa2b7a0b9a2e4858c9268e68f45d7e3c4"),
    "MIT",
    _any(ARCD),
    1,
    arcd_rows,
)
CMRC_PART = Part(
    "cmrc2018",
    _github("ymcui/cmrc2018", "c0eb1b6ba219847457e6af3180da722bbeb656af"),
    "CC BY-SA 4.0",
    _any(*CMRC),
    len(CMRC),
    cmrc_rows,
)
ENELPI_PART = Part(
    "enelpi-2020",
    _github(
        "okanvk/Turkish-Reading-Comprehension-Question-Answering-Dataset", "c6852f86f25e093ead13d8e2d0d87d92deadf727"
    ),
    "MIT",
    rf"{ENELPI}/[^/]+/[^/]+\.json",
    7,
    enelpi_rows,
)
IAPP_PART = Part(
    "iapp-wiki-qa",
    _github("iapp-technology/iapp-wiki-qa-dataset", "644a29c59bac62d5b15b9e9b06c55bba00708eca"),
    "MIT",
    _any(IAPP),
    1,
    iapp_rows,
)
PRESET_PART = Part(
    "osm-preset",
    _github("openstreetmap/id-tagging-schema", "44eff2b82b8bc3e8a2e1d2135a7c58c9b9a08dcf"),
    "ISC",
    rf"dist/translations/(?:{_any(*PRESETS.values())})\.json",
    len(PRESETS),
    preset_rows,
)
CLDR_PART = Part(
    "cldr",
    CLDR_PACKAGE,
    "Unicode-3.0",
    rf"main/(?:{_any(*LANGUAGES)})/(?:{_any(*CLDR.values())})\.json",
    len(LANGUAGES) * len(CLDR),
    cldr_rows,
)
FLORES_PART = Part(
    "sib-200",
    _github("dadelani/sib-200", "593cea88519930f776c1a4a1980b6a35b39dca57"),
    "CC BY-SA 4.0 (sentences), Apache-2.0 (repository)",
    rf"data/annotated/(?:{_any(*FLORES.values())})/(?:{_any(*SPLITS)})\.tsv",
    len(FLORES) * len(SPLITS),
    flores_rows,
)

TRAINING_SETS = (
    TrainingSet(
        "ntrex",
        (NTREX_PART,),
        {"doc": "string", "segment": "int32", "lang": "string", "text": "string"},
        ("doc", "segment", "lang"),
        39_940,
        "41efd03eb47e84779ab349aa485ed20e7abed2e6ce633ea02034c357919c70ce",
    ),
    TrainingSet(
        "terms",
        (PRESET_PART, CLDR_PART),
        {"source": "string", "key": "string", "lang": "string", "name": "string", "synonyms": "list"},
        ("source", "key", "lang"),
        42_474,
        "caa17b07e7f93a569d46dfcdfd38ef03248ad03b2927924baac3bace028ce47d",
    ),
    TrainingSet(
        "qa_pairs",
        (ARCD_PART, CMRC_PART, ENELPI_PART, IAPP_PART),
        dict.fromkeys(("source", "id", "lang", "question", "passage", "answer", "context_id"), "string"),
        ("source", "id", "question"),
        18_220,
        "9af2e7677700cd8eabf88654446efc01da97aee52c4e57aed5298230d04f13a6",
        listed=("source", "id", "question"),
    ),
    TrainingSet(
        "mkqa_questions",
        (MKQA_PART,),
        {"id": "string", "lang": "string", "question": "string", "answers": "list", "part": "string"},
        ("id", "lang"),
        60_696,
        "a806fffaedebd43dec449bbe55f49539edbc60a83dffbddcb3cac9b5c4dfba87",
        listed=("id",),
    ),
    TrainingSet(
        "sections",
        (SITE_PART, LESSON_PART, GUIDE_PART),
        {
            "source": "string",
            "doc": "string",
            "section": "int32",
            "level": "int32",
            **dict.fromkeys(("lang", "title", "heading", "text"), "string"),
        },
        ("source", "doc", "section", "lang"),
        7_616,
        "95133b4b5e959df7ad674f229c19844b68e130e8f048d48257e3441f0e1f3bb1",
        listed=("source", "doc", "section", "lang"),
    ),
    TrainingSet(
        "validation_flores_sib200",
        (FLORES_PART,),
        {"id": "int32", "sib200_split": "string", "category": "string", "lang": "string", "text": "string"},
        ("id", "lang"),
        20_080,
        "6edb0371aa8e990a31f75cde588012f20ee32e4ccb32fe07f037fdcdd650cb4b",
    ),
)
"""All training sets, in the order in which they are fetched."""
