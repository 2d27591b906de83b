"""MIRACL: questions in eighteen languages, each about the Wikipedia of its own (Zhang et al., 2023)."""

from functools import partial

from panglot.data.corpus import StreamedTask, refuse_to_hold
from panglot.data.readers.miracl import HubCorpora, read_questions
from panglot.data.task import Size, Source

FULL = {
    "ar": Size(2896, 2_061_414),
    "bn": Size(411, 297_265),
    "de": Size(305, 15_866_222),
    "en": Size(799, 32_893_221),
    "es": Size(648, 10_373_953),
    "fa": Size(632, 2_207_172),
    "fi": Size(1271, 1_883_509),
    "fr": Size(343, 14_636_953),
    "hi": Size(350, 506_264),
    "id": Size(960, 1_446_315),
    "ja": Size(860, 6_953_614),
    "ko": Size(213, 1_486_752),
    "ru": Size(1252, 9_543_918),
    "sw": Size(482, 131_924),
    "te": Size(828, 518_079),
    "th": Size(733, 542_166),
    "yo": Size(119, 49_043),
    "zh": Size(393, 4_934_368),
}

HARD = {
    "ar": Size(1000, 192_103),
    "bn": Size(411, 297_265),
    "de": Size(305, 71_277),
    "en": Size(799, 178_768),
    "es": Size(648, 146_750),
    "fa": Size(632, 133_596),
    "fi": Size(1000, 194_415),
    "fr": Size(343, 75_357),
    "hi": Size(350, 63_066),
    "id": Size(960, 168_173),
    "ja": Size(860, 185_319),
    "ko": Size(213, 43_293),
    "ru": Size(1000, 219_114),
    "sw": Size(482, 131_924),
    "te": Size(828, 101_961),
    "th": Size(733, 116_649),
    "yo": Size(119, 49_043),
    "zh": Size(393, 81_309),
}

FULL_CHARACTERS = dict(
    ar=658_939_148, bn=114_221_940, de=6_588_925_377, en=13_223_216_003, es=4_198_458_442, fa=581_916_127,
    fi=679_716_352, fr=5_044_309_035, hi=188_310_954, id=508_059_458, ja=1_021_164_793, ko=260_146_649,
    ru=3_180_487_174, sw=30_304_722, te=205_786_609, th=194_002_365, yo=7_864_168, zh=596_791_545,
)  # fmt: skip
HARD_CHARACTERS = dict(
    ar=84_369_187, bn=114_221_940, de=36_691_949, en=94_791_489, es=78_775_747, fa=55_076_932, fi=90_197_776,
    fr=34_770_405, hi=31_512_563, id=83_274_053, ja=38_386_337, ko=11_205_374, ru=104_535_353, sw=30_304_722,
    te=61_452_907, th=55_977_742, yo=7_864_168, zh=12_063_175,
)  # fmt: skip
"""Of all passages, as mteb 2.26 counts them in its statistics of these sets."""

