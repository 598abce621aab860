"""A figure is what its entry says; and what the page tells of adding one."""

import dataclasses
import json
import pathlib
import re

import made
import numpy as np
import pytest

from empathy.evaluation import (
  asked,
  catalogue,
  disagreement,
  patterns,
  report,
  resampling,
  samples,
  weighing,
)
from empathy.evaluation import study as study_lib
from empathy.evaluation.findings import Findings, SeedNoise
from empathy.evaluation.sections import disagreement as section_lib
from empathy.evaluation.sections import parts
from empathy.evaluation.units import Scale

_PAGE = pathlib.Path(__file__).parents[2] / 'empathy/evaluation/README.md'


def _groups(values):
  sample = samples.sample(np.arange(len(values)))
  columns = np.stack([values, np.ones(len(values))], axis=1)
  return sample, weighing.mean(sample.totals(columns))


@pytest.mark.parametrize(
  ('name', 'scale', 'null', 'one_sided'),
  [
    ('views.audio.accuracy', Scale.LOGIT, False, False),
    ('ambiguity.audio_jsd.auroc_contested', Scale.LOGIT, True, False),
    ('diagnosis.any_disagreement.adjusted', Scale.DIFFERENCE, True, True),
    ('ambiguity.control.noise.adjusted', Scale.DIFFERENCE, False, False),
    ('views.audio.human_manhattan', Scale.LOG, False, False),
  ],
)
def test_a_figure_is_as_its_entry_says(name, scale, null, one_sided):
  groups, mean = _groups(np.random.default_rng(0).random(40))
  seeds, found = SeedNoise(1e-3, 4.0, 5), Findings()
  asked.add(found, name, groups, mean, seeds=seeds, n=7)
  assert found.statistics[name] == resampling.estimate(
    groups,
    mean,
    scale,
    seeds,
    null,
    7,
    alternative='greater' if one_sided else 'two-sided',
  )
  assert (found.statistics[name].p is not None) == null


def test_an_undefined_figure_is_skipped_for_its_entrys_reason():
  groups, mean = _groups(np.random.default_rng(0).random(40))
  nowhere = dataclasses.replace(mean, statistic=lambda w: (w[:, 0] * np.nan, w))
  found = Findings()
  for name in ('humans.audio_vs_full.rate', 'views.audio.accuracy'):
    asked.add(found, name, groups, nowhere)
  assert found.skipped == {
    'humans.audio_vs_full.rate': 'The pluralities differ on no clip, or on '
    'every one.',
    'views.audio.accuracy': 'The figure is undefined for these data.',
  }
  assert not found.statistics


@pytest.fixture(name='own')
def _own(monkeypatch):
  """The statistic of the page, put where the page says, in its words."""
  (program,) = re.findall(
    r'^```python\n(# my_statistic\.py.*?)^corpus = ',
    _PAGE.read_text(encoding='utf-8'),
    re.MULTILINE | re.DOTALL,
  )
  own = {}
  exec(program, own)
  # With a null, to have a p-value.
  entry = dataclasses.replace(own['ENTRY'], null=0.5)
  entries = (*catalogue.ENTRIES, entry)
  every = patterns.compiled((*entries, *catalogue.TOPICS))
  monkeypatch.setattr(catalogue, 'ENTRIES', entries)
  monkeypatch.setattr(catalogue, '_PATTERNS', every)
  monkeypatch.setattr(
    catalogue, '_BY_PATTERN', {one.pattern: one for one in entries}
  )
  catalogue.find.cache_clear()
  tally, answer = disagreement.tally, disagreement.answer

  def more_tally(batch, plan, adder):
    tally(batch, plan, adder)
    own['tally'](batch, plan, adder)

  def more_answer(totals, plan):
    found = answer(totals, plan)
    part = totals.over(totals[own['KEY']][:, 1])
    asked.add(found, entry.pattern, part.groups, own['figure'](part))
    return found

  monkeypatch.setattr(disagreement, 'tally', more_tally)
  monkeypatch.setattr(disagreement, 'answer', more_answer)
  table, columns = section_lib._TABLES['views']
  columns = (*columns, *parts.plain('disagreement', 'outvoted'))
  monkeypatch.setitem(section_lib._TABLES, 'views', (table, columns))
  yield entry
  catalogue.find.cache_clear()


def test_a_statistic_of_ones_own_is_in_the_study_and_the_report(own, tmp_path):
  corpus, predictions = made.study_input(200, 10)
  study = study_lib.build(corpus, predictions)
  study_lib.write(study, tmp_path / 'study', report.render(study))
  written = json.loads((tmp_path / 'study' / 'study.json').read_text())
  found = written['statistics'][own.pattern]
  label = {
    view: p.mean(axis=0).argmax(axis=-1)
    for view, p in predictions.probabilities.items()
  }
  full = label['text+audio']
  outvoted = (label['text'] != full) & (label['audio'] != full)
  assert found['estimate'] == pytest.approx(outvoted.mean())
  assert 0 < found['low'] < found['estimate'] < found['high'] < 1
  assert 'logit scale' in found['method']
  # It is a family of its own.
  assert found['p'] == found['p_adjusted'] < 1
  page = (tmp_path / 'study' / 'report.html').read_text()
  (table,) = re.findall(
    r'<table(?:(?!<table).)*?outvoted.*?</table>', page, re.DOTALL
  )
  assert f'{100 * outvoted.mean():.1f}' in table
  assert re.search(r'Outvoted.{0,40}Two views or more differ', page, re.DOTALL)


def test_without_its_entry_it_is_refused():
  groups, mean = _groups(np.random.default_rng(0).random(40))
  with pytest.raises(LookupError, match='outvoted'):
    asked.add(Findings(), 'disagreement.outvoted', groups, mean)
