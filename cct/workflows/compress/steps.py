"""`compress`: the only list of the steps from a checkpoint to a checked ONNX file."""

from __future__ import annotations

from cct.atomic_files import place, write
from cct.checkpoint.own_format import save_checkpoint
from cct.distributed import on_main
from cct.report.compress_report import CompressReport
from cct.training.device import find_device
from cct.training.fine_tune import total_steps
from cct.workflows.compress.choose_recipe import Plan, choose_recipe
from cct.workflows.compress.export_files import Files, export_files
from cct.workflows.compress.judge import judge
from cct.workflows.compress.read_inputs import Inputs, check_trainable, measure_baseline, read_inputs
from cct.workflows.compress.request import Request
from cct.workflows.compress.run_folder import Run, open_run
from cct.workflows.compress.train_network import TrainingResult, train_network


def compress(request: Request) -> CompressReport:
    """Prune the model by patterns while it is fine-tuned, export it, check and measure the file, write all of it.

    Of several processes all read and train; the main one does the rest while the others wait, and all return its
    report.

    Raises:
        CctError: the input can't be used; nothing is written. A goal that is not reached is no error: see
            `CompressReport.failed`.
    """
    device = find_device(request.device)
    with open_run(request, device) as run:
        inputs = read_inputs(request, device)
        total_steps(inputs.images, request.training_recipe(request.recipe))  # whether the images can be shared
        state = on_main(lambda: run.open_state(inputs.identity))
        baseline = on_main(lambda: measure_baseline(request, inputs))
        check_trainable(request, inputs)
        plan = on_main(lambda: _choose_plan(request, inputs, run))
        training_result = train_network(inputs, plan, state)
        return on_main(lambda: _finish(request, inputs, baseline, plan, training_result, run))


def _choose_plan(request: Request, inputs: Inputs, run: Run) -> Plan:
    plan = choose_recipe(request, inputs, run)
    if request.save_recipe:
        write(request.save_recipe, plan.recipe.to_toml().encode())
    return plan


def _finish(
    request: Request, inputs: Inputs, baseline: float, plan: Plan, training_result: TrainingResult, run: Run
) -> CompressReport:
    files = export_files(inputs, plan, run.folder)
    report = judge(request, inputs, baseline, plan, training_result, files)
    _write(request, inputs, plan, files, report, run)
    return report


def _write(request: Request, inputs: Inputs, plan: Plan, files: Files, report: CompressReport, run: Run) -> None:
    """All files at once, or none; none in a dry run."""
    if outputs := request.outputs:
        model = inputs.model
        save_checkpoint(files.packed.checkpoint, model.module, model.arch, model.arch_args, plan.recipe, inputs.images)
        write(files.packed.report, report.to_json().encode())
        place(dict(zip(files.packed.files(), outputs.files(), strict=True)), backups=run.folder)
