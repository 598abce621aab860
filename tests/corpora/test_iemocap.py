import logging

import numpy as np
import pytest

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora.importers import iemocap

_FILES = {
  'Session1/dialog/EmoEvaluation/Ses01F_impro01.txt': """\
% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]
C-E2:\tNeutral;\t()
C-E3:\tNeutral; Sadness;\t()
C-E4:\tAnger;\t(a little)
C-F1:\tNeutral state; Excited;\t(curious)
C-M1:\tAnger;\t()
A-E3:\tval 3; act 2; dom  2;\t()
A-E4:\tval 2; act 3; dom  ;\t(mixed)
A-F1:\tval 3; act 2; dom  1;\t()

[10.0100 - 11.3925]\tSes01F_impro01_M000\txxx\t[2.0000, 3.5000, 3.0000]
C-E2:\tFrustration;\t()
C-E3:\tOther;\t()
A-E3:\tval 2; act 4; dom  3;\t()
A-E4:\tval 2; act 3; dom  3;\t()
""",
  'Session2/dialog/EmoEvaluation/Ses02M_script01.txt': """\
% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[1.0 - 2.5]\tSes02M_script01_F000\texc\t[4.3333, 4.0000, 2.0000]
C-E1:\tExcited; Happiness; Surprise;\t()
A-E1:\tval 4; act 4; dom  2;\t()
""",
  'Session3/dialog/EmoEvaluation/Ses03F_impro02.txt': """\
% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[1.0 - 2.5]\tSes03F_impro02_F000\tdis\t[1.0, 5.0, 2.0]
C-E1:\tDisgust;\t()
""",
  'Session1/dialog/transcriptions/Ses01F_impro01.txt': (
    'Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.\n'
    'M: [a breath]\n'
    'Ses01F_impro01_M000 [010.0100-011.3925]: Do you have your forms?\n'
  ),
  'Session1/dialog/wav/Ses01F_impro01.wav': '.',
  'Session1/dialog/avi/DivX/Ses01F_impro01.avi': '.',
  'Session2/sentences/wav/Ses02M_script01/Ses02M_script01_F000.wav': '.',
}
_FIRST = 'Session1/dialog/EmoEvaluation/Ses01F_impro01.txt'


def write(folder, **changes):
  for name, text in (_FILES | changes).items():
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode('latin-1'))
  return folder


@pytest.fixture
def said(caplog, monkeypatch):
  monkeypatch.setattr(logging.getLogger('empathy'), 'propagate', True)
  return lambda: ' | '.join(caplog.messages)


def answers(corpus):
  own = corpus.votes
  labels = np.array(corpus.classes)[own.label].tolist()
  return list(
    zip(own.clip.tolist(), own.annotator.tolist(), labels, strict=True)
  )


def test_ratings_become_labels(tmp_path, said):
  source = write(tmp_path / 'iemocap')
  corpus_lib.write(iemocap.read(source), tmp_path / 'corpus')
  names = corpus_lib.label_names(tmp_path / 'corpus')
  assert len(names) == 4 + 10
  read = {
    name: corpus_lib.read(tmp_path / 'corpus', label=name) for name in names
  }
  emotion = read['emotion']
  assert emotion.ids.tolist() == [
    'Ses01F_impro01_F000',
    'Ses01F_impro01_M000',
    'Ses02M_script01_F000',
    'Ses03F_impro02_F000',
  ]
  assert emotion.groups.tolist() == ['Ses01F', 'Ses01M', 'Ses02F', 'Ses03F']
  assert emotion.fold.tolist() == [0, 0, 1, 2]
  labelled = np.array([*emotion.classes, ''])[emotion.labels].tolist()
  assert labelled == ['neutral', '', 'excited', 'disgust']
  assert emotion.conditions == ('audio+video',)
  assert answers(emotion) == [
    (0, 'E2', 'neutral'),
    (0, 'E3', 'neutral'),
    (0, 'E3 also', 'sadness'),
    (0, 'E4', 'anger'),
    (1, 'E2', 'frustration'),
    (1, 'E3', 'other'),
    (2, 'E1', 'excited'),
    (2, 'E1 also', 'happiness'),
    (2, 'E1 also 2', 'surprise'),
    (3, 'E1', 'disgust'),
  ]
  assert answers(read['names_sadness']) == [
    (0, 'E2', 'no'), (0, 'E3', 'yes'), (0, 'E4', 'no'), (1, 'E2', 'no'),
    (1, 'E3', 'no'), (2, 'E1', 'no'), (3, 'E1', 'no')
  ]  # fmt: skip
  assert read['valence'].scores.tolist() == [2.5, 2, 4.3333, 1]
  assert answers(read['activation'])[:2] == [(0, 'E3', '2'), (0, 'E4', '3')]
  # The second rater gave no dominance.
  assert answers(read['dominance'])[:2] == [(0, 'E3', '2'), (1, 'E3', '3')]
  told = emotion.metadata
  assert told['transcript'].tolist()[:2] == [
    'Excuse me.', 'Do you have your forms?'
  ]  # fmt: skip
  assert told['self_emotion'].tolist() == ['neutral, excited', '', '', '']
  # Turns of a whole dialogue are cut out of it; a sentence is cut already.
  wav = str(source / 'Session1/dialog/wav/Ses01F_impro01.wav')
  assert told['audio'].tolist()[:2] == [wav, wav]
  assert told['video'][0].endswith('DivX/Ses01F_impro01.avi')
  assert told['start'].tolist() == ['6.2901', '10.0100', '', '1.0']
  assert told['audio'][2].endswith('Ses02M_script01_F000.wav')
  assert '2 turns without transcripts' in said()


