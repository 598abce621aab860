"""Labels with values, on a scale, and several of them: declared and read."""

import dataclasses
import json

import numpy as np
import pytest
from test_corpus import INFO, assert_same, tiny

from empathy import errors
from empathy.corpora import builder, declared
from empathy.corpora import corpus as corpus_lib

SCALE = {key: value for key, value in INFO.items() if key != 'classes'} | {
  'scale': [1, 7],
  'num_bins': 3,
}
VALUES = {**INFO, 'classes': ['low', 'mid', 'high'], 'values': [1, 2, 7]}
SEVERAL = {key: value for key, value in INFO.items() if key != 'classes'} | {
  'labels': {
    'empathy': {'scale': [1, 7], 'num_bins': 3, 'label': 'felt'},
    'kind': {'classes': ['no', 'yes']},
  }
}


def folder(tmp_path, info, clips, votes=None):
  path = tmp_path / 'corpus'
  path.mkdir()
  (path / 'corpus.json').write_text(json.dumps(info))
  (path / 'clips.csv').write_text(clips)
  if votes is not None:
    (path / 'votes.csv').write_text(votes)
  return path


def faults(path, **kwargs):
  with pytest.raises(errors.InputError) as raised:
    corpus_lib.read(path, **kwargs)
  return str(raised.value).replace(f'{path}/', '').splitlines()


def completed(**keys):
  found, faulty = declared.checked(keys, 'corpus.json')
  assert not faulty
  return found


def test_a_scale_has_equal_bins():
  info = completed(scale=[1, 7], num_bins=3)
  assert info['classes'] == ['2', '4', '6']
  assert info['values'] == [2, 4, 6]
  assert info['ordered'] is True
  assert completed(scale=[-3, 3])['values'] == pytest.approx(
    [-2.7, -2.1, -1.5, -0.9, -0.3, 0.3, 0.9, 1.5, 2.1, 2.7], abs=0
  )
  assert completed(scale=[0, 1], classes=['no', 'yes'])['values'] == [
    0.25,
    0.75,
  ]
  assert completed(values=[1, 2.5, 7])['classes'] == ['1', '2.5', '7']
  # What was filled in may be read again.
  assert completed(**info) == info


@pytest.mark.parametrize(
  ('score', 'bin_'),
  [
    # Of three bins of [1, 7]: [1, 3), [3, 5), [5, 7].
    (1, 0),
    (2.999, 0),
    (3, 1),
    (4.999, 1),
    (5, 2),
    (7, 2),
    (np.nan, -1),
  ],
)
def test_bins_hold_their_lower_end(score, bin_):
  values = np.array([2.0, 4.0, 6.0])
  assert declared.class_of(np.array([score]), values).tolist() == [bin_]


def test_every_end_of_a_bin_is_in_the_bin_above():
  # 3 / 10 and 0.29 * 100 among them, which floating point puts below.
  for number in (2, 3, 7, 10, 100):
    values = declared.values_of(completed(scale=[0, 1], num_bins=number))
    ends = np.arange(number + 1) / number
    expected = np.minimum(np.arange(number + 1), number - 1)
    np.testing.assert_array_equal(declared.class_of(ends, values), expected)
    lower = declared.class_of(ends, values, upper=False)
    np.testing.assert_array_equal(
      lower, np.maximum(expected - 1, 0) if number == 1 else [0, *range(number)]
    )


def test_the_class_of_a_score_is_that_of_the_nearest_value():
  random = np.random.default_rng(5)
  for _ in range(50):
    values = np.sort(random.normal(size=random.integers(2, 9)))
    scores = random.uniform(values[0], values[-1], 40)
    distance = np.abs(scores[:, None] - values)
    np.testing.assert_array_equal(
      declared.class_of(scores, values), distance.argmin(axis=1)
    )
  # Half-way it is the upper one: 1.5 between 1 and 2, 4.5 between 2 and 7.
  values = np.array([1.0, 2.0, 7.0])
  found = declared.class_of(np.array([1.5, 4.5, 1.4, 4.6]), values)
  assert found.tolist() == [1, 2, 0, 2]


