"""The same extraction as an Apache Beam pipeline, on many machines.

Workers make the parts that are missing and write them to the corpus folder,
which all machines must therefore see; the machine that started the pipeline
joins them. The files are those of the plain way, and so is going on after a
kill. Needs the extra `beam`.
"""

from collections.abc import Callable, Sequence

from empathy import pipelines
from empathy.encoders import extraction, extractors

# What a worker calls once, to have what it extracts with.
Setup = Callable[[], tuple[extraction.Plan, extractors.Extractor]]


def extract(undone: Sequence[int], setup: Setup, options: list[str]) -> None:
  """Makes parts; see `extraction.extract`.

  Args:
    undone: the numbers of the parts to make.
    setup: makes the plan and the extractor; it is sent to the workers.
    options: Beam's own flags, such as `--runner=FlinkRunner`; the direct runner
      is the default.

  Raises:
    InputError: the extra is missing, or the flags name no runner.
  """
  beam, pipeline = pipelines.load(), pipelines.start(options)

  class MakeParts(beam.DoFn):
    """Makes the part of a number."""

    def __init__(self, setup: Setup):
      self._make = setup

    def setup(self) -> None:
      self._plan, self._extractor = self._make()

    def process(self, number: int) -> None:
      extraction.extract_part(self._plan, number, self._extractor)

  _ = (
    pipeline
    | 'Parts' >> beam.Create(list(undone))
    # Else one worker would get all of them.
    | 'Share' >> beam.Reshuffle()
    | 'Extract' >> beam.ParDo(MakeParts(setup))
  )
  pipeline.run().wait_until_finish()
