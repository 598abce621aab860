import copy
import json
import logging

import pytest

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora.importers import lewidi


def _item(task, text, annotations, soft, split, **more):
  """An item of 2025, with what is not needed and wrong in places."""
  return {
    'annotation task': task,
    'text': text,
    'annotators': ','.join([*annotations, 'Ann1']),
    'annotations': annotations,
    'soft_label': soft,
    'split': split,
    'lang': 'en',
    'other_info': {'source': 'made', 'explanations': ['because']},
  } | more


def _sarcasm():
  """As in CSC: 1 to 6, contexts that items share, and a class too many."""

  def item(context, response, votes, split):
    shares = {str(n): votes.count(n) / max(len(votes), 1) for n in range(7)}
    return _item(
      'sarcasm detection',
      {'context': context, 'response': response},
      {f'Ann{i}': str(vote) for i, vote in enumerate(votes)},
      {name: round(share, 2) for name, share in shares.items()},
      split,
    )

  return {
    'train': {
      '10': item('You sing.', 'Nice.', [2, 1, 1, 1, 1, 1], 'train'),
      '11': item('You sing.', 'Oh my.', [6, 4, 4, 5], 'train'),
    },
    'dev': {'12': item('You run.', 'Fast.', [3, 3, 2, 4], 'dev')},
    'test': {'13': item('You sing.', 'Hm.', [], 'test')},
  }


def _nli():
  """As in VariErr: several labels of one annotator, who is listed twice."""

  def item(votes, split):
    names = ('contradiction', 'entailment', 'neutral')
    soft = {}
    for name in names:
      share = sum(name in vote for vote in votes) / len(votes)
      soft[name] = {'0': round(1 - share, 3), '1': round(share, 3)}
    annotations = {f'Ann{i + 1}': vote for i, vote in enumerate(votes)}
    text = {'context': f'{len(votes)}', 'statement': 's'}
    return _item('natural language inference', text, annotations, soft, split)

  return {
    'train': {
      'a': item(['neutral', 'entailment,neutral', 'neutral'], 'train'),
      'b': item(['entailment'], 'train'),
    },
    'dev': {'a': item(['contradiction', 'neutral'], 'dev')},
  }


def _brexit():
  """As in 2023: lists between commas."""

  def item(annotators, annotations, hard, split):
    ones = annotations.count('1') / max(len(annotations.split(',')), 1)
    return {
      'text': f'a tweet {annotations}',
      'annotation task': 'hate speech detection',
      'number of annotations': 3,
      'annotations': annotations,
      'annotators': annotators,
      'lang': 'en',
      'hard_label': hard,
      'soft_label': {'0': 1 - ones, '1': ones},
      'split': split,
      'other_info': {'Domain': 'BLM'},
    }

  return {
    'train': {'1': item('Ann1,Ann2,Ann3', '0,0,1', '0', 'train')},
    'dev': {'2': item('Ann1,Ann2', '0,1', '1', 'dev')},
    'test': {'3': item('Ann3,Ann1', '1,1', '1', 'test')},
  }


def _abuse():
  """As in ConvAbuse: severity, and a text that is JSON."""

  def item(annotations, hard, talk):
    low = [vote.startswith('-') for vote in annotations.split(',')]
    share = sum(low) / len(low)
    return {
      'text': json.dumps({'prev_agent': 'Hi', 'user': talk}),
      'annotation task': 'abusive language detection',
      'annotations': annotations,
      'annotators': ','.join(f'Ann{i}' for i in range(len(low))),
      'hard_label': hard,
      'soft_label': {'0': 1 - share, '1': share},
      'split': 'train',
      'lang': 'en',
      'other_info': {'bot': 'Eliza', 'conversation_id(s)': talk[0]},
    }

  return {
    'train': {
      '1': item('-3,-1,0', '1', 'c1'),
      '2': item('1,0,1', '0', 'c2'),
      '3': item('1,1,-2', '0', 'd'),
    }
  }


