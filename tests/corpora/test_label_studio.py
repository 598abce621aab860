import copy
import dataclasses
import json
import logging

import numpy as np
import pytest

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import simulate
from empathy.corpora.importers import label_studio


def _result(control, kind, value):
  return {
    'id': 'Dx_aB91ISN',
    'type': kind,
    'from_name': control,
    'to_name': 'clip',
    'value': {kind: value},
  }


def _annotation(who, *results, **more):
  return {
    'id': 1,
    'completed_by': who,
    'result': list(results),
    'was_cancelled': False,
    'ground_truth': False,
    'created_at': '2026-03-09T22:16:08.728353Z',
    'updated_at': '2026-03-09T22:16:08.728353Z',
    'lead_time': 4.3,
  } | more


def _choice(name):
  return _result('emotion', 'choices', [name])


def _tasks():
  return [
    {
      'id': 11,
      'data': {
        'id': 'a',
        'text': 'I see',
        'speaker': 'S1',
        'audio': '/data/upload/3/1a2b3c4d-a.wav',
        'year': 2020,
      },
      'annotations': [
        _annotation(1, _choice('sad')),
        _annotation({'id': 2, 'email': 'b@c.org'}, _choice('sad')),
        _annotation(3, _choice('happy')),
        _annotation(3, was_cancelled=True),
      ],
      'predictions': [{'score': 0.1, 'result': []}],
    },
    {
      'id': 12,
      'data': {
        'id': 'b',
        'text': '',
        'speaker': 'S2',
        'audio': '/data/local-files/?d=media/b.wav',
      },
      'annotations': [
        _annotation(1, _choice('happy')),
        _annotation(
          2, _choice('sad'), ground_truth=True, updated_at='2026-03-10'
        ),
        _annotation(2, _choice('happy')),
      ],
    },
    {
      'id': 13,
      'data': {'id': 'c', 'text': 'Oh', 'speaker': 'S1'},
      'annotations': [],
    },
  ]


@pytest.fixture(name='heard')
def _heard(caplog, monkeypatch):
  monkeypatch.setattr(logging.getLogger('empathy'), 'propagate', True)
  caplog.set_level(logging.INFO, logger='empathy')
  return caplog


def _write(path, tasks):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(json.dumps(tasks), encoding='utf-8')
  return path


def _votes(corpus):
  """What was voted, as a sorted list of (id, condition, annotator, class)."""
  votes = corpus.votes
  return sorted(
    zip(
      corpus.ids[votes.clip].tolist(),
      np.array(corpus.conditions)[votes.condition].tolist(),
      votes.annotator.tolist(),
      np.array(corpus.classes)[votes.label].tolist(),
      votes.count.tolist(),
      strict=True,
    )
  )


def test_an_export_becomes_a_corpus(tmp_path, heard):
  _write(tmp_path / 'export' / 'project.json', _tasks())
  for name in ('uploads/a.wav', 'more/b.wav'):
    path = tmp_path / 'export' / name
    path.parent.mkdir()
    path.write_bytes(b'')
  corpus = label_studio.read(tmp_path / 'export')
  assert corpus.ids.tolist() == ['a', 'b', 'c']
  assert corpus.groups.tolist() == ['S1', 'S2', 'S1']
  assert corpus.classes == ('happy', 'sad')
  assert corpus.modalities == ('text', 'audio')
  assert corpus.conditions == ('audio', 'text+audio')
  assert _votes(corpus) == [
    ('a', 'text+audio', '1', 'sad', 1),
    ('a', 'text+audio', '3', 'happy', 1),
    ('a', 'text+audio', 'b@c.org', 'sad', 1),
    ('b', 'audio', '1', 'happy', 1),
    ('b', 'audio', '2', 'sad', 1),
  ]
  # The plurality, what is marked as true, and nothing.
  assert corpus.labels.tolist() == [1, 1, corpus_lib.UNLABELLED]
  assert corpus.metadata['transcript'].tolist() == ['I see', '', 'Oh']
  assert corpus.metadata['year'].tolist() == ['2020', '', '']
  assert corpus.metadata['audio'].tolist() == [
    str(tmp_path / 'export' / 'uploads' / 'a.wav'),
    str(tmp_path / 'export' / 'more' / 'b.wav'),
    '',
  ]
  assert 'left out: cancelled annotations' in heard.text
  assert 'left out: earlier annotations by the same' in heard.text
  corpus_lib.write(corpus, tmp_path / 'corpus')
  assert _votes(corpus_lib.read(tmp_path / 'corpus')) == _votes(corpus)


