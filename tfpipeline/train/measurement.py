"""A training, measured: for its page and its predictions."""

from tfpipeline.models.inference import Predictor
from tfpipeline.report.diagnosis import Measured
from tfpipeline.train.stages import Course

# Bytes of the training images' logits, at most: what is made of them takes some times
# as much, and a training is not to end for want of memory when all has been learned.
MOST_LOGITS = 2**31


def answer_training(course: Course) -> None:
    """Ask for the logits of the training images too, where that costs no time.

    Their features are on disk where the backbone is frozen; otherwise each image would
    go through the whole network once more. Many images of many classes are left out as
    well. Every worker has to call it.

    Args:
        course: The training, measured.
    """
    task, chosen = course.task, course.work.examples.of("train")
    if task is None or task.fingerprint is None:
        return
    if 4 * len(chosen) * len(course.work.examples.source.labels) > MOST_LOGITS:
        return
    predictor = Predictor(task.inference, course.work.strategy, shared=True)
    batches = task.inputs.batches(chosen)
    course.logits["train"] = predictor.all(batches, len(chosen), None)


def of_course(course: Course) -> Measured:
    """Return what a training came to.

    Args:
        course: The training, measured.
    """
    work = course.work
    resize = work.settings.data.resize
    return Measured(
        work.model, work.examples, course.logits, course.calibration, resize
    )
