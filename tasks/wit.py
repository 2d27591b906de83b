"""WIT: images of Wikipedia and their captions in 11 languages, each language with its own (IGLUE, 2022)."""

from panglot.tasks.image_text import UNREAD, ImageTextSet, hub_source

from panglot.data.origins.hub import HubSet
from panglot.data.readers.captions import read_hub

CAPTIONS = dict(ar=890, bg=860, da=891, el=570, en=1000, et=874, id=901, ja=1000, ko=931, tr=721, vi=946)
WIT = ImageTextSet(
    name="wit",
    title="Wikipedia images and captions, 11 languages",
    captions=CAPTIONS,
    images=8553,
    source=hub_source(
        "wit",
        HubSet(
            "mteb/wit",
            "91ac153f1371a98b209ed763205e25e115ecd06e",
            {name: {name: "captions"} for name in CAPTIONS},
            id="image_id",
        ),
    ),
    read=read_hub,
    licence="CC BY-SA 4.0",
    citation="Srinivasan et al. (2021), WIT, SIGIR, arXiv 2103.01913; "
    "Bugliarello et al. (2022), IGLUE, arXiv 2201.11732",
    note="Images differ from language to language. Two captions are only a no-break space: --skip-damaged leaves them "
    "out. " + UNREAD,
)