@pytest.mark.parametrize(
  ('keys', 'fault'),
  [
    ({'values': [1, 3, 2]}, "'values': expected numbers, each above the one"),
    ({'values': [1, 1]}, "'values': expected numbers, each above the one"),
    ({'values': [1, '2']}, "'values': expected numbers, each above the one"),
    ({'values': [0, True]}, "'values': expected numbers, each above the one"),
    ({'values': [1, float('nan')]}, "'values': expected numbers, each above"),
    ({'values': 3}, "'values': expected numbers, each above the one before"),
    ({'values': [1]}, "'classes': expected at least 2 names"),
    (
      {'values': [1, 2, 3], 'classes': ['a', 'b']},
      "'values': expected 2 of them, one for each class",
    ),
    ({'scale': [7, 1]}, "'scale': expected [low, high], two numbers"),
    ({'scale': [1]}, "'scale': expected [low, high], two numbers"),
    ({'scale': {'low': 1}}, "'scale': expected [low, high], two numbers"),
    ({'scale': [1, 7], 'num_bins': 1}, "'num_bins': expected a whole number"),
    ({'scale': [1, 7], 'num_bins': 2.0}, "'num_bins': expected a whole number"),
    (
      {'scale': [1, 7], 'num_bins': 3, 'classes': ['a', 'b']},
      "'num_bins': expected 2 of them, one for each class",
    ),
    (
      {'scale': [1, 7], 'values': [1, 7]},
      "'values': expected the middles of the scale's bins; leave them out",
    ),
    (
      {'classes': ['a', 'b'], 'num_bins': 2},
      "'num_bins': expected it beside 'scale' alone",
    ),
    (
      {'values': [1, 2], 'ordered': False},
      "'ordered': expected true, for there are values",
    ),
    ({'ordered': 'yes', 'classes': ['a', 'b']}, "'ordered': expected true or"),
    ({}, "'classes': expected a list of names"),
  ],
)
def test_what_is_declared_wrongly_is_one_line(tmp_path, keys, fault):
  info = {key: value for key, value in INFO.items() if key != 'classes'} | keys
  path = folder(tmp_path, info, 'id,group,label\na,x,\n')
  found = faults(path)
  assert len(found) == 1
  assert found[0].startswith(f'corpus.json: key {fault}')


def test_scores_are_kept_exactly(tmp_path):
  path = folder(
    tmp_path,
    SCALE,
    'id,group,score,label\na,x,3,\nb,x,"2,9999999999999996",2\nc,y,,\nd,z,,6\n',
    'id,condition,annotator,score\na,text,ann,0x\na,text,bob,2\n'.replace(
      '0x', '6.5'
    ),
  )
  corpus = corpus_lib.read(path)
  assert corpus.classes == ('2', '4', '6')
  assert corpus.values.tolist() == [2, 4, 6]
  assert corpus.labels.tolist() == [1, 0, -1, 2]
  np.testing.assert_array_equal(
    corpus.scores, [3, 2.9999999999999996, np.nan, 6]
  )
  assert corpus.votes.scores.tolist() == [6.5, 2]
  assert corpus.votes.label.tolist() == [2, 0]
  assert corpus.votes.of(0).scores.tolist() == [6.5, 2]
  assert 'score' not in corpus.metadata


@pytest.mark.parametrize('info', [SCALE, VALUES])
@pytest.mark.parametrize('seed', range(4))
def test_corpora_with_scores_come_back(tmp_path, info, seed):
  random = np.random.default_rng(seed)
  info = info | completed(**{k: info[k] for k in info if k in declared.KEYS})
  low, high = declared.limits(info)
  scores = random.uniform(low, high, 4)
  scores[random.random(4) < 0.3] = np.nan
  if seed == 3:  # Nothing but the labels: no column is needed.
    scores = np.array(info['values'])[random.integers(3, size=4)]
  votes = tiny().votes
  corpus = tiny(
    info=info,
    labels=np.full(4, -1, np.int32),
    scores=scores,
    votes=dataclasses.replace(
      votes,
      label=np.full(4, 0, np.int32),
      scores=random.uniform(low, low + 0.4, 4),
    ),
  )
  corpus_lib.write(corpus, tmp_path / 'corpus')
  read = corpus_lib.read(tmp_path / 'corpus', None)
  assert_same(read, corpus)
  np.testing.assert_array_equal(read.scores, corpus.scores)
  assert corpus_lib.content(read) == corpus_lib.content(corpus)
  has_column = 'score' in (tmp_path / 'corpus' / 'clips.csv').read_text()
  assert has_column == (seed != 3)
  moved = dataclasses.replace(
    corpus, scores=np.where(scores == scores, low, scores)
  )
  assert corpus_lib.content(moved) != corpus_lib.content(corpus)


