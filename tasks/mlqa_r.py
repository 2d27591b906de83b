"""MLQA-R: find the answer sentence among sentences of seven languages, partly parallel (Roy et al., 2020)."""

from panglot.data.readers.lareqa import sentence_pool
from panglot.data.task import Size, Source, Task

SIZES = {
    "ar": Size(517, 2545),
    "de": Size(512, 2362),
    "en": Size(1148, 6264),
    "es": Size(500, 1787),
    "hi": Size(507, 2426),
    "vi": Size(511, 2828),
    "zh": Size(504, 2322),
}

FILES = {
    "ar": ("ar.json", "2132fbc03208535c0fe01f2e2c5121d06f9c2aa799af93b0a719dbc105bdf137"),
    "de": ("de.json", "ce9454dc5aa6f2d85c23cd6e49cb367fbb7c4c6e62d7f71e355c6b5dae4d0886"),
    "en": ("en.json", "fedd9a5cc0848dda80caf84aa36f482adaae230526a3f6e9e86926a93ef3b1e4"),
    "es": ("es.json", "70ecba276b8c96a692b120693a595d076ce94ad21d4b28311538a9fcbfe0f9d7"),
    "hi": ("hi.json", "4dd0fb3c06f737a5481d705bc1dcac7876712a5815c9265908fbb3a0696cb654"),
    "vi": ("vi.json", "9d3baff6ba03e6793b25594217265ea59a136b9733833dca8a9582a84a78ff85"),
    "zh": ("zh.json", "57f01d2fff50cf3392805635b01445339f225ad5bf28ba8443b12f8dbd1e69dc"),
}

MLQA_R = Task(
    name="mlqa-r",
    title="Questions and answer sentences, each in 2 to 4 of 7 languages",
    sizes=SIZES,
    source=Source(
        folder="mlqa-r",
        files=FILES,
        url="https://raw.githubusercontent.com/google-research-datasets/lareqa/"
        "354d67d1cd066854cdfbf5ad0e6105528976141d/mlqa-r",
    ),
    reader=sentence_pool,
    headline="map",
    fingerprint="1d2e9edffc00b9bfd43314807f55329b83210230558f6cd88a97054d5d986f1c",
    relevants=15_747,
    licence="CC BY-NC 4.0 as published, underlying MLQA CC BY-SA 3.0",
    citation="Roy et al. (2020), LAReQA, arXiv 2004.05484; Lewis et al. (2020), MLQA, arXiv 1910.07475",
    note="Its publisher withdrew this set from the head of the repository; it is read from the commit before. "
    "A question without an answer in the candidate language is left out of that pair.",
)
