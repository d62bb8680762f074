"""Names on the command line, looked at before anything is opened."""

from __future__ import annotations

import os
from pathlib import Path

import click

from cct.errors import CctError
from cct.regular_file import check_regular


class FileName(click.Path[Path]):
    """A file: one that is there and can be read to its end, or one to be written.

    Args:
        exists: whether it must be there.
    """

    def __init__(self, exists: bool) -> None:
        super().__init__(exists=exists, dir_okay=False, path_type=Path)

    def convert(self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Refuse what no file is called, a folder, and of what is read a pipe, a socket or a device."""
        if "\0" in os.fspath(value):
            self.fail(_NULL.format(os.fspath(value)), param, ctx)
        path = super().convert(value, param, ctx)
        if self.exists:
            try:
                check_regular(path)
            except CctError as error:
                self.fail(str(error), param, ctx)
        return path


class Spec(click.ParamType[str]):
    """`package.module:function`, `./file.py:function`, or what else an option takes that may be a file's name."""

    name = "text"

    def convert(self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse what no file is called, and a pipe, a socket or a device, which may be read without an end."""
        text = os.fspath(value)
        if "\0" in text:
            self.fail(_NULL.format(text), param, ctx)
        for place in (text, text.rpartition(":")[0]):
            if os.path.exists(place) and not os.path.isdir(place) and not os.path.isfile(place):
                self.fail(f"{place} is no regular file: save what it gives to one", param, ctx)
        return text


_NULL = "{!r} has a null character, which no name can have: leave it out"
