"""`cct selftest`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cct.cli.options import result_options

if TYPE_CHECKING:
    from cct.selftest.self_test import SelfTest


@click.command(short_help="Test the library on this machine; a report to paste into an issue.")
@click.option("--provider", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@result_options
def selftest(provider: str) -> SelfTest:
    """Test the library on this machine: each routine against the operator's meaning, then its speed against dense.

    On CUDA each case is compared with the CPU's routine too. The report is Markdown, to paste into an issue. A case
    that is wrong exits 1; a machine that can't run the library on the provider exits 2 and says what is missing.
    """
    from cct.workflows.selftest import run_self_test

    return run_self_test(provider, lambda line: click.echo(line, err=True))
