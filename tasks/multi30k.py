"""Multi30k: photographs with one description in each of 4 languages (Elliott et al., 2016)."""

from panglot.tasks.image_text import UNREAD, ImageTextSet, hub_source

from panglot.data.origins.hub import HubSet
from panglot.data.readers.captions import read_hub

MULTI30K = ImageTextSet(
    name="multi30k",
    title="Multi30k, 4 languages",
    captions=dict.fromkeys(("cs", "de", "en", "fr"), 1000),
    images=1000,
    source=hub_source(
        "multi30k",
        HubSet(
            "romrawinjp/multi30k",
            "110e827dac7d6aabe6201d13bbdbc7413630390d",
            {"test": {name: name for name in ("cs", "de", "en", "fr")}},
        ),
    ),
    read=read_hub,
    licence="CC BY-SA 4.0 (captions)",
    citation="Elliott et al. (2016), Multi30K, arXiv 1605.00459; Barrault et al. (2018), WMT",
    note=UNREAD,
)
