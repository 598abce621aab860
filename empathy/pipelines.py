"""Pipelines of Apache Beam, which is an extra and does not have to be there."""

import logging
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from empathy import errors


def load() -> ModuleType:
  """Beam.

  Raises:
    InputError: the extra is missing.
  """
  try:
    import apache_beam
    import apache_beam.options.pipeline_options
  except ImportError:
    raise errors.InputError(
      '--beam: apache-beam is missing; install the extra: '
      "pip install 'empathy[beam]'"
    ) from None
  return apache_beam


def start(options: Sequence[str]) -> Any:
  """An empty pipeline.

  Args:
    options: Beam's own flags, such as `--runner=FlinkRunner`; the direct runner
      is the default.

  Raises:
    InputError: the extra is missing, or the flags name no runner.
  """
  beam = load()
  # The direct runner's own talk of how it works is of no use here.
  logging.getLogger('apache_beam').setLevel(logging.WARNING)
  try:
    return beam.Pipeline(
      options=beam.options.pipeline_options.PipelineOptions(
        list(options), save_main_session=False
      )
    )
  except ValueError as error:
    raise errors.InputError(f'--beam: {error}') from None
