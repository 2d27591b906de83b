"""XQuAD-R: find the answer sentence among sentences of eleven languages (Roy et al., 2020)."""

from panglot.data.readers.lareqa import sentence_pool
from panglot.data.task import Size, Source, Task

SIZES = {
    "ar": Size(1190, 1222),
    "de": Size(1190, 1276),
    "el": Size(1190, 1234),
    "en": Size(1190, 1180),
    "es": Size(1190, 1215),
    "hi": Size(1190, 1244),
    "ru": Size(1190, 1219),
    "th": Size(1190, 852),
    "tr": Size(1190, 1167),
    "vi": Size(1190, 1209),
    "zh": Size(1190, 1196),
}

FILES = {
    "ar": ("ar.json", "c52922d3b8ac1ae03ed5ac38647ad59870dca3dda2beefe18ecdc30729acb69d"),
    "de": ("de.json", "16fb0f4bf4916154b585a20c24c66074591c9718a1affe764ff4697572328949"),
    "el": ("el.json", "163fd43ee785a30eb534ae2061e9eaa766a7ee4e8ffce5e4b422480c150f64b6"),
    "en": ("en.json", "7b0954f39297c27a31fef610f0883337dd2907fa8699151dc922afdd0fa12ffe"),
    "es": ("es.json", "f8e836b2d91009c4363e04315f7ede363eedbbb49c67dda60de6c4aa782f58de"),
    "hi": ("hi.json", "ea45ba8ae4513d1533b222bebdc02a90bc319c055d3aeea68584a053d2e92872"),
    "ru": ("ru.json", "7f4dff853538b9a5fcc28c070b8bb983a5c5d190ac747b8e005a1ada9cab18f1"),
    "th": ("th.json", "c3a041864c3a9fb0b4dd91cfdf99cf36b411b3e704c58a303c97bc6dc786cfe4"),
    "tr": ("tr.json", "f3e8c13002bbce154a4578f535f7533cb70f3da08840e6b62735935baec7bd94"),
    "vi": ("vi.json", "e35926bf5cc6fc6ecbdfca49467aabeb454f08d152d7818143a906bd31dde995"),
    "zh": ("zh.json", "80c2cde7b9c2fb134c303cbb52f2ba396ead9eb0014aec43993543d2ba9e93ed"),
}

XQUAD_R = Task(
    name="xquad-r",
    title="Questions and answer sentences, parallel in 11 languages",
    sizes=SIZES,
    source=Source(
        folder="xquad-r",
        files=FILES,
        url="https://raw.githubusercontent.com/google-research-datasets/lareqa/"
        "9bc8c7fb6dd8d01d72a05a93c2cb96882b0d299c/xquad-r",
    ),
    reader=sentence_pool,
    headline="map",
    fingerprint="ee9b141a3399b4ad15548250c6214fa14519ab3c997477b447ae0d7e4fadf97e",
    relevants=143_990,
    licence="CC BY-SA 4.0",
    citation="Roy et al. (2020), LAReQA, arXiv 2004.05484; Artetxe et al. (2020), XQuAD, arXiv 1910.11856",
)
