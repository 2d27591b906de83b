"""The starter set: 26 short paragraphs of general knowledge in eleven languages, to try things out at once."""

from pathlib import Path

from panglot.data.readers.lareqa import sentence_pool
from panglot.data.task import Size, Source, Task

FILES = {
    "ar": ("ar.json", "59d465975c741a3db85e4df8a27e8173d438deb39a40ac918b04eaa582a3084a"),
    "de": ("de.json", "1699143f917fea9cfbeb21eca8b6fa66cdb898a4ff65776f0c7e4722176f4094"),
    "el": ("el.json", "d583016d1137ab86066dfb4de64cd4ed09347e1ded0179665fb6c3bc4a842416"),
    "en": ("en.json", "3ab405501d76739144ac46eabeb131b49425d13dc87e71d97956c7dfdcc31d58"),
    "es": ("es.json", "11581acb3ab53454a5f060cd6f9ca6bcf0fd83050579aaea45fa1585f8b3b543"),
    "hi": ("hi.json", "86d6f0d99492f146957ca0bacacdb1a1b71886a672c90b178e6efce87eb96026"),
    "ru": ("ru.json", "9709c5e61b2869a9cf19707c003506f84553d55a04a44b7b85a8eb6ced10a138"),
    "th": ("th.json", "753893f2fbb9d3fb83aa4182b7d0d0273ce51cfb884eac1381bdf1381b0ed2b5"),
    "tr": ("tr.json", "187099b61311fd5205694ecc37140e4d48fc903512b15f4c09384c0682ebc2a7"),
    "vi": ("vi.json", "f41fc95fc0fab915b5a21e1cb66a6412c19c675fd84f1740eff380e7d9c9e180"),
    "zh": ("zh.json", "e599cf26df8d82a54873d07e72155f604fd9340be61218e3aa6bbe9c8000699f"),
}

STARTER = Task(
    name="starter",
    title="Questions and answer sentences of general knowledge, parallel in 11 languages; for trying things out",
    sizes=dict.fromkeys(FILES, Size(52, 78)),
    source=Source(folder="starter", files=FILES, packaged=Path(__file__).parent / "starter"),
    reader=sentence_pool,
    headline="map",
    fingerprint="71bc649b6473004967351ff31c74bd78482d91d76b5b9ef824145eafc36de765",
    relevants=6292,
    licence="CC0 1.0",
    citation="Written for Panglot",
    note="Small and easy: it shows that a model works, not how good it is.",
)
