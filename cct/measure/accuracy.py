"""`accuracy`: of a session on the validation images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cct.errors import CctError, DataError
from cct.measure.run_session import not_finite, run

if TYPE_CHECKING:
    from cct.data import Data


@dataclass(frozen=True)
class Accuracy:
    """What a model makes of the validation images.

    Attributes:
        percent: of the images whose class is found; an answer that is not finite finds none.
        not_finite: images whose answer holds NaN or infinity.
        images: that were looked at.
    """

    percent: float
    not_finite: int
    images: int


def accuracy(opened: Any, data: Data, batch_size: int = 128) -> Accuracy:
    """Run all validation images through a session, whose first output is one logit a class.

    Raises:
        CctError: the model answers something else, or the images tell nothing.
    """
    check_split(data)
    right = unusable = total = 0
    for images, labels in data.batches("val", batch_size):
        outputs = run(opened, images.numpy())
        logits = outputs[0]
        if logits.shape != (len(images), len(data.classes)):
            raise CctError(f"the model answers {logits.shape[1:]}; {data.name} has {len(data.classes)} classes")
        bad = not_finite(outputs)
        right += int(((logits.argmax(1) == labels.numpy()) & ~bad).sum())
        unusable += int(bad.sum())
        total += len(labels)
    return Accuracy(100 * right / total, unusable, total)


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