def test_addresses_of_files_that_are_elsewhere_come_back(tmp_path, heard):
  path = _write(tmp_path / 'project.json', _tasks())
  corpus = label_studio.read(path)
  assert corpus.metadata['audio_address'].tolist() == [
    *('/data/upload/3/1a2b3c4d-a.wav', '/data/local-files/?d=media/b.wav', '')
  ]
  again = label_studio.tasks(corpus, corpus.ids.tolist(), 'x')
  assert [task['data'].get('audio') for task in again] == [
    *('/data/upload/3/1a2b3c4d-a.wav', '/data/local-files/?d=media/b.wav', None)
  ]
  assert [task['data']['condition'] for task in again] == [
    *('text+audio', 'audio', 'text')
  ]


def test_tasks_that_show_less_than_was_rated_are_told(tmp_path, heard):
  corpus = label_studio.read(_write(tmp_path / 'project.json', _tasks()))
  del corpus.metadata['audio_address']
  tasks = label_studio.tasks(corpus, ['a'], 'x')
  assert tasks[0]['data']['condition'] == 'text'
  assert "1 clip, such as 'a': rated on text+audio, but the tasks" in heard.text


def test_ratings_are_values_and_controls_are_labels(tmp_path):
  def both(who, stars, percent):
    return _annotation(
      who,
      _result('empathy', 'rating', stars),
      _result('distress %', 'number', percent),
    )

  tasks = [
    {'id': 1, 'data': {'text': 'a'}, 'annotations': [both(1, 5, 12.5)]},
    {
      'id': 2,
      'data': {'text': 'b'},
      'annotations': [both(1, 2, 80), both(2, 3, 0)],
    },
  ]
  corpora = label_studio.read(_write(tmp_path / 'a.json', tasks))
  assert list(corpora) == ['empathy', 'distress']
  stars, percent = corpora.values()
  # All of the range, though nobody gave four.
  assert stars.values.tolist() == [2, 3, 4, 5]
  assert stars.scores.tolist() == [5, 2.5]
  assert stars.votes.scores.tolist() == [5, 2, 3]
  assert percent.info['scale'] == [0, 80]
  assert percent.votes.scores.tolist() == [12.5, 80, 0]
  assert percent.scores.tolist() == [12.5, 40]
  assert stars.ids.tolist() == ['1', '2']
  corpus_lib.write(corpora, tmp_path / 'corpus')
  again = corpus_lib.read(tmp_path / 'corpus', label='distress')
  assert again.votes.scores.tolist() == [12.5, 80, 0]


def test_several_choices_are_a_label_each(tmp_path):
  tasks = [
    {
      'id': number,
      'data': {'text': 'a'},
      'annotations': [
        _annotation(who, _result('feels', 'choices', names))
        for who, names in enumerate(said)
      ],
    }
    for number, said in enumerate([[['sad', 'very angry'], ['sad']], [['joy']]])
  ]
  corpora = label_studio.read(_write(tmp_path / 'a.json', tasks))
  assert list(corpora) == ['joy', 'sad', 'very_angry']
  assert corpora['sad'].votes.label.tolist() == [1, 1, 0]
  assert corpora['very_angry'].votes.label.tolist() == [1, 0, 0]
  assert corpora['joy'].labels.tolist() == [0, 1]
  assert corpora['joy'].classes == ('no', 'yes')
  corpus_lib.write(corpora, tmp_path / 'corpus')
  assert corpus_lib.label_names(tmp_path / 'corpus') == tuple(corpora)


