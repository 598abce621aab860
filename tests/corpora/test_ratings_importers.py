"""Importers of published ratings, on small tables of their layout."""

import numpy as np
import pytest

from empathy import errors, prepare
from empathy.corpora import corpus as corpus_lib
from empathy.corpora.importers import empathic_communication, empathic_reactions

RATERS = ('expert1', 'expert2', 'expert3', 'crowd', 'gpt', 'claude', 'gemini')
# Columns in another order than the dimensions are told, as they are published.
LEND = (
  'conversation_id,validating_emotions,encouraging_elaboration,'
  'demonstrating_understanding,self_oriented,advice_giving,dismissing_emotions'
)
EPITOME = (
  'sp_id,rp_id,level_emotional_reactions,level_explorations,'
  'level_interpretations'
)
REACTIONS = (
  'message_id,response_id,article_id,empathy,distress,empathy_bin,'
  'distress_bin,essay\n'
  'w1_1,w1,67,5.667,4.375,1,1,"sad, very"\n'
  'w1_2,w1,86,1.000,7.000,0,1,two\n'
  'w2_1,w2,3,4.000,3.875,0,0,three\n'
)


@pytest.fixture
def rated(tmp_path):
  for number, rater in enumerate(RATERS):
    mean = '2.3333333333333335' if rater == 'crowd' else f'{number % 5 + 1}.0'
    rows = [f'20241031124050492385,{mean},2,3,4,5,1', 'c2,1,1,1,1,1,1']
    if rater == 'gpt':
      rows.reverse()
    write(tmp_path / 'lend_an_ear' / f'{rater}_ratings.csv', LEND, rows)
    header, rows = EPITOME, [f's1,r1,{number % 3},0,2', 's2,r9,0,1,0']
    if rater == 'claude':  # Models' tables have no second name.
      header = header.replace('rp_id,', '')
      rows = [row.replace(',r1', '').replace(',r9', '') for row in rows]
    write(tmp_path / 'epitome' / f'{rater}_ratings.csv', header, rows)
  return tmp_path


def write(path, header, rows):
  path.parent.mkdir(exist_ok=True)
  path.write_text('\n'.join([header, *rows]) + '\n')


def test_every_rater_is_an_annotator_and_models_are_judges(rated):
  prepare.write(empathic_communication.read(rated), rated / 'corpus')
  assert len(corpus_lib.label_names(rated / 'corpus')) == 9
  felt = corpus_lib.read(rated / 'corpus', label='validating_emotions')
  assert felt.ids.tolist() == ['20241031124050492385', 'c2', 's1', 's2']
  assert felt.values.tolist() == [1, 2, 3, 4, 5]
  # The experts say 1, 2, 3 and 1, 1, 1: their medians.
  np.testing.assert_array_equal(felt.scores, [2, 1, np.nan, np.nan])
  assert felt.labels.tolist() == [1, 0, -1, -1]
  people = dict(zip(felt.votes.annotator, felt.votes.scores, strict=True))
  assert set(people) == {'expert1', 'expert2', 'expert3'}
  first = felt.votes.where(felt.votes.clip == 0)
  assert dict(zip(first.annotator, first.scores, strict=True)) == {
    'expert1': 1,
    'expert2': 2,
    'expert3': 3,
  }
  models = felt.judges.where(felt.judges.clip == 0)
  assert dict(zip(models.annotator, models.scores, strict=True)) == {
    'gpt': 5,
    'claude': 1,
    'gemini': 2,
    'crowd': 2.3333333333333335,
  }
  level = corpus_lib.read(rated / 'corpus', label='level_interpretations')
  assert level.values.tolist() == [0, 1, 2]
  np.testing.assert_array_equal(level.scores, [np.nan, np.nan, 2, 0])
  assert level.votes.clip.tolist().count(2) == 3
  advice = corpus_lib.read(rated / 'corpus', label='advice_giving')
  assert advice.scores[0] == 5
  assert (
    advice.metadata['set'].tolist() == ['lend_an_ear'] * 2 + ['epitome'] * 2
  )


