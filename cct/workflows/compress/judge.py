"""`judge`: the figures of the exported file, held against the goals."""

from __future__ import annotations

from dataclasses import asdict

from cct.gate.goals import Goal, failures
from cct.measure.accuracy import accuracy
from cct.measure.images import batches_at, image_at, parity_count, spread_images
from cct.measure.parity import check_parity, parity
from cct.measure.proof import proof
from cct.measure.speed import TIMED_IMAGES, measure_speed
from cct.operator.types import choose_types
from cct.regular_file import file_digest
from cct.report.compress_report import CompressReport
from cct.report.figures import finite_failure, measures
from cct.runtime.machine import machine
from cct.runtime.session import PROVIDERS, session
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
    labels = images.val.labels.numpy()
    seed = int.from_bytes(file_digest(packed)[:6], "little")
    chosen = spread_images(labels, parity_count(labels, None), seed)
    timed_images = image_at(images, chosen[:TIMED_IMAGES])
    found = accuracy(session(packed), images, chosen)
    errors = parity(packed, batches_at(images, chosen, seed), model.module, seen=found.answers)
    if not found.not_finite:  # else that is what fails
        check_parity(errors, choose_types(recipe.weights, recipe.activations))
    outputs = request.outputs
    report = CompressReport(
        source={
            "file": request.model.path.name,
            "sha256": model.sha256,
            "arch": request.model.arch or model.arch or "",
            **({"teacher": inputs.teacher.sha256} if inputs.teacher else {}),
        },
        data={"name": images.name, "train": len(images.train), "val": len(images.val)},
        recipe=asdict(recipe),
        accuracy={"baseline": baseline, "compressed": found.percent},
        layers=list(files.layers),
        prunable=training_result.prunable,
        not_finite=found.not_finite,
        parity=errors,
        parity_images=len(chosen),
        provider=PROVIDERS["cpu"],
        proven=proof(packed, timed_images),
        bytes={"dense": files.dense.stat().st_size, "packed": packed.stat().st_size},
        speed=measure_speed({"dense": (files.dense, timed_images), "packed": (packed, timed_images)}).speed,
        machine=machine(),
        seconds=training_result.seconds,
        dry_run=request.dry_run,
        outputs=list(map(str, outputs.files())) if outputs else [],
        block_auto=plan.block_auto,
        keep_faster=plan.keep_faster,
    )
    goals = [Goal.parse(text) for text in recipe.goals]
    judged = [goal for goal in goals if plan.training == recipe or goal.metric != "accuracy"]
    figures = measures(report.accuracy, errors, report.bytes, report.speed)
    report.failed = [*finite_failure(found.not_finite, found.images), *failures(judged, figures)]
    report.unknown = [str(goal) for goal in goals if goal not in judged]
    return report
