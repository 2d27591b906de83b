"""Names of the training sets, and of evaluation sets that must never be trained on."""

from __future__ import annotations

TEXT_SETS = ("ntrex", "mkqa_questions", "sections", "qa_pairs", "terms", "ntrex_sample")
"""Files in the folder `train` of the data folder, and the sample that ships with the package."""

IMAGE_SETS = ("emoji", "storybooks", "emoji_sample")
"""Folders in the data folder (train split only), and the sample that ships with the package."""

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
    "xtd-10",
    "xtd10",
    "xflickr",
    "iglue",
    "mteb/wit",
    "google/wit",
    "wit-base",
)
"""Name parts of data sets that models are evaluated or validated on."""


def check_no_evaluation_set(name: str) -> None:
    """Check that a training set is not an evaluation set, by its name.

    :raises ValueError: the name contains that of an evaluation set.
    """
    plain = name.lower().replace("_", "-")
    for known in EVALUATION_SETS:
        if known in plain:
            raise ValueError(f"'{name}' is an evaluation or validation set ({known}); do not train on it")
