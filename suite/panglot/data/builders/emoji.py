"""Build the emoji data set from public sources: images of Noto Emoji, names and keywords of Unicode CLDR.

Excluded are country and region flags, gendered sequences that have a neutral one, right-facing variants, half-hour
clocks, emoji without an image or without a name in any of the languages, and `LEFT_OUT`. All languages of an emoji are
in the same split, drawn within each emoji group by `split_by_hash`. In noto-emoji, according to its file list, an image
is `png/128/emoji_u….png` with the code points joined by `_` and without U+FE0F.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from panglot.data.builders.split import split_by_hash
from panglot.data.image import Image, decode
from panglot.data.origins.archive import Archive, licence_name
from panglot.data.table import write_rows
from panglot.errors import BadData, require
from panglot.progress import Progress, silent

SALT = "xlr-emoji-1:"

LEFT_OUT = {
    "u1f9d1_200d_1f9d1_200d_1f9d2": "has the same image as u1f46a",
    "u1f9d4": "has the name of another emoji in Telugu",
}

JOINER, SELECTOR = "\u200d", "\ufe0f"
MAN, WOMAN = "👨", "👩"
FEMALE, MALE = "♀", "♂"
BLACK_FLAG, END_OF_TAG = "🏴", "\U000e007f"
FACING_RIGHT = f"{JOINER}➡"
HALF_HOURS = range(0x1F55C, 0x1F568)
REGIONAL_INDICATORS = range(0x1F1E6, 0x1F200)

Annotations: TypeAlias = Mapping[str, Mapping[str, Sequence[str]]]
"""CLDR annotations of one language, by emoji without U+FE0F: `tts` has the name, `default` the keywords."""


@dataclass(frozen=True)
class EmojiSources:
    """The source archives: noto-emoji, the CLDR annotation packages, and the Unicode emoji groups."""

    images: Archive
    annotations: Archive
    derived: Archive
    groups: Archive
    languages: tuple[str, ...]
    expected: int
    """Number of emoji in the finished data set."""

    def build(self, folder: Path, progress: Progress = silent, name: str = "") -> None:
        """Write `images.parquet`, `texts.parquet` and the licence texts of the sources into a folder.

        :raises MissingExtra: Pillow is not installed.
        :raises MissingData: a source cannot be reached.
        :raises BadData: a source differs from the published one, or yields another number of emoji.
        """
        require("PIL", "image", "Building the emoji data set")
        group = self._groups(folder)
        annotations = self._annotations(folder, progress)
        named = {id_ for id_ in group if all(_characters(id_) in annotations[language] for language in self.languages)}
        pictures = self._pictures(named, folder, progress)
        if len(pictures) != self.expected:
            raise BadData(f"{self.images.url} has {len(pictures)} of {self.expected} images. Fetch it again.")
        splits = _splits({id_: group[id_] for id_ in pictures})
        english = annotations["en"]
        write_rows(
            folder / "images.parquet",
            [
                {
                    "id": id_,
                    "emoji": _characters(id_),
                    "group": group[id_],
                    "name_en": _name(english[_characters(id_)]),
                    "split": splits[id_],
                    **_size(pictures[id_]),
                    "png": pictures[id_],
                }
                for id_ in sorted(pictures)
            ],
            {"width": "int16", "height": "int16", "png": "binary"},
        )
        write_rows(
            folder / "texts.parquet",
            [
                {
                    "id": id_,
                    "lang": language,
                    "name": _name(annotation),
                    "keywords": _keywords(annotation),
                    "split": splits[id_],
                }
                for id_ in sorted(pictures)
                for language in self.languages
                for annotation in [annotations[language][_characters(id_)]]
            ],
        )

    def _groups(self, folder: Path) -> dict[str, str]:
        """Return the group of each emoji that is not excluded."""
        found = dict(
            _json(self.groups, {"data-by-emoji.json": "groups"}.get, folder / licence_name("unicode-emoji-json"))
        )["groups"]
        ids = {_id(emoji): facts["group"] for emoji, facts in found.items() if _belongs(emoji)}
        return {id_: group for id_, group in ids.items() if id_ not in LEFT_OUT}

    def _annotations(self, folder: Path, progress: Progress) -> Mapping[str, Annotations]:
        """Return the annotations by language; those of sequences are in a separate archive."""
        both: dict[str, dict[str, Any]] = defaultdict(dict)
        with progress("reading names", 2 * len(self.languages)) as advance:
            for archive, top in ((self.annotations, "annotations"), (self.derived, "annotationsDerived")):
                names = {f"{top}/{language}/annotations.json": language for language in self.languages}
                for language, content in _json(archive, names.get, folder / licence_name("unicode-cldr")):
                    both[language] |= content[top]["annotations"]
                    advance(1)
        return both

    def _pictures(self, ids: set[str], folder: Path, progress: Progress) -> dict[str, bytes]:
        names = {f"png/128/emoji_{id_}.png": id_ for id_ in ids}
        with progress("reading pictures", len(names)) as advance:
            pictures = {}
            for member in self.images.read(names.__contains__, folder / licence_name("noto-emoji")):
                pictures[names[member.name]] = member.data
                advance(1)
        return pictures


def _belongs(emoji: str) -> bool:
    """Whether no rule excludes this kind of emoji."""
    first, sequence = emoji[0], emoji.replace(SELECTOR, "")
    is_flag = ord(first) in REGIONAL_INDICATORS or (first == BLACK_FLAG and sequence[-1] == END_OF_TAG)
    is_gendered = FEMALE in sequence[1:] or MALE in sequence[1:] or (first in (MAN, WOMAN) and len(sequence) > 1)
    return not (is_flag or is_gendered or sequence.endswith(FACING_RIGHT) or ord(first) in HALF_HOURS)


def _splits(group: Mapping[str, str]) -> dict[str, str]:
    by_group = defaultdict[str, list[str]](list)
    for id_, name in group.items():
        by_group[name].append(id_)
    return {id_: split for ids in by_group.values() for id_, split in split_by_hash(ids, SALT).items()}


def _id(emoji: str) -> str:
    return "u" + "_".join(f"{ord(character):04x}" for character in emoji if character != SELECTOR)


def _characters(id_: str) -> str:
    return "".join(chr(int(code, 16)) for code in id_[1:].split("_"))


def _name(annotation: Mapping[str, Sequence[str]]) -> str:
    return annotation["tts"][0]


def _keywords(annotation: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the keywords without the name, which some languages repeat among them."""
    name = _name(annotation).casefold()
    return [keyword for keyword in annotation["default"] if keyword.casefold() != name]


def _size(png: bytes) -> dict[str, int]:
    picture = decode(Image("", partial(bytes, png)))
    return {"width": picture.width, "height": picture.height}


def _json(archive: Archive, label: Callable[[str], str | None], licence: Path) -> Iterator[tuple[str, Any]]:
    """Yield the label and content of each JSON file in an archive that has a label."""
    for member in archive.read(lambda name: label(name) is not None, licence):
        try:
            yield label(member.name) or "", json.loads(member.data)
        except ValueError as error:
            raise BadData(f"{archive.url}: {member.name} is not JSON. {error}") from error
