"""xFlickr&CO: photographs of Flickr30k and COCO, one caption in each of 8 languages (Bugliarello et al., 2022)."""

from panglot.tasks.image_text import UNREAD, ImageTextSet, hub_source

from panglot.data.origins.hub import HubSet
from panglot.data.readers.captions import read_hub

LANGUAGES = ("de", "en", "es", "id", "ja", "ru", "tr", "zh")

XFLICKR_CO = ImageTextSet(
    name="xflickr-co",
    title="xFlickr&CO, 8 languages",
    captions=dict.fromkeys(LANGUAGES, 2000),
    images=2000,
    source=hub_source(
        "xflickr-co",
        HubSet(
            "mteb/xflickrco",
            "4da629e05455d757306174cdc72f2edfe00b9027",
            {name: {name: "sentences"} for name in LANGUAGES},
            id="id",
            shared=True,
        ),
    ),
    read=read_hub,
    licence="CC BY-SA 4.0 (captions)",
    citation="Bugliarello et al. (2022), IGLUE, ICML, arXiv 2201.11732",
    note=UNREAD,
)
