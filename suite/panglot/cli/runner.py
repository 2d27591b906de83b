"""Runs the tasks of one model in turn and reports the outcome."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from panglot.plain import plain

if TYPE_CHECKING:
    from panglot.cli.view.console import PlainConsole
    from panglot.data.task import Task
    from panglot.encode.endpoints.account import Meter
    from panglot.encode.model import Model
    from panglot.evaluate.measure import Measurement
    from panglot.results.result_record import ResultRecord


@dataclass
class Runner:
    """Runs one model on several tasks; a failing task does not stop the others."""

    console: PlainConsole
    model: Model
    measurement: Measurement
    out: Path
    results: dict[Path, ResultRecord] = field(default_factory=dict)
    """Written results by path."""
    _failed: int = 0

    def run(self, tasks: list[Task], retry_failed: bool) -> int:
        """Run the tasks. The exit code is 2 if the user can fix a failure, 1 if it is a bug in Panglot."""
        from panglot.errors import fixable
        from panglot.files import check_writable

        check_writable(self._folder, "--out")
        for task in tasks:
            if retry_failed and not self._log(task).exists():
                continue
            try:
                self._run(task)
            except Exception as error:
                message = fixable(error)
                if message and len(tasks) == 1:
                    raise
                self._fail(task, error, message)
        return self._failed

    def _run(self, task: Task) -> None:
        from panglot.cli.view.terminal import progress_bar
        from panglot.encode.endpoints.account import Metered
        from panglot.encode.model import Reranks

        self._warn_of_split_languages(task)
        endpoint = self.model.pair_scorer if isinstance(self.model, Reranks) else self.model
        before = replace(endpoint.meter) if isinstance(endpoint, Metered) else None
        result = self.measurement.run(task, self.model, progress_bar)
        if before and isinstance(endpoint, Metered):
            self._say_traffic(task, endpoint.meter.since(before), result.record.run.seconds.get("encode", 0.0))
        for remark in result.remarks:
            self._warn(task, remark)
        path = result.save(self.out)
        self.results[path] = result.record
        self._log(task).unlink(missing_ok=True)

    def _say_traffic(self, task: Task, used: Meter, seconds: float) -> None:
        """Print what was sent to an endpoint, and how fast it answered; nothing if all vectors were in the cache."""
        from rich.text import Text

        if not used.requests:
            return
        said = f"{used.tokens:,} tokens in {used.requests:,} requests"
        said += f", {used.tokens / seconds:,.0f} tokens per second" if seconds else ""
        said += f", {used.retries:,} sent again" if used.retries else ""
        said += f", cost {used.cost:.4f}" if used.cost else ""
        self.console.print(Text(f"{task.name}: {said}", "dim"), soft_wrap=True)

    def _warn_of_split_languages(self, task: Task) -> None:
        """Warn if queries in `zh-Hans` and candidates in `zh` would count as two languages."""
        from panglot.languages import find_split_languages, language_name

        sizes = {language: task.sizes[language] for language in task.choose(self.measurement.languages)}
        for query, candidate in find_split_languages(sizes):
            warning = (
                f"all {language_name(query)} queries use the code '{query}' and all candidates '{candidate}'. "
                "Panglot treats them as two languages and scores the pair as cross, not mono. Use one code for both."
            )
            self._warn(task, warning)

    def _warn(self, task: Task, warning: str) -> None:
        from rich.text import Text

        message = Text(f"{task.name}: ", style="bold yellow").append(plain(warning), "not bold")
        self.console.print(message, soft_wrap=True)

    def _fail(self, task: Task, error: Exception, message: str | None) -> None:
        """Print one line, with the message for the user if there is one, and write the traceback to a log."""
        from rich.text import Text

        shown = Text(f"{task.name} failed: ", style="bold red")
        shown.append(f"{plain(message or f'{type(error).__name__}: {error}')} ", "not bold")
        log = self._write_log(task, error)
        self.console.print(shown.append(log, "dim"), soft_wrap=True)
        self._failed = 1 if message is None or self._failed == 1 else 2

    def _write_log(self, task: Task, error: Exception) -> str:
        """Write the traceback, which also marks the task for `--retry-failed`, and say where it is."""
        import traceback

        log = self._log(task)
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        except OSError as full:  # the disk on which the result found no place either
            return f"(no log: {full.strerror})"
        return f"(log: {log}; retry with --retry-failed)"

    def _log(self, task: Task) -> Path:
        from panglot.results.naming import result_stem

        return self._folder / f"{result_stem(task.name)}.failed.log"

    @property
    def _folder(self) -> Path:
        from panglot.results.naming import result_folder

        return result_folder(self.out, self.measurement.card(self.model))


def show_results(console: PlainConsole, results: dict[Path, ResultRecord], matrix: bool) -> None:
    """Print the grids, the scores, and where each result was written at what cost."""
    from rich.text import Text

    from panglot.cli.view.terminal import curve_table, no_answer_table, pair_matrix, score_table

    for result in results.values():
        if matrix:
            console.print(pair_matrix(result))
    if results:
        console.print(score_table(list(results.values())))
    for result in results.values():
        if result.curve:
            console.print(curve_table(result))
        if result.no_answer:
            console.print(no_answer_table(result))
    for path, result in results.items():
        console.print(Text(str(path)).append(f"  {_effort(result)}", "dim"), soft_wrap=True)


def _effort(result: ResultRecord) -> str:
    """Return time, memory, and how many items were newly encoded."""
    from panglot.data.image import IMAGES

    effort = f"{sum(result.run.seconds.values()):.1f} s"
    if result.run.peak_memory_mib is not None:
        effort += f", {result.run.peak_memory_mib:,} MiB"
    if result.run.encoding:
        noun = "texts and images" if IMAGES in result.task.languages else "texts"
        effort += f", {result.run.encoding.fresh:,} of {result.run.encoding.texts:,} {noun} encoded"
        if result.run.encoding.texts_per_second:
            effort += f" ({result.run.encoding.texts_per_second:,.0f} per second)"
    if result.run.rank_device:
        effort += f", ranked on {result.run.rank_device}"
        if result.run.close_scores:
            effort += f" ({result.run.close_scores:,} pairs of scores closer than rounding)"
    if result.run.damaged:
        effort += f", {result.run.damaged:,} damaged items skipped"
    return effort
