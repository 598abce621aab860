"""Tables in memory are judged as files are, and the study shows itself."""

import dataclasses
import html
import json
import re
import subprocess
import sys

import made
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import empathy
from empathy import errors
from empathy.corpora import corpus as corpus_lib


class Foreign:
  """A frame of a library that nobody here knows, as polars' are."""

  def __init__(self, table):
    self._table = table

  def __arrow_c_stream__(self, requested_schema=None):
    return self._table.__arrow_c_stream__(requested_schema)


def _tables():
  corpus, predictions = made.study_input(60, 8, 2)
  # Each clip a group of its own, whose figures need no draws.
  corpus = made.with_annotators(dataclasses.replace(corpus, groups=corpus.ids))
  votes = corpus.votes
  names = np.array(corpus.classes)
  return corpus, {
    'predictions': made.table(corpus, predictions),
    'clips': pa.table(
      {
        'id': corpus.ids,
        'group': corpus.groups,
        'label': names[corpus.labels],
      }
    ),
    'votes': pa.table(
      {
        'id': corpus.ids[votes.clip],
        'condition': np.array(corpus.conditions)[votes.condition],
        'annotator': votes.annotator,
        'label': names[votes.label],
      }
    ),
  }


@pytest.fixture(scope='module', name='given')
def _given():
  return _tables()


@pytest.fixture(scope='module', name='study')
def _study(given):
  return empathy.judge(**given[1])


def _figures(study):
  return {name: one.figures() for name, one in study.statistics.items()}


def test_a_folder_of_the_same_is_judged_alike(given, study, tmp_path):
  corpus, tables = given
  corpus_lib.write(corpus, tmp_path / 'corpus')
  pq.write_table(tables['predictions'], tmp_path / 'p.parquet')
  found = empathy.judge(tmp_path / 'p.parquet', tmp_path / 'corpus')
  assert _figures(found) == _figures(study)
  assert found.info['classes'] == study.info['classes']
  assert found.info['content'] == study.info['content']
  humans = empathy.judge(None, tmp_path / 'corpus')
  read = corpus_lib.read(tmp_path / 'corpus')
  assert _figures(empathy.judge(None, read)) == _figures(humans)
  with pytest.raises(errors.InputError, match='has its own votes'):
    empathy.judge(None, read, tables['votes'])


@pytest.mark.parametrize(
  'kind',
  [
    lambda table: table.to_pandas(),
    lambda table: table.to_pandas().set_index('id'),
    lambda table: table.to_pandas().astype(
      {name: 'category' for name in ('id',)}
    ),
    Foreign,
    lambda table: table.to_pydict(),
    lambda table: table.to_pylist(),
  ],
  ids=['pandas', 'index', 'category', 'capsule', 'lists', 'rows'],
)
def test_frames_of_any_library_are_read(given, kind):
  # The humans alone are quick.
  tables = {name: kind(given[1][name]) for name in ('clips', 'votes')}
  found = empathy.judge(None, **tables)
  assert found.info['conditions'] == ['text', 'text+audio']
  expected = empathy.judge(None, given[1]['clips'], given[1]['votes'])
  assert _figures(found) == _figures(expected)