SHA256 = {
    "ar": (
        "10b534b889ec46e23df478eee09410ef2880d90d419644dfed5d05d39b57ece0",
        "3670a7804dedd5a602dad0661f6adb1e65b197829d5571f428e0af7fc46aa313",
    ),
    "bn": (
        "46fbf50f1f3972b6908543bad6b6dfc60a75eec80d54aae603efd884ba608d2f",
        "0aab3bcb0bbc5d3e5ed1566a9e3965800239438b5b5f68d5b6bb4acb7f0fec0e",
    ),
    "de": (
        "6b66ec2cfb4af383e6fe18a08899bfa3a0deeb5e6010758743fa93ab598321c9",
        "5d4a0d7ac42c7839a0513ba6deb6b27fc62803f318be8a7c411e10dbbde7578c",
    ),
    "en": (
        "25d9e6d17656674fd7aa3b67ee912c71545e664a842b147bfc17e9ff391db3da",
        "a0af836c300e85088c4d73449492e2378280f967cac032853c9e11f3bc8a8d81",
    ),
    "es": (
        "5e93b5a1cea22a44912e6ad242147c58719dd8ce4bb6304264a53876b70e65ac",
        "2d9441de1e25d7d2faf54f757db618ad5a2927337862a367f1a60e87ef7e40b2",
    ),
    "fa": (
        "df0ece36ab8048f765aa0bb2dde948f5c764cc25bdfc09fb1f5317ef24ff8b49",
        "3cec8ea8fb1f056110e5282df3aa37e14fb5f44c6f885528b6072c0243c1efc4",
    ),
    "fi": (
        "71766986e9bef80118d60b989bdbd3ed965a845db6986847cbfd791fa00990b3",
        "4e534e96878729bd2566233d7499c991463052d91d34738dfe84d79f110255cd",
    ),
    "fr": (
        "dd471f3a0a594d212b30495f8b1d9759451aea399b44e02de6ca9c5550930106",
        "823e8f6fd297064d67efe37991cd3953414dc040c290f249b0895925f03509ad",
    ),
    "hi": (
        "94bed8e649806246f59edfb6434ea0c59920a44f2f60a56e01d205c6bf58ef60",
        "4cec99e7012ffca7fd129eeea01f37984bb21702706a8398208e8fba1c14e963",
    ),
    "id": (
        "c5d9d5de2913beeb003ee0ef63e4537c2f632940ed077bfb2e9e8a3b5943096d",
        "6270863499b1be946be0883e8815b52ffb21e56181e9dc67596eaeb61494a61c",
    ),
    "ja": (
        "1904b9bf0fc52e1b684daa7539b2bcfdd90122e603ffbcf6b5065a0e210525b0",
        "1e2a60ba96b889bd076adea950e7e83a2d083f671955a5ab3e9bdc332b492e5f",
    ),
    "ko": (
        "a365552cfc997a8915e948a3b5994883f641e7c3f12b6af87bbfaf89729e32a8",
        "88827ccc5b64e531b25f70eef30202d33daa9bfa3ac8cceadf5cdbd5ca5034df",
    ),
    "ru": (
        "91a7c3b6d21f79a12b5330f0a62811962f9370a0bf539cba8b3fecaa095f0616",
        "f877b43c7f53b76aab25e406e5a607ef1c5adba4ffaa11e1b252a4326735a19b",
    ),
    "sw": (
        "15cde3f614cb75b3106fb4606a16162140ee157da22c4a57aae756571788b722",
        "a1e6438ac732dabd9a24fd5c8dfc0c64168aea81ff477d8b1986fde5ad193a63",
    ),
    "te": (
        "3ac8a9a20bdf93ffcc36d554a5fff76ec4435131ae995010814df5881fff07d6",
        "576a7ded402697a7bb521b4b8bb1a27806b927556001450405d3a5b85590a0c9",
    ),
    "th": (
        "6ef23316d1224d9fef9e3f8bc2fdf527dad1a3bba98657617398c226503f5a46",
        "81097e891775f67a9b98d41309f9c452dc4e09572b0cbf4952d4107ed0fe1407",
    ),
    "yo": (
        "b24558e43e1965d5cfe7440a5bf3bf66d70529474ff76e64bfa72026129b2d2e",
        "39a219ef0b593f6056e4ad1d65b9c03345730efa5107f0abd4a4a44ef2f6f0d2",
    ),
    "zh": (
        "5b284a9aabf08bb2d1c88ed7ea276025c9d23846457c5350dc8d391b5e0d0a13",
        "5546474d3dc8139014e6571e9f4041848bb0a314ca6d2d4bac708174d71c59eb",
    ),
}
"""Of each language's topics and qrels, as text."""

SOURCE = Source(
    folder="miracl",
    files={
        f"{language}.{part}": (f"{part}/{part}.miracl-v1.0-{language}-dev.tsv", sha256)
        for language, pair in SHA256.items()
        for part, sha256 in zip(("topics", "qrels"), pair, strict=True)
    },
    url="https://raw.githubusercontent.com/castorini/anserini-tools/5b819c1a45c8a0a3ec9426f476694f44a29dfaf3",
)
HARD_CORPORA = HubCorpora("mteb/MIRACLRetrievalHardNegatives", "d7d94fa4b946cec4a27c84653aa0cf6b33f74a3c")

NOTE = (
    "Divided: a query meets the passages of its own language only, so there is neither a pool of all languages nor "
    "language bias. A passage is its title, a line feed and its text. Passages judged not relevant count like those "
    "that nobody judged, as in the official scores. "
)
UNREAD = "The corpora were not within reach when this task was written: there is no fingerprint to compare with yet."

MIRACL = StreamedTask(
    name="miracl",
    title="Questions and the whole Wikipedia, 18 languages apart",
    sizes=FULL,
    source=SOURCE,
    reader=refuse_to_hold,
    headline="ndcg@10",
    fingerprint="",
    relevants=31_119,
    licence="Apache-2.0 (questions, judgements); CC BY-SA 3.0 (passages)",
    citation="Zhang et al. (2023), MIRACL, TACL 11, arXiv 2210.09984",
    note=NOTE + UNREAD,
    characters=FULL_CHARACTERS,
    questions=read_questions,
    corpus=HubCorpora("mteb/MIRACLRetrieval", "9c09abc13478308c27598f350e31d8f06b9b5481"),
)
MIRACL_HN = StreamedTask(
    name="miracl-hn",
    title="Questions and hard negatives from Wikipedia, 18 languages apart",
    sizes=HARD,
    source=SOURCE,
    reader=refuse_to_hold,
    headline="ndcg@10",
    fingerprint="",
    licence=MIRACL.licence,
    citation=MIRACL.citation,
    note="Of each query the 250 best of BM25, multilingual E5 large and E5 Mistral are in the corpus; bn, sw and yo "
    "are whole; 1,000 queries of ar, fi and ru. Scores are higher than those of miracl. " + NOTE + UNREAD,
    characters=HARD_CHARACTERS,
    questions=partial(read_questions, tier=HARD_CORPORA),
    corpus=HARD_CORPORA,
)
