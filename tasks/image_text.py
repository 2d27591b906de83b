"""What a set of images with captions in many languages gives: text → image, image → text and one mixed pool."""

from collections.abc import Mapping
from typing import NamedTuple

from panglot.data.image import IMAGES
from panglot.data.origins.hub import FILES, HubSet
from panglot.data.readers.captions import Direction, ImageTextReader, reader
from panglot.data.task import Size, Source, Task

TITLES: Mapping[Direction, str] = {
    "t2i": "text → image",
    "i2t": "image → text",
    "mixed": "text → images and texts in one pool",
}


UNREAD = "Counts are those that mteb 2.26 publishes; nobody has read this set with this suite yet."


class ImageTextSet(NamedTuple):
    """One data set: `captions` counts those of each language; `fingerprints` and `relevants` are by direction."""

    name: str
    title: str
    captions: Mapping[str, int]
    images: int
    source: Source
    read: ImageTextReader
    licence: str
    citation: str
    directions: tuple[Direction, ...] = ("t2i", "i2t", "mixed")
    fingerprints: Mapping[Direction, str] = {}
    relevants: Mapping[Direction, int] = {}
    mixed_queries: Mapping[str, int] = {}
    note: str = ""

    @property
    def tasks(self) -> tuple[Task, ...]:
        """One task for each direction."""
        return tuple(self._task(direction) for direction in self.directions)

    def _task(self, direction: Direction) -> Task:
        asking = {"t2i": self.captions, "i2t": {}, "mixed": self.mixed_queries or self.captions}[direction]
        offered = {"t2i": {}, "i2t": self.captions, "mixed": self.captions}[direction]
        sizes = {name: Size(asking.get(name, 0), offered.get(name, 0)) for name in self.captions}
        images = Size(self.images, 0) if direction == "i2t" else Size(0, self.images)
        return Task(
            name=f"{self.name}-{direction}",
            title=f"{self.title}: {TITLES[direction]}",
            sizes={**sizes, IMAGES: images},
            source=self.source,
            reader=reader(self.read, direction, bool(self.mixed_queries)),
            headline="ndcg@10",
            fingerprint=self.fingerprints.get(direction, ""),
            licence=self.licence,
            citation=self.citation,
            note=self.note,
            relevants=self.relevants.get(direction),
        )


def hub_source(folder: str, data: HubSet) -> Source:
    """A source that is fetched from the Hub by `HubSet.fetch`."""
    return Source(folder, FILES, f"https://huggingface.co/datasets/{data.path}", build=data.fetch)