def _write(folder, name, parts):
  folder.mkdir(parents=True, exist_ok=True)
  for split, items in parts.items():
    text = json.dumps(items, ensure_ascii=False)
    (folder / f'{name}_{split}.json').write_text(text, encoding='utf-8')
  # Not valid, as some that are published, and not read.
  (folder / f'{name}_annotators_meta.json').write_text('{"Ann1": {"Age": 2,},}')
  return folder


@pytest.fixture(name='heard')
def _heard(caplog, monkeypatch):
  monkeypatch.setattr(logging.getLogger('empathy'), 'propagate', True)
  caplog.set_level(logging.INFO, logger='empathy')
  return caplog


def test_ratings_become_values(tmp_path, heard):
  corpus = lewidi.read(_write(tmp_path / 'CSC', 'CSC', _sarcasm()))
  assert corpus.ids.tolist() == ['10', '11', '12', '13']
  assert corpus.groups.tolist() == ['10', '10', '12', '10']
  assert corpus.split.tolist() == ['train', 'train', 'val', 'test']
  # All that could be said, and not what 'soft_label' has too much.
  assert corpus.values.tolist() == [1, 2, 3, 4, 5, 6]
  assert corpus.scores[:3].tolist() == [7 / 6, 4.75, 3]
  assert corpus.labels.tolist() == [0, 4, 2, corpus_lib.UNLABELLED]
  assert corpus.conditions == ('text',)
  votes = corpus.votes
  assert votes.annotator[:6].tolist() == [f'Ann{i}' for i in range(6)]
  assert votes.scores.tolist() == [2, 1, 1, 1, 1, 1, 6, 4, 4, 5, 3, 3, 2, 4]
  assert corpus.metadata['transcript'][1] == 'You sing.\nOh my.'
  assert corpus.metadata['lang'].tolist() == ['en'] * 4
  assert 'soft_label' not in heard.text
  corpus_lib.write(corpus, tmp_path / 'corpus')
  again = corpus_lib.read(tmp_path / 'corpus')
  assert again.votes.annotator.tolist() == votes.annotator.tolist()
  assert again.scores[:3].tolist() == corpus.scores[:3].tolist()


def test_several_labels_in_one_become_labels(tmp_path, heard):
  corpora = lewidi.read(_write(tmp_path / 'V', 'VariErrNLI', _nli()))
  assert list(corpora) == ['contradiction', 'entailment', 'neutral']
  assert corpora['neutral'].classes == ('no', 'yes')
  assert corpora['neutral'].votes.label.tolist() == [1, 1, 1, 0, 0, 1]
  assert corpora['entailment'].votes.label.tolist() == [0, 1, 0, 1, 0, 0]
  assert corpora['entailment'].vote_counts().tolist() == [
    [2, 1],
    [0, 1],
    [2, 0],
  ]
  # One id in two files; no test, hence no split.
  assert corpora['neutral'].ids.tolist() == ['train_a', 'train_b', 'dev_a']
  assert corpora['neutral'].split is None
  assert corpora['neutral'].metadata['published_split'].tolist() == [
    *('train', 'train', 'dev')
  ]
  assert 'ids begin with the split' in heard.text
  assert 'soft_label' not in heard.text
  corpus_lib.write(corpora, tmp_path / 'corpus')
  again = corpus_lib.read(tmp_path / 'corpus', label='neutral')
  assert again.votes.label.tolist() == [1, 1, 1, 0, 0, 1]


def test_shares_whose_keys_are_floats(tmp_path, heard):
  parts = _sarcasm()
  for items in parts.values():
    for item in items.values():
      item['annotation task'] = 'irony detection'
      item['annotations'] = {
        name[3:]: str(int(vote > '2'))
        for name, vote in item['annotations'].items()
      }
      ones = list(item['annotations'].values()).count('1')
      share = ones / max(len(item['annotations']), 1)
      item['soft_label'] = {'0.0': 1 - share, '1.0': share}
  corpus = lewidi.read(_write(tmp_path / 'MP', 'MP', parts))
  assert corpus.classes == ('0', '1')
  assert corpus.votes.annotator[0] == 'Ann0'
  assert corpus.labels.tolist() == [0, 1, 1, corpus_lib.UNLABELLED]
  assert corpus.values is None
  assert 'soft_label' not in heard.text
  parts['train']['10']['soft_label'] = {'0.0': 0.5, '1.0': 0.5}
  lewidi.read(_write(tmp_path / 'MP', 'MP', parts))
  assert "in 1 of 4 items, such as '10'; votes are taken" in heard.text


