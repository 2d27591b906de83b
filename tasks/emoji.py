"""Emoji: find the picture of a name, the names of a picture, in 20 languages (Noto Emoji, Unicode CLDR)."""

from functools import partial

from panglot.tasks.image_text import ImageTextSet

from panglot.data.builders.emoji import EmojiSources
from panglot.data.origins.archive import Archive
from panglot.data.readers.captions import read_emoji
from panglot.data.task import Source

LANGUAGES = (
    "ar",
    "bn",
    "de",
    "el",
    "en",
    "es",
    "fa",
    "fi",
    "fr",
    "hi",
    "id",
    "ja",
    "ko",
    "ru",
    "sw",
    "te",
    "th",
    "tr",
    "vi",
    "zh",
)
PUBLIC = EmojiSources(
    images=Archive(
        "https://github.com/googlefonts/noto-emoji/archive/b3e3051a088047d19fd4d49b1c3ac42fb8c3aaf8.tar.gz",
    ),
    annotations=Archive(
        "https://registry.npmjs.org/cldr-annotations-full/-/cldr-annotations-full-47.0.0.tgz",
        "1d0bca9131d66d3a4ffe91f4150c13484fcf6cb44774c0dd50ca1a1b541310e9",
    ),
    derived=Archive(
        "https://registry.npmjs.org/cldr-annotations-derived-full/-/cldr-annotations-derived-full-47.0.0.tgz",
        "67ed8a37312daf8754dc9be859d0c616725a62b7b75236ff67f78b87708bea88",
    ),
    groups=Archive(
        "https://registry.npmjs.org/unicode-emoji-json/-/unicode-emoji-json-0.9.0.tgz",
        "ae7efacb55533385bf8767d613dbd36c71226669759d95919a6e9059f5e4c401",
    ),
    languages=LANGUAGES,
    expected=1418,
)
SOURCE = Source(
    "emoji",
    {
        "images": ("images.parquet", "968da217265fbfc2a456ca8f49fa1ce6c72570e6cc04c39ce234d01f9c37f7b9"),
        "texts": ("texts.parquet", "663dec1617be321249a994aacfb1a6489b973e1b4ee9e9b067fd5c3152e7ad83"),
    },
    build=PUBLIC.build,
)
EMOJI = ImageTextSet(
    name="emoji",
    title="Emoji and their names in 20 languages",
    captions=dict.fromkeys(LANGUAGES, 426),
    images=426,
    source=SOURCE,
    read=read_emoji,
    licence="Apache-2.0 and OFL-1.1 (images), Unicode-3.0 (names)",
    citation="Noto Emoji; Unicode CLDR 47",
    fingerprints={
        "t2i": "755bd9de7c54d15125d4820e844b4e0546feb642f433495c68968c0ae0577d00",
        "i2t": "d7e788e988097b7e6e7f391f0f4379d3bdd2fd642ebf603c1a9438176cfc9c4b",
        "mixed": "85ecfafaeecee869118f6df0996f0bafdf31112dbe68ca6b04128167d1c66641",
    },
    relevants={"t2i": 8520, "i2t": 8520, "mixed": 170_400},
    note="Drawings and short names, not photos and sentences; 27 strings name one emoji in one language and another in "
    "a second one. A pretrained image-text model has seen these pictures.",
)
WITH_KEYWORDS = dict(
    ar=852, bn=851, de=851, el=850, en=849, es=847, fa=851, fi=849, fr=850, hi=851,
    id=849, ja=851, ko=852, ru=852, sw=849, te=852, th=849, tr=849, vi=845, zh=848,
)  # fmt: skip
EMOJI_KEYWORDS = EMOJI._replace(
    name="emoji-keywords",
    title="Emoji, their names and their keywords in 20 languages",
    captions=WITH_KEYWORDS,
    read=partial(read_emoji, keywords=True),
    directions=("t2i", "i2t"),
    fingerprints={
        "t2i": "b14c383d8b9edabd500e4dcdb24415cef6b28ab333e76b99cdac9e85147b8c85",
        "i2t": "80bcf23c25c5e50f18807cb7bbbcfeb8eacd995b8fe2a86d7c9849e0a19775b3",
    },
    relevants={"t2i": 16_997, "i2t": 16_997},
    note="Two captions of each emoji: its name, and its keywords divided by commas. Keywords are not unique.",
)
