"""The influence of each article of XQuAD-R on the scores of those models of the ablations that were submitted.

    python -m docs.experiments_influences          writes docs/experiments/influences.json

The files of the ablations `static` and `transformer` have no influences, but the evidence of some models of their first
seed is in submissions/. Scores must be those of the file, so that the models are the same.
"""

from __future__ import annotations

import json
from pathlib import Path

from docs.experiments_tests import INFLUENCES, LAYERS, NAMED, STATIC, known
from panglot.results.evidence_file import read_evidence
from panglot.results.result_record import read_result_record
from panglot.retrieve.evidence import Evidence
from panglot.score.comparison.contributions import contributions
from panglot.train.ablation.influence import influences

SUBMISSIONS = Path(__file__).parents[1] / "submissions"
MEASURES = ("cross", *NAMED)


def of_evidence(evidence: Evidence) -> dict[str, list[float]]:
    """The influence of each article by measure, rounded."""
    found = influences(evidence, contributions(evidence, "map"))
    return {measure: [float(f"{value:.4g}") for value in found[measure]] for measure in MEASURES}


def main() -> None:
    """Write the influences, rounded, of every submitted model of a first seed."""
    found = {}
    for name in (STATIC, LAYERS):
        for run in known(name).runs:
            paths = list(SUBMISSIONS.glob(f"{name}-{run.arm}-{run.seed}@*/xquad-r.json"))
            if run.task == "xquad-r" and paths:
                result, evidence = read_result_record(paths[0]), read_evidence(paths[0])
                for setting in ("mono", "cross", "multi"):
                    score = result.settings[setting]["map"].value
                    assert abs(score - run.scores[setting]) < 1e-4, f"{paths[0]}: {score}, not {run.scores[setting]}"
                found[f"{name} {run.arm}"] = of_evidence(evidence)
    lines = ",\n".join(f" {json.dumps(arm)}: {json.dumps(own)}" for arm, own in found.items())
    INFLUENCES.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
