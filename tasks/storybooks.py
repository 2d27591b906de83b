"""Storybooks: the pictures of picture books and the texts of their pages in 16 languages (African Storybook)."""

from panglot.tasks.image_text import ImageTextSet

from panglot.data.builders.storybooks import StorybookSources
from panglot.data.origins.archive import Archive
from panglot.data.readers.captions import read_storybooks
from panglot.data.task import Source

LANGUAGES = ("ar", "bn", "de", "el", "en", "es", "fa", "fr", "hi", "ja", "ko", "ru", "sw", "tr", "vi", "zh")

HOST = "https://github.com/global-asp"
PUBLIC = StorybookSources(
    images=Archive(f"{HOST}/gsn-imagebank/archive/0df409752c86adc92685816e19e6085c4e4496f1.tar.gz"),
    texts={
        Archive(f"{HOST}/storybooks-norge/archive/dde184a2fdc84565a04ffbcf922748941f2147b3.tar.gz"): tuple(
            language for language in LANGUAGES if language != "ja"
        ),
        Archive(f"{HOST}/storybooks-brasil/archive/cb52c0b54a615b5fb662b16376780c0545058f87.tar.gz"): ("ja",),
    },
    texts_sha256="82d84f3f82de5d344c81eaac030cd2a421ec32140e585fb5703b5dcf26e3823e",
)
STORYBOOKS = ImageTextSet(
    name="storybooks",
    title="Pages of picture books and their texts in 16 languages",
    captions={name: 29 if name == "ru" else 107 for name in LANGUAGES},
    images=107,
    source=Source(
        "storybooks",
        {
            "images": ("images.parquet", "d2d1132e1a1f5a8bbcb30ac9dec83a380effff1114c14e123e4b123a6ba2ea51"),
            "texts": ("texts.parquet", "a2cc2c204ac60ab53bf276c503c43a29de335d6bada204aead1c126e0d228b5f"),
        },
        build=PUBLIC.build,
        reencoded=True,
    ),
    read=read_storybooks,
    licence="CC BY 3.0 and CC BY 4.0",
    citation="African Storybook (africanstorybook.org); Global Storybooks (globalstorybooks.net)",
    fingerprints={
        "t2i": "0b30ad2fad0fbe493323e399f08590a45d5145aac0591b86408be36d8258d870",
        "i2t": "e456867d977c7f610189371792f60634edfc9272330ec6427a6815af25b8f4b4",
        "mixed": "6dc437410454fd0fe789fe69fe1977c8ac92f7f32f5c50e3f62665e81010d243",
    },
    relevants={"t2i": 1878, "i2t": 1878, "mixed": 28_942},
    note="A text is a line of the story, not a description of the picture. A cover repeats the picture of an inner "
    "page: both count as relevant, and so do the texts of both.",
)
