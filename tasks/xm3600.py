"""Crossmodal-3600: photographs from all over the world, captioned in 36 languages (Thapliyal et al., 2022)."""

from functools import partial

from panglot.tasks.image_text import UNREAD, ImageTextSet, hub_source

from panglot.data.origins.hub import HubSet
from panglot.data.readers.captions import read_hub

CAPTIONS = dict(
    ar=7367, bn=3600, cs=7207, da=7264, de=8643, el=7204, en=7200, es=8614, fa=7245, fi=7127, fil=7109, fr=8562,
    he=7200, hi=8503, hr=7280, hu=7216, id=7126, it=8471, ja=7185, ko=7650, mi=4732, nl=8059, no=7213, pl=7141,
    pt=7243, quz=7200, ro=7123, ru=7200, sv=7273, sw=7046, te=7200, th=7200, tr=7233, uk=7215, vi=7350, zh=7174,
)  # fmt: skip
SOURCE = hub_source(
    "xm3600",
    HubSet(
        "mteb/xm3600",
        "536cd45bbfe53de9b08c0483bb4a76a4bd3673fa",
        {name: {name: "captions"} for name in CAPTIONS},
        id="image_id",
        locale="image_locale",
        shared=True,
    ),
)
XM3600 = ImageTextSet(
    name="xm3600",
    title="Crossmodal-3600, all captions, 36 languages",
    captions=CAPTIONS,
    images=3600,
    source=SOURCE,
    read=read_hub,
    licence="CC BY 4.0 (captions)",
    citation="Thapliyal et al. (2022), Crossmodal-3600, EMNLP, arXiv 2205.12522",
    mixed_queries=dict.fromkeys(CAPTIONS, 100),
    note="All captions of an image are asked, as in mteb; xm3600-first asks the first of each language, as in "
    "CLIP_benchmark. In the mixed pool the first caption of each image in the language of its own locale asks. "
    + UNREAD,
)
XM3600_FIRST = XM3600._replace(
    name="xm3600-first",
    title="Crossmodal-3600, first captions, 36 languages",
    captions=dict.fromkeys(CAPTIONS, 3600),
    read=partial(read_hub, first_only=True),
)
