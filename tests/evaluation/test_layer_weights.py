"""Which layers counted: what a table says of members, and what is shown."""

import dataclasses
import xml.etree.ElementTree

import made
import numpy as np
import pyarrow as pa
import pytest
import written

from empathy import errors
from empathy.evaluation import layers, reading
from empathy.evaluation import plan as plan_lib
from empathy.evaluation import survey as survey_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.sections import views
from empathy.evaluation.study import Study

# By view, seed and fold, of three layers of audio.
_WEIGHTS = {
  ('audio', 0, 0): (0.2, 0.3, 0.5),
  ('audio', 0, 1): (0.4, 0.3, 0.3),
  ('audio', 1, 0): (0.3, 0.6, 0.1),
  ('audio', 1, 1): (0.1, 0.2, 0.7),
  ('text+audio', 0, 0): (0.25, 0.25, 0.5),
}


def _written(num_folds=2, num_layers=3):
  """A corpus, and its table with layers of audio; some members say nothing."""
  corpus, predictions = made.study_input(20, 5, 2)
  folds = np.arange(20) % num_folds
  predictions = made.predictions(predictions.probabilities, folds)
  table = made.table(corpus, predictions)
  keys = [table[name].to_pylist() for name in ('view', 'seed', 'fold')]
  weights = np.array(
    [_WEIGHTS.get(key, (0, 0, 0)) for key in zip(*keys, strict=True)]
  )
  weights[3 + np.flatnonzero(weights.any(axis=1))[0]] = 0  # It has no audio.
  for layer in range(num_layers):
    name = f'layer_audio_{layer}'
    table = table.append_column(name, pa.array(weights[:, layer % 3]))
  return corpus, table


def _rows(plan):
  return layers.answer(None, plan).tables.get('layers', [])


@pytest.mark.parametrize('name', ['p.parquet', 'p.csv'])
def test_a_layer_has_the_mean_over_members_and_their_range(name, tmp_path):
  corpus, table = _written()
  predictions = reading.read(written.write(table, tmp_path / name), corpus)
  rows = _rows(plan_lib.of_batch(Batch(corpus, predictions)))
  found = [tuple(row.values()) for row in rows]
  assert [tuple(row) for row in rows[:1]] == [
    ('view', 'modality', 'layer', 'weight', 'least', 'most', 'num_members')
  ]
  expected = [
    ('audio', 'audio', 0, 0.25, 0.1, 0.4, 4),
    ('audio', 'audio', 1, 0.35, 0.2, 0.6, 4),
    ('audio', 'audio', 2, 0.4, 0.1, 0.7, 4),
    ('text+audio', 'audio', 0, 0.25, 0.25, 0.25, 1),
    ('text+audio', 'audio', 1, 0.25, 0.25, 0.25, 1),
    ('text+audio', 'audio', 2, 0.5, 0.5, 0.5, 1),
  ]
  assert [one[:3] for one in found] == [one[:3] for one in expected]
  for one, other in zip(found, expected, strict=True):
    assert one[3:] == pytest.approx(other[3:])


def test_parts_of_a_study_add_up():
  corpus, table = _written(3)
  predictions = reading.of_table(None, table, corpus)
  whole = plan_lib.of_batch(Batch(corpus, predictions))
  chosen = np.arange(20) % 3 == 0  # All of one fold, and none of the others.
  parts = []
  for own in (chosen, ~chosen):
    some, said = made.part(corpus, predictions, own)
    said = dataclasses.replace(
      said,
      layers={
        view: {m: x[:, own] for m, x in by_modality.items()}
        for view, by_modality in predictions.layers.items()
      },
    )
    parts.append(survey_lib.of_batch(Batch(some, said)))
  found = _rows(plan_lib.draw_up(parts[0] + parts[1]))
  assert len(found) == 6
  for one, other in zip(found, _rows(whole), strict=True):
    assert one == pytest.approx(other)


def test_what_says_nothing_of_layers_has_no_table():
  corpus, table = _written(num_layers=0)
  predictions = reading.of_table(None, table, corpus)
  assert predictions.layers == {}
  assert not _rows(plan_lib.of_batch(Batch(corpus, predictions)))


@pytest.mark.parametrize(
  ('names', 'says'),
  [
    (
      ('layer_audio_0', 'layer_audio_2'),
      "columns 'layer_audio_0' to 'layer_audio_2': expected one of each layer",
    ),
    (('layer_smell_0',), "'layer_smell_0': 'smell' is no modality of the corp"),
    # Anybody's column of that kind of name is ignored.
    (('layer_audio', 'layer_norm', 'layer_text_x'), ''),
  ],
)
def test_columns_of_layers_are_numbered(names, says, tmp_path):
  corpus, table = _written(num_layers=0)
  for name in names:
    table = table.append_column(name, table['prob_class0'])
  if not says:
    assert reading.of_table(tmp_path / 'p', table, corpus).layers == {}
    return
  with pytest.raises(errors.InputError) as error:
    reading.of_table(tmp_path / 'p', table, corpus)
  assert says in str(error.value)


def _study(rows):
  return Study(
    info={'full_view': 'text+audio', 'views': ['audio', 'text+audio']},
    statistics={},
    skipped={},
    primaries={},
    tables={'layers': rows},
    curves={},
    signals={},
  )


def test_the_figure_and_the_words_say_it():
  corpus, table = _written()
  predictions = reading.of_table(None, table, corpus)
  study = _study(_rows(plan_lib.of_batch(Batch(corpus, predictions))))
  assert views.layers.told(study, 'text+audio') == (
    'Of audio’s 3 layers, number 2 counts most in the full view: 50.0 % of the '
    'mix, 50.0 % to 50.0 % in 1 member; alike, each would have 33.3 %.',
  )
  (panel,) = views.layers.figure(study, 'text+audio').panels
  root = xml.etree.ElementTree.fromstring(panel)
  label = root.get('aria-label')
  assert 'audio: 0 25 %, 1 35 %, 2 40 %; text+audio: 0 25 %' in label
  dots = [float(e.get('cy')[:-1]) for e in root.iter('circle')]
  # The axis ends a little above the highest of all members, at 75.6 %.
  weights = [0.25, 0.35, 0.4, 0.25, 0.25, 0.5]
  assert dots == pytest.approx(
    [100 * (1 - one / (1.08 * 0.7)) for one in weights], abs=0.01
  )
  assert views.layers.figure(_study([]), 'text+audio') is None
  assert views.layers.told(_study([]), 'text+audio') == ()