def test_labels_are_scores_where_there_is_no_column(tmp_path):
  path = folder(
    tmp_path,
    VALUES,
    'id,group,label\na,x,mid\nb,x,\nc,y,HIGH\n',
    'id,condition,annotator,label\na,text,ann,low\n',
  )
  corpus = corpus_lib.read(path)
  np.testing.assert_array_equal(corpus.scores, [2, np.nan, 7])
  assert corpus.votes.scores.tolist() == [1]
  assert corpus.info['ordered'] is True


def test_a_column_score_without_values_is_metadata(tmp_path):
  path = folder(tmp_path, INFO, 'id,group,label,score\na,x,neutral,12\n')
  corpus = corpus_lib.read(path)
  assert corpus.scores is None
  assert corpus.values is None
  assert corpus.metadata['score'].tolist() == ['12']


@pytest.mark.parametrize(
  ('rows', 'fault'),
  [
    ('a,x,7.01,', "column 'score': '7.01' is outside of the scale, 1 to 7"),
    ('a,x,0,', "column 'score': '0' is outside of the scale, 1 to 7"),
    ('a,x,1e999,', "column 'score': '1e999' is not a number"),
    ('a,x,high,', "column 'score': 'high' is not a number"),
    (
      'a,x,3.5,2',
      "column 'score': 3.5 is of the class '4', but the label is '2'",
    ),
    ('a,x,3.5,5', "column 'label': '5' is not one of 2, 4, 6, or empty"),
  ],
)
def test_scores_that_cannot_be_are_one_line(tmp_path, rows, fault):
  path = folder(tmp_path, SCALE, f'id,group,score,label\n{rows}\n')
  assert faults(path) == [f'clips.csv:2: {fault}']


def test_many_scores_outside_are_one_line(tmp_path):
  rows = ''.join(f'c{i},x,{i + 8}\n' for i in range(9))
  path = folder(tmp_path, SCALE, 'id,group,score\n' + rows)
  assert faults(path) == [
    "clips.csv:2: column 'score': '8' is outside of the scale, 1 to 7 "
    '(9 times: lines 2, 3, 4, ...)'
  ]


def test_a_label_at_the_end_of_two_bins_may_be_either(tmp_path):
  path = folder(tmp_path, SCALE, 'id,group,score,label\na,x,3,2\nb,x,3,4\n')
  assert corpus_lib.read(path).labels.tolist() == [0, 1]


def test_neither_label_nor_score_is_a_fault(tmp_path):
  path = folder(tmp_path, SCALE, 'id,group,rating\na,x,3\n')
  assert faults(path) == ["clips.csv: expected a column 'score' or 'label'"]
  path = path.rename(tmp_path / 'other')
  (path / 'corpus.json').write_text(json.dumps(INFO))
  assert "column 'label' is missing" in faults(path)[0]


CLIPS = (
  'id,group,score.empathy,label.kind,age\na,x,1.5,yes,30\nb,x,6,no,31\n'
  'c,y,,,32\n'
)
VOTES = (
  'id,condition,annotator,score.empathy,label.kind\n'
  'a,text,ann,2,yes\na,text,bob,,no\nb,text,ann,5.5,\n'
)


def test_one_of_several_labels_is_a_plain_corpus(tmp_path):
  path = folder(tmp_path, SEVERAL, CLIPS, VOTES)
  assert corpus_lib.label_names(path) == ('empathy', 'kind')
  felt = corpus_lib.read(path, label='empathy')
  assert felt.info['label'] == 'felt'
  assert felt.info['label_name'] == 'empathy'
  assert 'labels' not in felt.info
  np.testing.assert_array_equal(felt.scores, [1.5, 6, np.nan])
  assert felt.labels.tolist() == [0, 2, -1]
  assert felt.votes.scores.tolist() == [2, 5.5]
  assert list(felt.metadata) == ['age']
  kind = corpus_lib.read(path, label='kind')
  assert kind.scores is None
  assert kind.labels.tolist() == [1, 0, -1]
  assert kind.votes.annotator.tolist() == ['ann', 'bob']
  assert kind.votes.scores is None
  assert corpus_lib.read_any(path).info == felt.info
  assert corpus_lib.read_any(path, 'kind').info == kind.info


