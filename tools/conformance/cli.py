"""``lead12 hil conformance``: measure every clause, print the table, optionally write the page."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

FAILED_CLAUSES = 1


def conformance(
    update_docs: Annotated[
        bool, typer.Option("--update-docs", help="Write docs/conformance.md as well.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    data: Annotated[Path | None, typer.Option(help="Folder of the annotated recordings.")] = None,
) -> None:
    """Hold the firmware against IEC 60601-2-25/-27 and AAMI EC11/EC57, clause by clause.

    Exit code 1 when a clause is failed.
    """
    raise typer.Exit(measure(update_docs=update_docs, as_json=as_json, data=data))


def measure(*, update_docs: bool, as_json: bool, data: Path | None) -> int:
    """Measure and print; 1 when a clause is failed.

    Raises RecordingsAbsentError where the page is to be written without annotated recordings: its
    figures would be lost.
    """
    from tools.bench.figures import RecordingsAbsentError
    from tools.conformance import ec57, report
    from tools.conformance.clause import Row, Verdict

    absent = ""
    try:
        data = ec57.annotated_folder(data)
    except RecordingsAbsentError as error:
        if update_docs or data is not None:
            raise
        absent = str(error)
    table: dict[str, list[Row]] = {}
    beats: dict[str, list[ec57.Beats]] = {}

    def rows_of(group: str) -> Iterator[Row]:
        if group == "ec57":
            beats.update(ec57.tables(data))
            return ec57.rows(beats, absent)
        rows: Iterator[Row] = import_module(f"tools.conformance.{group}").rows()
        return rows

    for group, title in report.GROUPS.items():
        if not as_json:
            print(f"\n{title}", flush=True)
        table[group] = []
        for row in rows_of(group):
            table[group].append(row)
            print(report.as_json(group, row) if as_json else f"  {report.line(row)}", flush=True)
    if as_json:
        for records, found in beats.items():
            for one in found:
                print(report.beats_json(records, one))
    else:
        print(f"\n{report.summary(table)}")
    if update_docs:
        report.write(table, beats, report.PAGE)
        print(f"wrote {report.PAGE}", file=sys.stderr)
    return FAILED_CLAUSES if report.counts(table)[Verdict.FAILED] else 0