def test_what_is_of_a_part_or_no_label_is_left_out(tmp_path, heard):
  tasks = _tasks()
  part = _result('emotion', 'choices', ['happy'])
  part['value'] |= {'start': 0, 'end': 2}
  tasks[0]['annotations'][0]['result'] += [
    part,
    _result('why', 'textarea', ['because']),
  ]
  corpus = label_studio.read(_write(tmp_path / 'a.json', tasks))
  assert len(corpus.votes.clip) == 5
  assert 'left out: results of parts of a clip (choices)' in heard.text
  assert 'left out: textarea' in heard.text


def test_taxonomies_dialogues_and_films(tmp_path):
  tasks = [
    {
      'id': number,
      'data': {
        'dialogue': [{'author': 'A', 'text': 'Hm'}, {'text': 'Yes'}],
        'film': f'https://a.org/{number}.mp4?key=1',
        'group': f'g{number}',
      },
      'completions': [
        _annotation(1, _result('t', 'taxonomy', [['bad', 'sad']][: number + 1]))
      ],
    }
    for number in range(2)
  ]
  tasks[1]['completions'][0]['result'][0]['value']['taxonomy'] = [['good']]
  corpus = label_studio.read(_write(tmp_path / 'a.json', tasks))
  assert corpus.classes == ('bad / sad', 'good')
  assert corpus.conditions == ('text+audio+video',)
  assert corpus.metadata['transcript'][0] == 'A: Hm\nYes'
  assert corpus.groups.tolist() == ['g0', 'g1']


def test_what_was_shown_and_the_scale_can_be_told(tmp_path, heard):
  tasks = [
    {
      'id': number,
      'data': {'film': f'{number}.mp4', 'text': 'a'},
      'annotations': [_annotation(1, _result('empathy', 'rating', number + 2))],
    }
    for number in range(2)
  ]
  path = _write(tmp_path / 'a.json', tasks)
  corpus = label_studio.read(path, 'AV', {'': (1, 5)})
  assert corpus.values.tolist() == [1, 2, 3, 4, 5]
  assert corpus.conditions == ('audio+video',)
  assert '--scale' not in heard.text
  tasks.append(tasks[0] | {'id': 2})
  tasks[2]['annotations'] = [_annotation(1, _result('empathy', 'rating', 4))]
  corpus = label_studio.read(_write(path, tasks), 'video')
  assert corpus.values.tolist() == [2, 3, 4]
  assert 'taken for values from 2 to 4; --scale=LOW,HIGH would' in heard.text
  with pytest.raises(errors.InputError, match="'smell': expected text"):
    label_studio.read(path, 'smell')


def _put(place, value):
  *path, last = place

  def damage(tasks):
    target = tasks
    for key in path:
      target = target[key]
    target[last] = value

  return damage