def test_several_labels_come_back(tmp_path):
  path = folder(tmp_path, SEVERAL, CLIPS, VOTES)
  names = corpus_lib.label_names(path)
  both = {name: corpus_lib.read(path, label=name) for name in names}
  corpus_lib.write(both, tmp_path / 'again')
  for name, corpus in both.items():
    read = corpus_lib.read(tmp_path / 'again', label=name)
    assert_same(read, corpus)
  assert (tmp_path / 'again' / 'votes.csv').read_text().splitlines() == [
    'id,condition,annotator,label.empathy,score.empathy,label.kind,count',
    'a,text,ann,2,2.0,yes,1',
    'b,text,ann,6,5.5,,1',
    'a,text,bob,,,no,1',
  ]
  # One of them alone is a corpus as well.
  corpus_lib.write(both['empathy'], tmp_path / 'one')
  assert_same(corpus_lib.read(tmp_path / 'one'), both['empathy'])
  with pytest.raises(ValueError, match='same clips'):
    corpus_lib.write(
      both
      | {'other': dataclasses.replace(both['kind'], ids=np.array([*'abd']))},
      tmp_path / 'two',
    )


def test_a_label_must_be_chosen_of_several(tmp_path):
  path = folder(tmp_path, SEVERAL, CLIPS, VOTES)
  assert faults(path) == [
    'corpus.json: has 2 labels: empathy, kind; choose one by --label=NAME, or '
    'in training by --config.label=NAME'
  ]
  assert faults(path, label='distress') == [
    "corpus.json: 'distress' is not one of the labels empathy, kind"
  ]


def test_the_only_label_needs_no_name(tmp_path):
  info = SEVERAL | {'labels': {'kind': SEVERAL['labels']['kind']}}
  path = folder(tmp_path, info, 'id,group,label.kind\na,x,yes\n')
  assert corpus_lib.read(path).labels.tolist() == [1]
  plain = path.rename(tmp_path / 'plain')
  (plain / 'corpus.json').write_text(json.dumps(INFO))
  (plain / 'clips.csv').write_text('id,group,label\na,x,neutral\n')
  assert faults(plain, label='kind') == [
    "corpus.json: has one label, and no 'labels' of which one could be 'kind'"
  ]


@pytest.mark.parametrize(
  ('change', 'fault'),
  [
    ({'labels': []}, "key 'labels': expected an object of labels by name"),
    ({'labels': {}}, "key 'labels': expected an object of labels by name"),
    (
      {'labels': {'a b': {'classes': ['n', 'y']}}},
      "label 'a b': expected a name of letters, digits, _ and -",
    ),
    ({'labels': {'a': 3}}, "label 'a': expected an object of keys and values"),
    (
      {'labels': {'a': {'classes': ['n', 'y'], 'value': [1, 2]}}},
      "label 'a': key 'value': expected one of classes, values, scale, "
      'num_bins, ordered, label, label_source',
    ),
    (
      {'labels': {'a': {'values': [2, 1]}}},
      "label 'a': key 'values': expected numbers, each above the one before",
    ),
    (
      {'classes': ['no', 'yes']},
      "key 'classes': expected it in each of the labels, not beside them",
    ),
  ],
)
def test_several_labels_declared_wrongly_are_one_line(tmp_path, change, fault):
  path = folder(tmp_path, SEVERAL | change, CLIPS)
  assert faults(path) == [f'corpus.json: {fault}']


@pytest.mark.parametrize(
  ('header', 'fault'),
  [
    (
      'id,group,score.empathy,label.kin',
      "column 'label.kin': expected label.NAME, of one of the labels empathy, "
      'kind',
    ),
    (
      'id,group,score.empathy,label',
      "column 'label': expected label.NAME, of one of the labels empathy, kind",
    ),
    (
      'id,group,age,label.kind',
      "expected a column 'score.empathy' or 'label.empathy'",
    ),
  ],
)
def test_columns_of_no_label_are_named(tmp_path, header, fault):
  path = folder(tmp_path, SEVERAL, f'{header}\na,x,2,yes\n')
  assert faults(path, label='empathy') == [f'clips.csv: {fault}']


