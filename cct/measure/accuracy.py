"""`accuracy`: of a session on the validation images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cct.errors import CctError, DataError
from cct.measure.run_session import Floats, not_finite, run

if TYPE_CHECKING:
    from cct.data.split import Data

BATCH = 128  # images at once: far more than parity and speed look at


@dataclass(frozen=True)
class Accuracy:
    """What a model makes of the validation images.

    Attributes:
        percent: of the images whose class is found; an answer that is not finite finds none.
        not_finite: images whose answer holds NaN or infinity.
        images: that were looked at.
        answers: to the images that were to be kept, all outputs, (n, ...) each.
    """

    percent: float
    not_finite: int
    images: int
    answers: Sequence[Floats]


def accuracy(opened: Any, data: Data, kept: Sequence[int] = (), batch_size: int = BATCH) -> Accuracy:
    """Run all validation images through a session, whose first output is one logit a class.

    Args:
        opened: the session.
        data: the images.
        kept: positions of images whose answers are kept, ascending.
        batch_size: images at once.

    Raises:
        CctError: the model answers something else, or the images tell nothing.
    """
    check_split(data)
    right = unusable = total = 0
    answers: list[list[Floats]] = []
    positions = np.asarray(kept, np.int64)
    for images, labels in data.batches("val", batch_size):
        outputs = run(opened, images.numpy())
        logits = outputs[0]
        if logits.shape != (len(images), len(data.classes)):
            raise CctError(f"the model answers {logits.shape[1:]}; {data.name} has {len(data.classes)} classes")
        bad = not_finite(outputs)
        here = positions[(positions >= total) & (positions < total + len(labels))] - total
        answers.append([output[here] for output in outputs])
        right += int(((logits.argmax(1) == labels.numpy()) & ~bad).sum())
        unusable += int(bad.sum())
        total += len(labels)
    whole = [np.concatenate(parts) for parts in zip(*answers, strict=True)]
    return Accuracy(100 * right / total, unusable, total, whole)


def check_split(data: Data) -> None:
    """Make sure that accuracy can tell something.

    Raises:
        DataError: there are no validation images, or all are of one class, which a constant answer gets right.
    """
    labels = data.val.labels
    if not len(labels):
        raise DataError(f"{data.name} has no validation images: there is nothing to measure accuracy on")
    if (labels == labels[0]).all():
        raise DataError(f"all validation images of {data.name} are of one class, which a constant answer gets right")
