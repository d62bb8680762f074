"""`judge`: the figures of the exported file, held against the goals."""

from __future__ import annotations

from dataclasses import asdict

from cct.gate.goals import Goal, failures
from cct.gate.metrics import METRICS
from cct.measure.measure_model import measure_model
from cct.measure.parity import check_parity
from cct.operator.types import choose_types
from cct.regular_file import file_digest
from cct.report.compress_report import CompressReport
from cct.report.figures import finite_failure
from cct.runtime.machine import machine
from cct.runtime.session import session
from cct.workflows.compress.choose_recipe import Plan
from cct.workflows.compress.export_files import Files
from cct.workflows.compress.read_inputs import Inputs
from cct.workflows.compress.request import Request
from cct.workflows.compress.train_network import TrainingResult


def judge(
    request: Request, inputs: Inputs, baseline: float, plan: Plan, training_result: TrainingResult, files: Files
) -> CompressReport:
    """Measure the packed file, and say which goals it does not reach.

    Args:
        request, inputs, plan, training_result, files: what the other steps made.
        baseline: accuracy of the unpruned network, percent.

    Raises:
        CctError: the file does not answer as the network does, or the library did not run it.
    """
    model, images, recipe, packed = inputs.model, inputs.images, plan.recipe, files.packed.onnx
    types = choose_types(recipe.weights, recipe.activations)
    measured = measure_model(
        packed,
        session(packed),
        images,
        int.from_bytes(file_digest(packed)[:6], "little"),
        sizes={"dense": files.dense.stat().st_size, "packed": packed.stat().st_size},
        baseline=baseline,
        dense=(files.dense, images),
        module=model.module,
        check=lambda errors: check_parity(errors, types),
    )
    outputs = request.outputs
    report = CompressReport(
        **vars(measured.figures),
        source={
            "file": request.model.path.name,
            "sha256": model.sha256,
            "arch": request.model.arch or model.arch or "",
            **({"teacher": inputs.teacher.sha256} if inputs.teacher else {}),
        },
        data={"name": images.name, "train": len(images.train), "val": len(images.val)},
        recipe=asdict(recipe),
        layers=list(files.layers),
        prunable=training_result.prunable,
        machine=machine(),
        seconds=training_result.seconds,
        dry_run=request.dry_run,
        outputs=list(map(str, outputs.files())) if outputs else [],
        block_auto=plan.block_auto,
        keep_faster=plan.keep_faster,
    )
    goals = [Goal.parse(text) for text in recipe.goals]
    known = [goal for goal in goals if plan.training == recipe or not METRICS[goal.metric].needs_training]
    report.failed = [*finite_failure(report.not_finite, measured.images), *failures(known, report.measures())]
    report.unknown = [str(goal) for goal in goals if goal not in known]
    return report
