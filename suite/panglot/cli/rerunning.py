"""`panglot verify --rerun`: score samples again, say with what before it is loaded, and keep what agreed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from panglot.errors import BadEncoder, BadResult, PanglotError
from panglot.numbers import count, percent
from panglot.plain import plain
from panglot.trust.levels import HOLDS

if TYPE_CHECKING:
    from panglot.cli.view.console import PlainConsole
    from panglot.results.result_record import ResultRecord
    from panglot.trust.verify import Verdict


NOTHING_TO_COMPARE = "Not scored again: it was handed in without evidence, so there is nothing to compare."


@dataclass
class Rerun:
    """What the person asked for; `refused` tells afterwards whether something could not be scored again."""

    console: PlainConsole
    typed: str
    trust_remote_code: bool
    sample: int
    refused: bool = False

    def __call__(self, verdict: Verdict) -> Verdict:
        """The verdict after a sample of its result was scored again, or with a note why it was not."""
        if verdict.result is None or verdict.level == "failed":
            return verdict
        if verdict.level not in HOLDS:
            self.refused = True
            return replace(verdict, unchecked=(*verdict.unchecked, NOTHING_TO_COMPARE))
        try:
            return self._score(verdict, verdict.result)
        except PanglotError as error:
            self.refused = True
            return replace(verdict, unchecked=(*verdict.unchecked, f"Not scored again: {error}"))

    def _score(self, verdict: Verdict, result: ResultRecord) -> Verdict:
        """Score a sample of one result again; the attestation is written beside it if all agrees.

        :raises PanglotError: nothing was scored again.
        """
        from panglot.cli.view.terminal import progress_bar
        from panglot.data.catalogue import suite_tasks
        from panglot.data.load import read_pool
        from panglot.trust.reload import choose, loaded
        from panglot.trust.rerun import rerun, write_attestation
        from panglot.trust.verify import verify

        path, card, task = verdict.path, result.model, suite_tasks().get(result.task.name)
        if task is None:
            raise BadResult(f"{result.task.name} is not a task in this suite; a result does not say what data to read.")
        wanted = choose(card, self.typed, self.trust_remote_code)
        self.console.print(f"{plain(str(path))}  loads {plain(str(wanted))}", soft_wrap=True)
        pool = read_pool(task, result.task.languages, progress_bar)
        if verdict.level == "consistent":  # the data may be here only now, and is compared with the evidence first
            verdict = verify(path)
            if verdict.level == "failed":
                return verdict
            if verdict.level == "consistent":
                raise BadResult("its evidence could not be compared with the task's data.")
        with loaded(wanted) as model:
            if model.card.precision != card.precision == "bf16":
                raise BadEncoder(
                    f"{card.name} was measured in bf16, which this processor lacks. Rerun it on one that has bf16."
                )
            found = rerun(path, result, model, pool, self.sample, progress=progress_bar)
        apart = f"The largest difference is {found.largest_difference:.1e} of the query's largest score."
        if not found.holds:
            agreement = (
                f"{percent(found.scores_agree)} of {count(found.pairs, 'score')} and {percent(found.lists_agree)} of "
                f"{count(len(found.queries), 'list')} agree"
            )
            finding = f"Scored again with {found.model}: {agreement}. {apart}"
            return replace(verdict, level="failed", findings=(finding,))
        write_attestation(path, found)
        agreement = f"all {count(found.pairs, 'score')} and {count(len(found.queries), 'list')} agree"
        note = f"Sample: {agreement}. {apart} The rest was not checked."
        return replace(verdict, level="reproduced", unchecked=(*verdict.unchecked, note))
