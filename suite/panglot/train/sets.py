"""Names of the training sets, and of what must never be one."""

from __future__ import annotations

TEXT_SETS = ("ntrex", "mkqa_questions", "sections", "qa_pairs", "terms", "ntrex_sample")
"""Files of the folder `train` in the data folder, and the sample that comes with the package."""

IMAGE_SETS = ("emoji", "storybooks", "emoji_sample")
"""Folders of the data folder, of each only the train split, and the sample that comes with the package."""

EVALUATION_SETS = (
    "xquad",
    "mlqa",
    "lareqa",
    "miracl",
    "flores",
    "sib200",
    "sib-200",
    "belebele",
    "squad-dev",
    "xm3600",
    "crossmodal-3600",
    "multi30k",
    "xflickr",
    "iglue",
    "mteb/wit",
    "google/wit",
    "wit-base",
)
"""Parts of names of data sets that hold what models are evaluated or validated on."""


def check_no_evaluation_set(name: str) -> None:
    """Refuse to train on what models are measured on.

    :raises ValueError: the name is known as one.
    """
    plain = name.lower().replace("_", "-")
    for known in EVALUATION_SETS:
        if known in plain:
            raise ValueError(f"'{name}' holds an evaluation or validation set ({known}); a model must not see it")
