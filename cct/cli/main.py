"""The command line; `main` owns the exit codes.

0 done or passed, 1 a gate that failed, 2 everything else, SIGTERM and SIGHUP too, 130 Ctrl-C.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NoReturn

import click

from cct import distributed
from cct.__version__ import __version__
from cct.cli.bench import bench
from cct.cli.completion import completion
from cct.cli.compress import compress
from cct.cli.doctor import doctor
from cct.cli.export import export
from cct.cli.inspect import inspect
from cct.cli.selftest import selftest
from cct.cli.validate import validate
from cct.errors import CctError
from cct.messages import first_line, message, printable
from cct.signals import Ended, orderly_end

_FULL = (errno.ENOSPC, errno.EDQUOT)
# what a disk, a mount or a limit of the system says, whatever we do
_NOT_OURS = (errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.ENODEV)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="cct")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """Prune a CNN while you fine-tune it, export one ONNX file, run it several times faster in ONNX Runtime."""
    if ctx.invoked_subcommand != compress.name:
        distributed.ignore_launcher()
    try:
        os.getcwd()
    except OSError as error:  # torch would end the process, with words that mislead
        raise CctError(f"the current folder is gone or can't be read ({error.strerror}): cd to another") from error


cli.add_command(bench)
cli.add_command(completion)
cli.add_command(compress)
cli.add_command(doctor)
cli.add_command(export)
cli.add_command(inspect)
cli.add_command(selftest)
cli.add_command(validate)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit with its code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with warnings.catch_warnings(), distributed.undisturbed_end(), orderly_end():
            warnings.showwarning = _show_once()
            code = cli.main(args=given, prog_name="cct", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = 2
    except SystemExit as done:
        completed = os.environ.get("_CCT_COMPLETE") and not done.code  # then click answers a shell, no command runs
        code = 0 if completed else 2
        if not _by_click(done):
            _say(f"Error: code that is not cct's called {first_line(done)}: take that out")
    except (click.Abort, KeyboardInterrupt):
        _say("Interrupted")
        code = 130
    except Ended as ended:
        _say(f"Error: ended by {ended}")
        code = 2
    except Exception as error:
        trace = f"{traceback.format_exc()}\n" if "--debug" in given else ""
        _say(f"{trace}Error: {_line(error)}")
        code = 2
    distributed.leave(code if isinstance(code, int) else 0)


def _say(text: str) -> None:
    """Say why the run ends; of several processes, one does."""
    if distributed.reports_the_error():
        with suppress(OSError):  # the terminal may be gone, its disk full: the code says it all the same
            click.echo(text, err=True)


def _by_click(done: SystemExit) -> bool:
    """Whether click itself exits: after a completion, or when whoever reads our output has gone."""
    *_, (frame, _) = traceback.walk_tb(done.__traceback__)
    return str(frame.f_globals["__name__"]).partition(".")[0] == "click"


def _show_once() -> Callable[..., None]:
    """For `warnings.showwarning`: a warning in one line, as errors are, however many places it comes from."""
    shown = set()

    def show(warning: Warning | str, *_: Any, **__: Any) -> None:
        line = message(" ".join(str(warning).split()))
        if line not in shown and distributed.is_main():
            click.echo(f"Warning: {line}", err=True)
        shown.add(line)

    return show


def _line(error: Exception) -> str:
    """One line: what is wrong, where, what to do."""
    if isinstance(error, click.UsageError):
        command = error.ctx.command_path if error.ctx else "cct"
        return message(f"{' '.join(error.format_message().split())} (see {command} --help)")
    if isinstance(error, click.ClickException):
        return message(" ".join(error.format_message().split()))
    if isinstance(error, CctError):
        return message(str(error))
    # torch has no class of its own for memory of the CPU
    if isinstance(error, MemoryError) or "DefaultCPUAllocator: can't allocate memory" in str(error):
        return "out of memory: smaller images (--size) or, in training, a smaller --batch-size need less"
    if isinstance(error, ImportError) and "failed to map segment" in str(error):
        return f"out of memory: {first_line(error)}; is its limit (ulimit -v) too low?"
    if isinstance(error, OSError) and error.errno in _FULL:
        return f"{printable(error.filename or 'what was to be written')} has no place ({error.strerror}): make room"
    if isinstance(error, OSError) and error.errno in _NOT_OURS:
        return f"{printable(error.filename or 'a file')} can't be read or written ({error.strerror}): mend that first"
    if isinstance(error, FileNotFoundError) and "usable temporary directory" in str(error):
        return "there is no folder for temporary files that can be written to: set TMPDIR to one"
    if distributed.count() > 1 and ("closed by peer" in str(error) or "reset by peer" in str(error)):
        return "another process of this run has ended without a word: was it killed, or out of memory?"
    return (
        f"{type(error).__name__}: {first_line(error)} (a bug in cct; `cct --debug ...` shows where: please report it)"
    )