def test_a_score_of_a_label_without_values_is_a_fault(tmp_path):
  path = folder(
    tmp_path,
    SEVERAL,
    'id,group,label.empathy,label.kind,score.kind\na,x,2,yes,1\n',
  )
  assert faults(path, label='kind') == [
    "clips.csv: column 'score.kind': the label has neither values nor a scale"
  ]


def test_models_are_no_people(tmp_path):
  path = folder(
    tmp_path,
    VALUES | {'judges': ['GPT']},
    'id,group,label\na,x,mid\nb,x,\n',
    'id,condition,annotator,label\na,text,ann,low\na,text,gpt,high\n'
    'b,text,gpt,mid\n',
  )
  corpus = corpus_lib.read(path)
  assert corpus.votes.annotator.tolist() == ['ann']
  assert corpus.vote_counts().tolist() == [[1, 0, 0], [0, 0, 0]]
  assert corpus.judges.annotator.tolist() == ['GPT', 'GPT']
  assert corpus.judges.scores.tolist() == [7, 2]
  corpus_lib.write(corpus, tmp_path / 'again')
  again = corpus_lib.read(tmp_path / 'again')
  assert_same(again, corpus)
  assert again.judges.annotator.tolist() == ['GPT', 'GPT']
  # Where none but models voted, there are no votes of people.
  (path / 'votes.csv').write_text(
    'id,condition,annotator,label\na,text,gpt,low\n'
  )
  assert corpus_lib.read(path).votes is None
  (path / 'corpus.json').write_text(json.dumps(VALUES | {'judges': 'GPT'}))
  assert faults(path) == ["corpus.json: key 'judges': expected a list of names"]


def test_training_and_others_pipelines_get_scores(tmp_path):
  info = SCALE | completed(scale=[1, 7], num_bins=3)
  corpus = tiny(
    info=info,
    votes=None,
    labels=np.full(4, -1),
    scores=np.array([3, 1.25, np.nan, 7]),
  )
  flipped = dataclasses.replace(
    corpus,
    ids=corpus.ids[::-1],
    features={},
  )
  np.testing.assert_array_equal(
    corpus_lib.sorted_by_id(flipped).scores, [7, np.nan, 1.25, 3]
  )
  assert corpus_lib.sorted_by_id(tiny()).scores is None
  made = builder.EmpathyCorpus(corpus=corpus, data_dir=tmp_path)
  made.download_and_prepare()
  found = {
    row['id'].decode(): row['score'] for row in made.as_data_source()['clips']
  }
  np.testing.assert_array_equal([found[name] for name in 'abcd'], corpus.scores)


ODD = [
  *(None, True, 0, -1, 2.5, '', 'x', [], {}, [1], [None], ['a', 'b'], [1, 2]),
  *([1, 7], [7, 1], [0, 1e400], [[1], [2]], {'a': 1}, {'a': {}}, {'a': []}),
  *([1, 2, 3], 10**400, [1, 10**400], ['1', '1.0'], [True, False], 1001),
]


@pytest.mark.parametrize(
  'key', [*declared.KEYS, 'labels', 'judges', declared.NAME]
)
@pytest.mark.parametrize('info', [SCALE, VALUES, SEVERAL], ids=['s', 'v', 'l'])
def test_whatever_is_declared_is_read_or_told(tmp_path, info, key):
  own = 'label.empathy,label.kind' if 'labels' in info else 'label,more'
  path = folder(tmp_path, info, f'id,group,{own}\na,x,,\n')
  places = [info] if 'labels' not in info else [info, info['labels']['empathy']]
  for place in places:
    for odd in ODD:
      changed = json.loads(json.dumps(info))
      target = changed if place is info else changed['labels']['empathy']
      target[key] = odd
      (path / 'corpus.json').write_text(json.dumps(changed))
      label = 'empathy' if 'labels' in info else None
      try:
        corpus_lib.read(path, label=label)
      except errors.InputError as error:
        lines = str(error).splitlines()
        assert len(lines) <= 3
        assert all('corpus.json: ' in line for line in lines)
