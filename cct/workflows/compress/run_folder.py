"""`open_run`: the processes of a run, and the folder where it keeps what is not finished."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from cct import distributed
from cct.atomic_files import check_output, check_target, temporary_folder
from cct.training.progress import print_line
from cct.training.resume_state import StateFile
from cct.workflows.compress.request import Request
from cct.workflows.compress.working_folder import STATE, working_folder

CHOICE = "choice.json"  # of layers by measured speed, which another measurement could change
BLOCKS = "blocks.json"  # of blocks, likewise


@dataclass(frozen=True)
class Run:
    """A run that has begun.

    Attributes:
        folder: for what is not finished.
        interrupted: whether it goes on from the state of an earlier one.
    """

    folder: Path
    interrupted: bool

    def open_state(self, identity: dict[str, str]) -> StateFile:
        """Where the training is saved, and goes on from.

        Raises:
            StateError: it is of another run.
        """
        return StateFile(self.folder / STATE, identity)


@contextmanager
def open_run(request: Request, device: torch.device) -> Iterator[Run]:
    """Meet the other processes, and take the folder once it is known that the outputs can be written.

    Raises:
        CctError: they can't, or another run works there.
    """
    with ExitStack() as stack:
        stack.enter_context(distributed.together(device))
        folder = distributed.on_main(lambda: stack.enter_context(_folder(request)))
        interrupted = (folder / STATE).exists()
        if request.resume and not request.dry_run and not interrupted:
            print_line(f"there is no interrupted run of {request.output}: starting from the beginning")
        yield Run(folder, interrupted)


@contextmanager
def _folder(request: Request) -> Iterator[Path]:
    outputs, read = request.outputs, request.inputs
    if outputs:
        check_output(request.output, read, (outputs.checkpoint, outputs.report))
    if request.save_recipe:
        kept = [*read, *(outputs.files() if outputs else ())]
        check_target(request.save_recipe, f"--save-recipe {request.save_recipe}", kept)
    with working_folder(request.output, request.resume) if outputs else temporary_folder() as folder:
        yield folder