_RESULT = (0, 'annotations', 0, 'result', 0)
_MUTATIONS = {
  'no list': (lambda tasks: 'x', 'expected a list of tasks'),
  'an empty list': (lambda tasks: [], 'expected a list of tasks'),
  'a task that is a number': (_put([1], 3), 'task 2: expected an object'),
  'JSON-MIN': (
    lambda tasks: [{'id': 1, 'emotion': 'sad', 'annotator': 1}],
    "task 1: 'data' is missing; export as JSON, not as JSON-MIN",
  ),
  'all tasks without data': (
    lambda tasks: [{'id': i} for i in range(9)],
    "'data' is missing; export as JSON, not as JSON-MIN (9 times: tasks 1, 2, "
    '3, ...)',
  ),
  'an id that is a list': (
    _put([0, 'data', 'id'], [1]),
    "task 1: 'id': expected a number or a text",
  ),
  'an empty id': (_put([0, 'data', 'id'], ' '), "task 1: 'id': expected"),
  'nothing to perceive': (
    _put([1, 'data'], {'id': 'b', 'image': 'x.png'}),
    "task 2: 'data' has no text, sound or video",
  ),
  'a condition that is none': (
    _put([1, 'data', 'condition'], 'smell'),
    "task 2: 'condition': 'smell'",
  ),
  'annotations that are none': (
    _put([0, 'annotations'], {'a': 1}),
    "task 1: 'annotations': expected a list",
  ),
  'an annotation that is a text': (
    _put([0, 'annotations', 0], 'x'),
    "task 1: an annotation has no list 'result'",
  ),
  'a result that is no list': (
    _put([0, 'annotations', 0, 'result'], None),
    "task 1: an annotation has no list 'result'",
  ),
  'an annotator that is a list': (
    _put([0, 'annotations', 0, 'completed_by'], [1]),
    "task 1: 'completed_by': expected a number or a person",
  ),
  'an annotator without a name': (
    _put([0, 'annotations', 0, 'completed_by'], {'role': 'x'}),
    "task 1: 'completed_by': expected a number or a person",
  ),
  'a result that is a text': (
    _put(_RESULT, 'sad'),
    'task 1: a result is no object',
  ),
  'a result without a control': (
    _put([*_RESULT, 'from_name'], None),
    "task 1: 'from_name' is missing in a result",
  ),
  'choices that are a text': (
    _put([*_RESULT, 'value', 'choices'], 'sad'),
    "task 1: 'emotion': expected a list of names, got 'sad'",
  ),
  'choices that are numbers': (
    _put([*_RESULT, 'value', 'choices'], [1]),
    "task 1: 'emotion': expected a list of names, got [1]",
  ),
  'a value that is a text': (
    _put([*_RESULT, 'value'], 'sad'),
    "task 1: 'emotion': expected a list of names, got None",
  ),
  'a rating that is a text': (
    _put(_RESULT, _result('emotion', 'rating', 'five')),
    "task 1: 'emotion': expected a number, got 'five'",
  ),
  'a rating that is true': (
    _put(_RESULT, _result('emotion', 'rating', True)),
    "task 1: 'emotion': expected a number, got True",
  ),
  'two results of a control': (
    _put([0, 'annotations', 0, 'result'], [_choice('sad'), _choice('happy')]),
    "task 1: an annotation has two results of 'emotion'",
  ),
  'two tasks of one clip that differ': (
    _put([1, 'data', 'id'], 'a'),
    "task 2: clip 'a' is in another task too, with another '",
  ),
  'two spellings of an id': (
    _put([1, 'data', 'id'], 'A'),
    "clip 'A' is there twice in another spelling",
  ),
  'nobody has annotated': (
    lambda tasks: [task | {'annotations': []} for task in tasks],
    'no task has an annotation with choices, a rating or a number',
  ),
  'one class alone': (
    lambda tasks: [tasks[0] | {'annotations': tasks[0]['annotations'][:1]}],
    'expected two or more labels, found sad',
  ),
  'a start that is a word': (
    _put([0, 'data', 'start'], 'soon'),
    "'start': 'soon' is not a time",
  ),
  'a rating without end': (
    _put(_RESULT, _result('emotion', 'rating', float('inf'))),
    "task 1: 'emotion': expected a number, got inf",
  ),
}


@pytest.mark.parametrize('name', _MUTATIONS)
def test_one_fault_has_one_line(tmp_path, name):
  damage, message = _MUTATIONS[name]
  tasks = copy.deepcopy(_tasks())
  changed = damage(tasks)
  tasks = tasks if changed is None else changed
  path = _write(tmp_path / 'a.json', tasks)
  with pytest.raises(errors.InputError) as caught:
    label_studio.read(path)
  (line,) = str(caught.value).splitlines()
  assert line.startswith(f'{path}: ')
  assert message in line


@pytest.mark.parametrize(
  ('data', 'message'),
  [
    (b'', ':1: is not JSON'),
    (b'[{"id": 1,}]', ':1: is not JSON'),
    (b'\xff\xfe', ': is not UTF-8 text'),
    (b'[' * 100_000, ': is not JSON'),
    (b'9' * 10_000, ': is not JSON'),
  ],
)
def test_what_is_no_json_is_told(tmp_path, data, message):
  path = tmp_path / 'a.json'
  path.write_bytes(data)
  with pytest.raises(errors.InputError) as caught:
    label_studio.read(tmp_path)
  (line,) = str(caught.value).splitlines()
  assert line.startswith(f'{path}{message}')