def test_labels_held_back_are_no_votes(tmp_path):
  parts = _sarcasm()
  parts['test']['13']['annotations'] = {'Ann1': '', 'Ann2': ''}
  corpus = lewidi.read(_write(tmp_path / 'CSC', 'CSC', parts))
  assert corpus.ids.tolist()[3] == '13'
  assert corpus.labels[3] == corpus_lib.UNLABELLED
  assert 3 not in corpus.votes.clip


def test_lists_between_commas(tmp_path, heard):
  corpus = lewidi.read(_write(tmp_path / 'B', 'HS-Brexit', _brexit()))
  assert corpus.classes == ('0', '1')
  # The published label, of a tie too.
  assert corpus.labels.tolist() == [0, 1, 1]
  assert corpus.votes.annotator.tolist() == [
    *('Ann1', 'Ann2', 'Ann3', 'Ann1', 'Ann2', 'Ann3', 'Ann1')
  ]
  assert corpus.votes.label.tolist() == [0, 0, 1, 0, 1, 1, 1]
  assert corpus.metadata['Domain'].tolist() == ['BLM'] * 3
  assert corpus.groups.tolist() == ['1', '2', '3']
  assert 'soft_label' not in heard.text


def test_severity_and_abuse(tmp_path, heard):
  corpora = lewidi.read(_write(tmp_path / 'A', 'ConvAbuse', _abuse()))
  assert list(corpora) == ['abuse', 'severity']
  abuse, severity = corpora.values()
  assert abuse.vote_counts().tolist() == [[1, 2], [3, 0], [2, 1]]
  assert abuse.labels.tolist() == [1, 0, 0]
  assert severity.values.tolist() == [-3, -2, -1, 0, 1]
  assert severity.scores.tolist() == [-4 / 3, 2 / 3, 0]
  assert abuse.groups.tolist() == ['1', '1', '3']
  assert abuse.metadata['transcript'][2] == 'Hi\nd'
  assert 'soft_label' not in heard.text


def _put(place, value):
  *path, last = place

  def damage(parts):
    target = parts
    for key in path:
      target = target[key]
    target[last] = value

  return damage