def test_labels_alone(tmp_path):
  source = write(tmp_path / 'iemocap')
  for name in ('transcriptions', 'wav', 'avi/DivX'):
    for path in source.glob(f'Session1/dialog/{name}/*'):
      path.unlink()
  found = iemocap.read(source)['emotion']
  assert found.modalities == ('audio',)  # The one sentence.
  next(source.glob('Session2/sentences/wav/*/*')).unlink()
  found = iemocap.read(source)['emotion']
  assert found.metadata['dialog_start'].tolist()[0] == '6.2901'
  assert 'start' not in found.metadata
  corpus_lib.write(found, tmp_path / 'corpus')


_TURN = '[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]'
_MUTATIONS = {
  'an emotion of no class': (
    '\tneu\t',
    '\tmeh\t',
    "'meh' is not one of neu, hap",
  ),
  'no emotion': (
    '\tneu\t',
    '\t',
    'is not [start - end] name emotion [v, a, d]',
  ),
  'no name': ('Ses01F_impro01_F000\t', '', 'is not [start - end] name'),
  'a name of another kind': (
    'Ses01F_impro01_F0',
    'Turn',
    'is not [start - end]',
  ),
  'no start': ('6.2901 - ', '', 'is not [start - end]'),
  'an end before the start': (
    '8.2357',
    '6.0',
    '6.0 is not after the start, 6.29',
  ),
  'an end at the start': ('8.2357', '6.2901', 'is not after the start'),
  'a time of two points': ('8.2357', '8.23.57', 'holds what is no number'),
  'a mean of no number': ('[2.5000,', '[2.5.0,', 'holds what is no number'),
  'a mean too large': ('[2.5000,', '[5.5,', 'are not all from 1 to 5'),
  'a mean too small': ('[2.5000,', '[0.0,', 'are not all from 1 to 5'),
  'two means': ('[2.5000, ', '[', 'is not [start - end] name emotion'),
  'a bracket left open': ('2.5000]', '2.5000', 'is not [start - end] name'),
  'a turn twice': ('impro01_M000', 'impro01_F000', 'there already'),
  'a rater names what is no class': (
    '\tAnger;\t(a',
    '\tRage;\t(a',
    "'Rage' is not",
  ),
  'a rater names two with a comma': (
    'Neutral; S',
    'Neutral, S',
    'is not one of',
  ),
  'a rating of another name': (
    'val 3; act 2; dom  2',
    'v 3',
    "'v 3' is not val",
  ),
  'a rating too large': (
    'val 3; act 2; dom  2',
    'val 6',
    "'val 6' is not val, act",
  ),
  'a rating of nought': (
    'val 3; act 2; dom  2',
    'val 0',
    "'val 0' is not val, act",
  ),
  'a rating with a fraction': (
    'val 3; act 2',
    'val 3.5; act 2',
    "'val 3.5' is not",
  ),
  'a rating that is a word': (
    'val 3; act 2',
    'val high; act 2',
    'is not val, act',
  ),
  'a line of no kind': (
    'C-E2:\tFru',
    'E2 says Fru',
    'is no turn, [start - end]',
  ),
  'a rating before any turn': (f'{_TURN}\n', '', "Neutral;\\t()' is no turn"),
  'another table': ('C-E2:\tFrustration;\t()', 'a,b,c', "'a,b,c' is no turn"),
  'a zero byte': ('(curious)', '(cur\0ious)', 'a zero byte'),
  'another encoding': ('(curious)', '(\x81)', 'is not UTF-8 text'),
}


@pytest.mark.parametrize('name', _MUTATIONS)
def test_one_fault_has_one_line(tmp_path, name):
  old, new, message = _MUTATIONS[name]
  assert old in _FILES[_FIRST]
  text = _FILES[_FIRST].replace(old, new, 1)
  source = write(tmp_path / 'iemocap', **{_FIRST: text})
  with pytest.raises(errors.InputError) as caught:
    iemocap.read(source)
  (line,) = str(caught.value).splitlines()
  assert line.startswith(f'{source / _FIRST}:')
  assert message in line


def test_a_fault_of_many_lines_is_told_once(tmp_path):
  text = _FILES[_FIRST].replace('val ', 'valence ')
  source = write(tmp_path / 'iemocap', **{_FIRST: text})
  with pytest.raises(errors.InputError) as caught:
    iemocap.read(source)
  assert str(caught.value) == (
    f"{source / _FIRST}:9: 'valence 3' is not val, act or dom from 1 to 5 "
    '(4 times: lines 9, 10, 16, ...)'
  )


def test_another_folder_is_told(server, tmp_path):
  (tmp_path / 'x').mkdir()
  done = server.run(
    'prepare', '--importer=iemocap', '--source=x', '--output=c', cwd=tmp_path
  )
  assert done.status == 2
  assert done.err == (
    'error: x: no Session*/dialog/EmoEvaluation/Ses*.txt in it\n'
  )
  assert [path.name for path in tmp_path.iterdir()] == ['x']