def test_ids_that_are_numbers_are_as_they_are_written():
  clips = pd.DataFrame(
    {'id': range(12), 'group': np.arange(12) // 2, 'label': [0, 1] * 6}
  )
  # A column that once had a gap.
  judge = pd.DataFrame({'id': np.arange(12.0), 'label': [0.0, 1.0] * 6})
  about = {'modalities': ['text']}
  found = empathy.judge(judge, clips, about=about)
  assert found.statistics['views.text.accuracy'].estimate == 1
  assert found.info['classes'] == ['0', '1']
  clips['id'] = [f'{i:03}' for i in range(12)]
  with pytest.raises(errors.InputError, match='were ids read as numbers'):
    empathy.judge(judge, clips, about=about)


def test_classes_are_in_their_order():
  clips = {
    'id': list('abcdef'),
    'group': list('uvwxyz'),
    'label': ['10', '9', ' 9', None, '10', '-1'],
  }
  votes = {'id': ['a', 'b'], 'annotator': ['p', 'p'], 'label': [10, 11]}
  about = {'modalities': ['text'], 'name': 'mine'}
  found = empathy.judge(None, clips, votes, about=about)
  assert found.info['classes'] == ['-1', '9', '10', '11']
  assert found.info['conditions'] == ['text']
  assert found.info['corpus'] == 'mine'


@pytest.mark.parametrize(
  ('tables', 'says'),
  [
    ({'predictions': 7}, 'predictions: expected a table'),
    ({'clips': {'id': ['a'], 'label': ['u']}}, 'have 1 label: say all'),
    (
      {'clips': {'id': ['a', 'b'], 'label': ['u', 'v']}},
      "clips: column 'group' is missing",
    ),
    (
      {'clips': {'id': ['a', 'a'], 'group': ['x', 'y'], 'label': ['u', 'v']}},
      "clips:3: column 'id': 'a' is there already",
    ),
    ({'predictions': {'id': ['a'], 'label': ['u']}}, "about={'modalities'"),
    ({'clips': {'id': [[1]], 'group': ['x']}}, "clips: column 'id': expected"),
    ({'predictions': None}, 'nothing to evaluate'),
    (
      {'about': {'clases': ['u', 'v']}},
      "about: there is no key 'clases', perhaps 'classes'; expected name, ",
    ),
    ({'about': {'colour': 3}}, "about: there is no key 'colour'; expected"),
    (
      {'predictions': {'id': ['a'], 'view': ['Txet'], 'label': ['u']}},
      "'txet' is no usual modality, perhaps 'text'; else say so, as in "
      "about={'modalities': ['txet']}",
    ),
    ({'about': {'modalities': ['text'], 'ordered': 3}}, "about: key 'ordered'"),
  ],
)
def test_what_is_wrong_is_told_in_a_line(tables, says):
  given = {
    'predictions': {'id': ['a'], 'view': ['text'], 'label': ['u']},
    'clips': {'id': ['a', 'b'], 'group': ['x', 'y'], 'label': ['u', 'v']},
  }
  with pytest.raises(errors.InputError) as caught:
    empathy.judge(**(given | tables))
  assert says in str(caught.value)
  assert '/tmp' not in str(caught.value)


def test_the_study_shows_and_saves_itself(study, tmp_path):
  told = repr(study).splitlines()
  assert [line.split()[0] for line in told] == [
    *('Views', 'Disagreement', 'Ambiguity', 'Dominance', 'Humans', 'Diagnosis')
  ]
  accuracy = study.statistics['views.text+audio.accuracy'].estimate
  assert f'{100 * accuracy:.1f} %' in told[0]
  frame = study._repr_html_()
  (page,) = re.fullmatch(
    r'<iframe sandbox="allow-scripts" [^<>]* srcdoc="([^"]*)"></iframe>', frame
  ).groups()
  study.save(tmp_path / 'study')
  saved = (tmp_path / 'study/report.html').read_text(encoding='utf-8')
  assert html.unescape(page) == saved
  figures = json.loads((tmp_path / 'study/study.json').read_text())
  assert figures['statistics'] == _figures(study)


def test_hostile_names_stay_in_the_frame():
  name = '"></iframe><script>alert(1)</script>'
  clips = {'id': [name, 'b'], 'group': ['x', 'y'], 'label': ['u', 'v']}
  votes = {'id': [name, 'b'], 'annotator': [name] * 2, 'label': ['u', 'v']}
  found = empathy.judge(None, clips, votes, about={'modalities': ['text']})
  frame = found._repr_html_()
  assert frame.count('<') == 2
  assert frame.count('"') == 8


def test_the_name_alone_loads_nothing():
  program = (
    'import sys, empathy; '
    'print([m for m in ("numpy", "pyarrow", "jax") if m in sys.modules])'
  )
  found = subprocess.run(
    [sys.executable, '-c', program], capture_output=True, text=True, check=True
  )
  assert found.stdout.strip() == '[]'


def test_a_speaker_is_a_group(given, study, caplog):
  renamed = given[1]['clips'].rename_columns(['id', 'speaker', 'label'])
  told = _figures(empathy.judge(**given[1] | {'clips': renamed}))
  expected = _figures(study)
  assert {name: told[name] for name in expected} == expected
  assert "column 'speaker' is taken as the group" in caplog.text