_MUTATIONS = {
  'a list': (_put(['train'], [1]), 'expected an object of items by id'),
  'no items': (_put(['dev'], {}), 'dev.json: expected an object of items'),
  'an item that is a text': (
    _put(['train', '1'], 'x'),
    "item '1': expected an object of keys and values",
  ),
  'a split that is none': (
    _put(['train', '1', 'split'], 'practice'),
    "item '1': 'split': 'practice' is not train, dev or test",
  ),
  'no text': (
    _put(['train', '1', 'text'], ''),
    "'text' is missing, or no text",
  ),
  'a text that is a number': (
    _put(['train', '1', 'text'], 3),
    "'text' is missing, or no text",
  ),
  'fields without text': (
    _put(['train', '1', 'text'], {'post': ' '}),
    "'text' is missing, or no text",
  ),
  'shares that are a list': (
    _put(['train', '1', 'soft_label'], [0.5]),
    "'soft_label': expected an object of shares",
  ),
  'too few labels': (
    _put(['train', '1', 'annotations'], '0,1'),
    "'annotations' has 2 labels, 'annotators' 3",
  ),
  'too few annotators': (
    _put(['train', '1', 'annotators'], 'Ann1'),
    "'annotations' has 3 labels, 'annotators' 1",
  ),
  'no annotators': (
    _put(['train', '1', 'annotators'], None),
    "'annotations': expected labels by annotator",
  ),
  'annotations that are a list': (
    _put(['train', '1', 'annotations'], [0, 1]),
    "'annotations': expected labels by annotator",
  ),
  'an empty label': (
    _put(['train', '1', 'annotations'], '0,,1'),
    "'annotations': '' is no label",
  ),
  'a label that is a list': (
    _put(['train', '1', 'annotations'], {'Ann1': ['0']}),
    "'annotations': ['0'] is no label",
  ),
  'an annotator without a name': (
    _put(['train', '1', 'annotators'], 'Ann1,,Ann3'),
    'an annotator has no name',
  ),
  'an annotator twice': (
    _put(['train', '1', 'annotators'], 'Ann1,Ann2,Ann2'),
    "'Ann2' voted for '1' on text twice",
  ),
  'nobody has annotated': (
    lambda parts: [
      _put([split, key, 'annotations'], {})(parts)
      for split, key in (('train', '1'), ('dev', '2'), ('test', '3'))
    ],
    'no item has annotations',
  ),
  'one class alone': (
    lambda parts: [
      item.update(annotations={'Ann1': '0'}, hard_label='0')
      for items in parts.values()
      for item in items.values()
    ],
    'expected two or more labels, found 0',
  ),
  'a label that is a number of something else': (
    _put(['train', '1', 'hard_label'], '2'),
    "item '1': 'hard_label': '2' is no label that an annotator gave",
  ),
  'a label that is a list of labels': (
    _put(['train', '1', 'hard_label'], ['0']),
    "item '1': 'hard_label': ['0'] is no label",
  ),
  'an id in two spellings': (
    lambda parts: parts.update(
      train={'a': parts['train']['1'], 'A': parts['train']['1']}
    ),
    "clip 'A' is there twice in another spelling",
  ),
  'every item of a file': (
    _put(['train'], {str(i): {'text': ''} for i in range(9)}),
    "'text' is missing, or no text (9 times: items 0, 1, 2, ...)",
  ),
}


@pytest.mark.parametrize('name', _MUTATIONS)
def test_one_fault_has_one_line(tmp_path, name):
  damage, message = _MUTATIONS[name]
  parts = copy.deepcopy(_brexit())
  damage(parts)
  folder = _write(tmp_path / 'B', 'HS-Brexit', parts)
  with pytest.raises(errors.InputError) as caught:
    lewidi.read(folder)
  (line,) = str(caught.value).splitlines()
  assert line.startswith(str(folder))
  assert message in line


@pytest.mark.parametrize(
  ('name', 'data', 'message'),
  [
    ('B_train.json', b'{"1": {},}', 'B_train.json:1: is not JSON'),
    ('B_train.json', b'', 'B_train.json:1: is not JSON'),
    ('B_train.json', b'\xff', 'B_train.json: is not UTF-8 text'),
    ('C_train.json', b'{}', 'B_train.json, C_train.json: several sets'),
  ],
)
def test_one_fault_of_a_file_has_one_line(tmp_path, name, data, message):
  folder = _write(tmp_path / 'B', 'B', _brexit())
  (folder / name).write_bytes(data)
  with pytest.raises(errors.InputError) as caught:
    lewidi.read(folder)
  (line,) = str(caught.value).splitlines()
  assert line.startswith(str(folder))
  assert message in line


def test_ratings_out_of_range_are_told_once(tmp_path):
  parts = _sarcasm()
  for name in ('10', '11'):
    parts['train'][name]['annotations']['Ann1'] = '7'
  folder = _write(tmp_path / 'CSC', 'CSC', parts)
  with pytest.raises(errors.InputError) as caught:
    lewidi.read(folder)
  assert str(caught.value) == (
    f"{folder}: clip '10': '7' is not one of 1, 2, 3, 4, 5, 6 (2 times: clips "
    '10, 11)'
  )


def test_a_folder_without_splits_is_told(tmp_path):
  (tmp_path / 'x.json').write_text('{}')
  with pytest.raises(errors.InputError, match=r'expected SET_train\.json'):
    lewidi.read(tmp_path)


def test_one_file_may_be_given(tmp_path):
  folder = _write(tmp_path / 'B', 'B', _brexit())
  corpus = lewidi.read(folder / 'B_train.json')
  assert corpus.ids.tolist() == ['1']
  assert 'published_split' not in corpus.metadata
