"""What `panglot check` prints: counts by language, and what was found, with examples."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from panglot.cli.view.tables import FoldingTable, prose
from panglot.data.quality import MEANINGS, Quality
from panglot.languages import language_label


def quality_view(name: str, quality: Quality, noted: bool = False) -> RenderableType:
    """The counts and findings of one task; `noted` says that there are notes about its data."""
    table = FoldingTable()
    table.add_column("language", no_wrap=True)
    declared = any(counts.unanswered for counts in quality.languages.values())
    for heading in ("queries", *(["without answer"] if declared else []), "passages", "answers per query"):
        table.add_column(heading, justify="right", no_wrap=True)
    for language, counts in quality.languages.items():
        numbers = [counts.queries, *([counts.unanswered] if declared else []), counts.candidates]
        answers = f"{counts.relevant / counts.queries:.2f}" if counts.queries else "–"
        table.add_row(language_label(language), *(f"{number:,}" for number in numbers), answers)
    lines: list[RenderableType] = [Text(name, style="bold"), table]
    for finding in quality.findings:
        lines.append(Text(f"{finding.kind}: {finding.total:,}", style="bold yellow"))
        examples = "; ".join(" = ".join(ids) for ids in finding.examples)
        more = " …" if finding.total > len(finding.examples) else ""
        lines.append(prose(f"{MEANINGS[finding.kind]} E.g. {examples}{more}", ""))
    if not quality.findings:
        lines.append(Text("Nothing was found beyond the notes." if noted else "Nothing odd was found."))
    return Group(*lines)