def test_two_exports_are_not_guessed_between(tmp_path):
  for name in ('a.json', 'b.json'):
    _write(tmp_path / name, _tasks())
  with pytest.raises(errors.InputError, match=r'found a\.json, b\.json'):
    label_studio.read(tmp_path)


@pytest.fixture(name='base', scope='module')
def _base(tmp_path_factory):
  """A corpus folder whose clips can be shown."""
  folder = tmp_path_factory.mktemp('base')
  parameters = simulate.Parameters(num_clips=40, num_groups=8, width=4)
  corpus, _ = simulate.simulate(parameters, 0)
  texts = np.array([f'words {i}' for i in range(40)])
  texts[7] = ''
  corpus = dataclasses.replace(
    corpus, metadata={'transcript': texts, 'audio': np.array(['a b.wav'] * 40)}
  )
  corpus_lib.write(corpus, folder / 'corpus')
  return folder / 'corpus'


def test_a_round_trip_keeps_every_id_and_vote(tmp_path, base):
  corpus = corpus_lib.read(base)
  ids = corpus.ids[np.random.default_rng(0).permutation(40)].tolist()
  tasks = label_studio.tasks(corpus, ids, 'empathy 1')
  assert [task['data']['id'] for task in tasks] == ids
  scores = [task['predictions'][0]['score'] for task in tasks]
  assert scores == sorted(scores)
  assert (scores[0], scores[-1]) == (0, 1)
  assert tasks[0]['predictions'][0] == {
    'model_version': 'empathy 1',
    'score': 0,
    'result': [],
  }
  task = tasks[ids.index(corpus.ids[1])]
  assert task['data']['audio'].endswith('corpus/a%20b.wav')
  assert task['data']['text'] == 'words 1'
  assert task['data']['condition'] == 'text+audio'
  task = tasks[ids.index(corpus.ids[7])]
  assert task['data']['condition'] == 'audio'
  # What Label Studio makes of them, and annotators of that: each condition's
  # votes, a task a clip and condition.
  votes, exported = corpus.votes, []
  for number, condition in enumerate(corpus.conditions):
    own = votes.of(number)
    for task in tasks:
      clip = corpus.ids.tolist().index(task['data']['id'])
      exported.append(
        task
        | {
          'id': len(exported),
          'project': 3,
          'data': task['data'] | {'condition': condition},
          'annotations': [
            _annotation(
              own.annotator[row], _choice(corpus.classes[own.label[row]])
            )
            for row in np.flatnonzero(own.clip == clip)
          ],
        }
      )
  again = label_studio.read(_write(tmp_path / 'export.json', exported))
  assert again.ids.tolist() == ids
  assert _votes(again) == _votes(corpus)
  assert len(_votes(again)) > 500
  groups = dict(zip(corpus.ids, corpus.groups, strict=True))
  assert again.groups.tolist() == [groups[name] for name in ids]
  # The label is what most have said, in the condition that shows all.
  counts = again.vote_counts('text+audio+video')
  sure = counts[:, 0] != counts[:, 1]
  assert sure.sum() > 30
  assert (again.labels == counts.argmax(axis=1))[sure].all()


def test_evaluate_writes_the_queue(tmp_path, base, server):
  done = server.run(
    'evaluate',
    *(f'--corpus={base}', '--output=study', '--label_studio=queue.json'),
    cwd=tmp_path,
  )
  assert done.status == 0, done.err
  tasks = json.loads((tmp_path / 'queue.json').read_text())
  signals = (tmp_path / 'study' / 'signals.csv').read_text().splitlines()
  assert [task['data']['id'] for task in tasks] == [
    line.split(',')[0] for line in signals[1:]
  ]
  assert 'tasks: queue.json  (40 clips)' in done.out
  done = server.run(
    'evaluate', '--compare', 'a', 'b', '--label_studio=q.json', cwd=tmp_path
  )
  assert done.status == 2
  assert done.err == ('error: --compare does not go with --label_studio\n')


def test_clips_that_cannot_be_shown_make_no_queue(base):
  corpus = dataclasses.replace(corpus_lib.read(base), metadata={})
  with pytest.raises(errors.InputError, match='no clip has a transcript'):
    label_studio.tasks(corpus, corpus.ids.tolist(), 'x')
