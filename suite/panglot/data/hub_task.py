"""Any retrieval set of the Hugging Face Hub as tasks: `hub:ORG/NAME[@revision][?config=…&split=…]`.

Configurations are subsets, which are mostly languages; without `config`, all are read. Each gives one task, since their
contents are not known to be parallel; with `parallel=true` they give one, in which equal ids mean the same question and
translations of the same passage, and with `shared=true` one, in which all have the candidates of the first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from urllib.parse import parse_qs, urlencode

from panglot.data.image import IMAGES
from panglot.data.load import count, read_files
from panglot.data.origins.hub_rows import HubData
from panglot.data.origins.hub_tables import TEST, HubTables
from panglot.data.readers.retrieval import read_retrieval
from panglot.data.task import Source, Task
from panglot.errors import BadData, MissingData, PanglotError, UnknownName
from panglot.files import data_cache, write_whole
from panglot.hub import is_transient
from panglot.languages import code_of, is_unknown, parse_language

PREFIX = "hub:"
FORM = f"{PREFIX}ORG/NAME[@revision][?config=NAME&split=NAME&language=CODE&parallel=true&shared=true]"
UNKNOWN = "und"
"""The language of a subset whose name is not that of a language (ISO 639-2)."""
LONGEST = 60
"""Characters of a name; longer ones end in a hash."""

_NAME = re.compile(
    r"(?P<path>[\w-][\w.-]*/[\w-][\w.-]*)(?:@(?P<revision>[\w][\w./-]*))?(?:\?(?P<options>.*))?", re.ASCII
)
_OPTIONS = ("config", "split", "language", "parallel", "shared")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SPLIT = re.compile(r"(?=.{1,50}$)\w+(?:\.\w+)*")


@dataclass(frozen=True)
class HubName:
    """A name of this form, taken apart. `configs` are subsets, all if there are none; `split` is empty if not named."""

    path: str
    revision: str
    configs: tuple[str, ...]
    split: str
    language: str
    parallel: bool
    shared: bool

    @classmethod
    def of(cls, name: str) -> HubName:
        """Take a name apart.

        :raises PanglotError: it is not of this form.
        """
        found = _NAME.fullmatch(name.removeprefix(PREFIX))
        options = parse_qs((found and found["options"]) or "", keep_blank_values=True)
        if not found or any(not value for values in options.values() for value in values):
            raise PanglotError(f"'{name}' is not the name of a set on the Hub. Write it as {FORM}.")
        for option, values in options.items():
            if option not in _OPTIONS:
                raise UnknownName("option", option, _OPTIONS)
            if len(values) > 1 and option != "config":
                raise PanglotError(f"'{name}' gives {option} twice. Only config can be repeated.")
            if option in ("parallel", "shared") and values[0] not in ("true", "false"):
                raise PanglotError(f"'{name}': {option} must be true or false, not '{values[0]}'.")
        one = {option: values[0] for option, values in options.items()}
        if not _SPLIT.fullmatch(one.get("split", TEST)):
            raise PanglotError(f"'{name}': '{one['split']}' is not the name of a split, such as test.")
        if is_unknown(one.get("language", UNKNOWN)) or one.get("language") == IMAGES:
            raise PanglotError(f"'{name}': '{one['language']}' is not the code of a language, such as de or zh-Hans.")
        return cls(
            found["path"],
            found["revision"] or "main",
            tuple(dict.fromkeys(options.get("config", ()))),
            one.get("split", ""),
            one.get("language", ""),
            one.get("parallel") == "true",
            one.get("shared") == "true",
        )


def hub_tasks(name: str) -> tuple[Task, ...]:
    """Fetch a set of the Hub, check it and return it as tasks; what is in the cache is not fetched again.

    :raises PanglotError: the name is not of this form.
    :raises UnknownName: the set has no such configuration.
    :raises MissingData: the Hub cannot be reached, or does not have the set.
    :raises BadData: the set is not in the form of mteb, or exceeds the limits.
    """
    wanted = HubName.of(name)
    commit = _commit(wanted)
    subsets = _subsets(wanted, commit)
    if not (wanted.parallel or wanted.shared):
        return tuple(_task(wanted, commit, [subset]) for subset in subsets)
    spoken = [languages_of(subset, wanted.language)[0] for subset in subsets]
    if len(set(spoken)) < len(spoken):
        raise BadData(f"{wanted.path}: subsets of one language cannot be parallel: {', '.join(subsets)}. {_CHOOSE}")
    return (_task(wanted, commit, subsets),)


def languages_of(subset: str, stated: str = "") -> tuple[str, str]:
    """Return the languages of the candidates and of the queries of a subset.

    A subset is named by a code or an English name, or by two, as in `ara-deu`: of the candidates, then of the queries,
    which is how mteb names those of MLQARetrieval and XPQARetrieval.
    """
    if stated or (whole := _language(subset)):
        return (stated or whole,) * 2
    first, _, second = subset.partition("-")
    corpus, queries = _language(first), _language(second)
    return (corpus, queries) if corpus and queries else (UNKNOWN, UNKNOWN)


def _language(name: str) -> str:
    return name if name and parse_language(name) else code_of(name)


_CHOOSE = "Choose by ?config=NAME, which can be repeated: ?config=A&config=B."


def _commit(wanted: HubName) -> str:
    if _COMMIT.fullmatch(wanted.revision):
        return wanted.revision
    try:
        return HubData(wanted.path, wanted.revision).commit()
    except MissingData as error:
        cached = sorted(path.name for path in _folder(wanted, "").glob("*") if _COMMIT.fullmatch(path.name))
        if not cached or not (error.__cause__ is None or is_transient(error.__cause__)):
            raise
        named = " or ".join(f"{PREFIX}{wanted.path}@{commit}" for commit in cached[:3])
        raise MissingData(f"{error} Without the Hub, name the revision that is in the cache: {named}.") from error


def _folder(wanted: HubName, commit: str) -> Path:
    # No task file can name its data so: two hyphens are not part of a slug.
    return data_cache(wanted.path.replace("/", "--"), commit)


def _subsets(wanted: HubName, commit: str) -> list[str]:
    """Return the chosen subsets; one without a name if the set has none. The list of all is kept in the cache."""
    file = _folder(wanted, commit) / "configs.json"
    if not file.is_file():
        names = HubData(wanted.path, commit).configs()
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, lambda unfinished: unfinished.write_text(json.dumps(names), encoding="utf-8"))
    names = json.loads(file.read_text(encoding="utf-8"))
    known = [name.removesuffix("-corpus") for name in names if name.endswith("-corpus")]
    for config in wanted.configs:
        if config not in known:
            raise UnknownName("configuration", config, known or names, within=wanted.path)
    if not known and "corpus" not in names:
        raise BadData(
            f"{wanted.path} is not a retrieval set in the form of mteb: it has no configuration 'corpus' or "
            f"'NAME-corpus', but {', '.join(names[:10])}."
        )
    return list(wanted.configs) or known or [""]


def _task(wanted: HubName, commit: str, subsets: Sequence[str]) -> Task:
    """Fetch and read some subsets as one task, named after the set, its subsets and its revision."""
    spoken = {languages_of(subset, wanted.language)[0]: subset for subset in subsets}
    asked = {languages_of(subset, wanted.language)[1] for subset in subsets} if len(subsets) == 1 else {""}
    read = partial(
        read_retrieval,
        parallel=wanted.parallel,
        candidates=next(iter(spoken)) if wanted.shared else "",
        asked=asked.pop(),
    )
    tables = HubTables(wanted.path, commit, wanted.split, spoken, wanted.shared)
    # No split has a hyphen in its name, and no other file here begins so.
    split = f"split-{wanted.split.replace('.', '-')}" if wanted.split else "any-split"
    folder = _folder(wanted, commit) / split
    task = Task(
        name=_named(wanted, commit, subsets),
        title=f"{wanted.path} on the Hub" + (f": {', '.join(filter(None, subsets))}" if any(subsets) else ""),
        sizes={},
        source=Source(
            str(folder.relative_to(data_cache())),
            tables.files(),
            url=f"https://huggingface.co/datasets/{wanted.path}",
            build=tables,
        ),
        reader=read,
        headline="ndcg@10",
        fingerprint="",
        licence="unknown",
        note=f"A set of the Hub at revision {commit}; not part of the benchmark.",
        origin=_origin(wanted, commit, subsets),
    )
    pool = read_files(task, ())
    return replace(task, sizes=count(pool), fingerprint=pool.fingerprint, remarks=tuple(_remarks(wanted, subsets)))


def _origin(wanted: HubName, commit: str, subsets: Sequence[str]) -> str:
    """Return the name that leads to the same content again."""
    options = [("config", subset) for subset in subsets if subset]
    options += [("split", wanted.split)] * bool(wanted.split)
    options += [("language", wanted.language)] * bool(wanted.language)
    options += [(flag, "true") for flag in ("parallel", "shared") if getattr(wanted, flag)]
    return f"{PREFIX}{wanted.path}@{commit}" + (f"?{urlencode(options)}" if options else "")


def _named(wanted: HubName, commit: str, subsets: Sequence[str]) -> str:
    parts = [
        wanted.path.replace("/", "-"),
        *filter(None, subsets),
        *([wanted.split] * (wanted.split not in ("", TEST))),
    ]
    parts += [flag for flag in ("parallel", "shared") if getattr(wanted, flag)]
    name = re.sub("[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")
    if len(name) > LONGEST:
        name = f"{name[: LONGEST - 9]}-{sha256(name.encode()).hexdigest()[:8]}"
    return f"hub-{name}-{commit[:8]}"


def _remarks(wanted: HubName, subsets: Sequence[str]) -> Iterator[str]:
    for subset in subsets:
        corpus, queries = languages_of(subset, wanted.language)
        named = f"{wanted.path}, subset '{subset}'" if subset else wanted.path
        if corpus == UNKNOWN:
            yield f"{named}: no language is stated; all items get '{UNKNOWN}'. State it by ?language=CODE."
        elif corpus != queries:
            yield f"{named}: taken as candidates in '{corpus}' and queries in '{queries}'."
