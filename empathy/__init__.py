"""Models of multimodal empathy, and what their disagreement tells."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
  from empathy.evaluation.study import Study

__version__ = '0.1.0'


def judge(predictions: Any, clips: Any, votes: Any = None, **more) -> 'Study':
  """Judges predictions by labels and votes: the study, as a notebook shows it.

    study = empathy.judge(predictions, clips, votes)
    study.save('study')

  Args:
    predictions: a frame of pandas or polars, a table of Arrow, a dictionary of
      lists, the path of a file; or None for the humans alone.
    clips: a table likewise, or the path of a corpus folder.
    votes: a table likewise, or None.
    **more: see `empathy.evaluation.judging.judge`, which says all of it.

  Returns:
    The study.

  Raises:
    InputError: something is missing or wrong.
  """
  # So that what needs only the version loads nothing.
  from empathy.evaluation import judging

  return judging.judge(predictions, clips, votes, **more)
