"""Compact help: plain text at terminal width, with options and verbs grouped under headings."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from panglot.errors import in_our_words

OPTIONS = "Arguments and options"
VERBS = "Verbs"

# Contexts and formatters are click's, which newer versions of Typer vendor under another name.


class Verb(TyperCommand):
    """A verb whose options are grouped by `rich_help_panel`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments; an error says what the value must be, without the words of the library that found it."""
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            said = in_our_words(error.message)
            error.message = said if said.endswith(".") else f"{said}."
            raise

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments first, then the options."""
        _write_options(self, ctx, formatter)


class Verbs(TyperGroup):
    """A group of verbs, listed by `rich_help_panel` with the first paragraph of their help."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options, then the verbs."""
        _write_options(self, ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the verbs."""
        verbs: list[Any] = [self.get_command(ctx, name) for name in self.list_commands(ctx)]
        width = max(len(verb.name) for verb in verbs)
        rows = (
            (getattr(verb, "rich_help_panel", None) or VERBS, (f"{verb.name:<{width}}", _first_paragraph(verb.help)))
            for verb in verbs
        )
        _write(rows, formatter)


def _write_options(verb: Verb | Verbs, ctx: Any, formatter: Any) -> None:
    rows = (
        (getattr(parameter, "rich_help_panel", None) or OPTIONS, (_name(parameter, record[0]), _in_words(record[1])))
        for parameter in verb.get_params(ctx)
        if (record := parameter.get_help_record(ctx))
    )
    _write(rows, formatter)


def _write(rows: Iterable[tuple[str, tuple[str, str]]], formatter: Any) -> None:
    """Write two-column rows under their headings; in narrow terminals long names get their own line."""
    sections: dict[str, list[tuple[str, str]]] = {}
    for heading, row in rows:
        sections.setdefault(heading, []).append(row)
    for heading, section in sections.items():
        with formatter.section(heading):
            formatter.write_dl(section, col_max=min(30, formatter.width // 3))


def _name(parameter: Any, with_type: str) -> str:
    """Return the name as typed; arguments omit their type, which the metavar implies."""
    if parameter.param_type_name != "argument":
        return with_type
    return f"{parameter.metavar}..." if parameter.nargs == -1 else parameter.metavar


def _in_words(text: str) -> str:
    """Say bounds of numbers in words: click writes `[x>=1]` and `[0<=x<=1]`."""
    text = re.sub(r"(?<=[\[ ])([\d.]+)<=x<=([\d.]+)(?=[\];])", r"\1 to \2", text)
    return re.sub(r"(?<=[\[ ])x>=([\d.]+)(?=[\];])", r"at least \1", text)


def _first_paragraph(text: str) -> str:
    return " ".join(text.split("\n\n")[0].split()).removesuffix(".")