@pytest.mark.parametrize(
  ('name', 'old', 'new', 'fault'),
  [
    ('epitome/gpt', 's2,r9', 's3,r9', 'rates other conversations than expert1'),
    ('epitome/gpt', 's2,r9', 's1,r9', "column 'sp_id': 's1' is there already"),
    ('epitome/gpt', ',0,1,0', ',0,3,0', "'3' is not a number from 0 to 2"),
    ('epitome/gpt', ',0,1,0', ',0,,0', "'' is not a number from 0 to 2"),
    ('lend_an_ear/crowd', '2.3333', 'nan', 'is not a number from 1 to 5'),
    ('lend_an_ear/crowd', ',advice_giving', ',advice', "'advice_giving' is"),
  ],
)
def test_what_is_wrong_with_a_rating_is_one_line(rated, name, old, new, fault):
  path = rated / f'{name}_ratings.csv'
  text = path.read_text()
  assert old in text
  path.write_text(text.replace(old, new))
  with pytest.raises(errors.InputError) as raised:
    empathic_communication.read(rated)
  assert fault in str(raised.value)
  assert str(raised.value).startswith(str(path))
  assert len(str(raised.value).splitlines()) == 1


def test_missing_tables_are_named(rated):
  (rated / 'epitome' / 'gpt_ratings.csv').unlink()
  (rated / 'lend_an_ear' / 'expert1_ratings.csv').unlink()
  with pytest.raises(errors.InputError) as raised:
    empathic_communication.read(rated)
  assert len(str(raised.value).splitlines()) == 2


def test_reactions_have_two_scores_and_two_binary_labels(tmp_path):
  (tmp_path / 'messages.csv').write_text(REACTIONS)
  found = empathic_reactions.read(tmp_path)
  prepare.write(found, tmp_path / 'corpus')
  assert prepare.describe(found) == (
    '3 clips of 2 groups, 4 labels (empathy, distress, empathy_bin, '
    'distress_bin); of the first: scores from 1 to 7 in 10 bins'
  )
  empathy = corpus_lib.read(tmp_path / 'corpus', label='empathy')
  assert empathy.scores.tolist() == [5.667, 1, 4]
  # Bins of .6 from 1 on; 4 is the lower end of the sixth.
  assert empathy.labels.tolist() == [7, 0, 5]
  assert empathy.groups.tolist() == ['w1', 'w1', 'w2']
  assert empathy.metadata['transcript'][0] == 'sad, very'
  distress = corpus_lib.read(tmp_path / 'corpus', label='distress')
  assert distress.scores.tolist() == [4.375, 7, 3.875]
  bins = corpus_lib.read(tmp_path / 'corpus', label='distress_bin')
  assert bins.labels.tolist() == [1, 1, 0]
  assert bins.classes == ('low distress', 'high distress')
  assert bins.scores is None


@pytest.mark.parametrize(
  ('old', 'new', 'fault'),
  [
    ('5.667', '7.5', "column 'empathy': '7.5' is not a number from 1 to 7"),
    ('5.667', '', "column 'empathy': '' is not a number from 1 to 7"),
    (',1,1,', ',2,1,', "column 'empathy_bin': '2' is not 0 or 1"),
    ('w1_2,', 'w1_1,', "column 'message_id': 'w1_1' is there already"),
    ('w1_2,w1', 'w1_2,', "column 'response_id': is empty"),
    ('essay\n', 'text\n', "column 'essay' is missing"),
  ],
)
def test_what_is_wrong_with_a_reaction_is_one_line(tmp_path, old, new, fault):
  (tmp_path / 'messages.csv').write_text(REACTIONS.replace(old, new, 1))
  with pytest.raises(errors.InputError) as raised:
    empathic_reactions.read(tmp_path)
  assert fault in str(raised.value)
  assert len(str(raised.value).splitlines()) == 1
