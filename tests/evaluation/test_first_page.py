"""What the first page says of ambiguity, with and without enough seeds."""

import dataclasses

from test_report import full_study, with_estimate

from empathy.evaluation.findings import Estimate
from empathy.evaluation.sections import ambiguity

_BEYOND = 'ambiguity.any_disagreement.beyond_seeds'


def _figure(value, half=0.01):
  return Estimate(value, value - half, value + half, 0.95, 0.01, 0.02, 500, '')


def test_both_figures_are_told_and_each_view_by_itself():
  study = with_estimate(full_study(), _BEYOND, _figure(0.05))
  name = 'ambiguity.any_disagreement.adjusted'
  study = with_estimate(study, name, _figure(0.15))
  for view, value in (('text', 0.002), ('audio', -0.003)):
    study = with_estimate(
      study, f'ambiguity.{view}_disagreement.beyond_seeds', _figure(value)
    )
  told = ambiguity.section(study).answer[0]
  assert 'annotators differ 15.0 points' in told
  assert 'tells 5.0 points' in told
  assert 'No single view by itself is shown to tell more' in told
  assert 'text +0.2 points' in told
  assert 'audio −0.3 points' in told
  study = with_estimate(
    study, 'ambiguity.text_disagreement.beyond_seeds', _figure(0.04)
  )
  told = ambiguity.section(study).answer[0]
  assert 'By itself, a view tells more than one other seed does: text' in told
  assert 'audio' not in told


def test_too_few_seeds_are_told_beside_the_adjusted_difference():
  study = full_study()
  why = 'It takes 4 seeds of it, and it has 3: train 1 more.'
  study = dataclasses.replace(
    study,
    statistics={k: e for k, e in study.statistics.items() if k != _BEYOND},
    primaries={q: n for q, n in study.primaries.items() if q != 3},
    skipped={_BEYOND: why},
  )
  section = ambiguity.section(study)
  assert 'Among clips that the full view labels alike' in section.answer[0]
  assert f'other seeds tell is not known. {why}' in section.answer[0]
  assert section.primary is None
  # The reason is told once.
  assert why not in section.details
