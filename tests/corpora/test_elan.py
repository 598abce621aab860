import logging

import pytest

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora.importers import elan


def _tier(name, annotations, more=''):
  return f'<TIER LINGUISTIC_TYPE_REF="t" TIER_ID="{name}" {more}>' + (
    f'{"".join(annotations)}</TIER>\n'
  )


def _annotation(inside, value):
  return (
    f'<ANNOTATION>{inside[:-1]}><ANNOTATION_VALUE>{value}</ANNOTATION_VALUE>'
    f'</{inside[1:].split()[0]}></ANNOTATION>'
  )


def _aligned(name, start, end, value):
  return _annotation(
    f'<ALIGNABLE_ANNOTATION ANNOTATION_ID="{name}" TIME_SLOT_REF1="{start}" '
    f'TIME_SLOT_REF2="{end}">',
    value,
  )


def _ref(name, parent, value):
  return _annotation(
    f'<REF_ANNOTATION ANNOTATION_ID="{name}" ANNOTATION_REF="{parent}">', value
  )


def _document(*tiers, media='a.mp4', mime='video/mp4', head=''):
  times = {'ts1': 0, 'ts2': 1500, 'ts3': 2000, 'ts4': 60500}
  slots = ''.join(
    f'<TIME_SLOT TIME_SLOT_ID="{name}" TIME_VALUE="{value}"/>'
    for name, value in times.items()
  )
  return (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    f'{head}<ANNOTATION_DOCUMENT AUTHOR="" FORMAT="3.0" VERSION="3.0">\n'
    '<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">\n'
    f'<MEDIA_DESCRIPTOR MEDIA_URL="file:elsewhere/{media}" MIME_TYPE="{mime}" '
    f'RELATIVE_MEDIA_URL="./{media}"/>\n</HEADER>\n'
    f'<TIME_ORDER>{slots}<TIME_SLOT TIME_SLOT_ID="ts5"/></TIME_ORDER>\n'
    f'{"".join(tiers)}</ANNOTATION_DOCUMENT>\n'
  )


def _dependent():
  """Two segments of a speaker that two annotators rated, one twice over."""
  return _document(
    _tier(
      'utterance@Ann',
      [
        _aligned('a1', 'ts1', 'ts2', 'I &lt;see&gt;'),
        _aligned('a2', 'ts3', 'ts4', 'Hm'),
      ],
      'PARTICIPANT="Ann"',
    ),
    _tier(
      'empathy@r1',
      [_ref('b1', 'a1', '4'), _ref('b2', 'a2', '1')],
      'PARENT_REF="utterance@Ann" PARTICIPANT="Ann"',
    ),
    _tier(
      'empathy_r2',
      [_ref('c1', 'a1', '5')],
      'PARENT_REF="utterance@Ann" ANNOTATOR="r2"',
    ),
    _tier('gesture', [_aligned('g1', 'ts1', 'ts2', 'nod')]),
  )


def _independent():
  """Two annotators who marked the same stretches, and a third another one."""
  return _document(
    _tier('transcript', [_aligned('t1', 'ts1', 'ts2', 'Hello')]),
    _tier(
      'emotion@r1',
      [
        _aligned('a1', 'ts1', 'ts2', 'sad'),
        _aligned('a2', 'ts3', 'ts4', 'joy'),
      ],
    ),
    _tier(
      'Emotion@r2',
      [
        _aligned('b1', 'ts1', 'ts2', 'joy'),
        _aligned('b2', 'ts3', 'ts4', 'joy'),
      ],
    ),
    _tier('emotion@r3', [_aligned('c1', 'ts2', 'ts4', 'sad')]),
    media='b c.wav',
    mime='audio/x-wav',
  )


def _write(path, text):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(text, encoding='utf-8')
  return path


@pytest.fixture(name='heard')
def _heard(caplog, monkeypatch):
  monkeypatch.setattr(logging.getLogger('empathy'), 'propagate', True)
  caplog.set_level(logging.INFO, logger='empathy')
  return caplog


def _votes(corpus):
  votes = corpus.votes
  return [
    (str(corpus.ids[clip]), str(who), corpus.classes[label])
    for clip, who, label in zip(
      votes.clip, votes.annotator, votes.label, strict=True
    )
  ]


def test_tiers_that_depend_on_segments(tmp_path, heard):
  _write(tmp_path / 'talks' / 'one.eaf', _dependent())
  (tmp_path / 'talks' / 'a.mp4').write_bytes(b'')
  corpus = elan.read(tmp_path / 'talks')
  assert corpus.ids.tolist() == ['one_0_1500', 'one_2000_60500']
  assert corpus.groups.tolist() == ['one', 'one']
  assert corpus.values.tolist() == [1, 2, 3, 4, 5]
  assert _votes(corpus) == [
    ('one_0_1500', 'r1', '4'),
    ('one_2000_60500', 'r1', '1'),
    ('one_0_1500', 'r2', '5'),
  ]
  assert corpus.scores.tolist() == [4.5, 1]
  assert corpus.conditions == ('audio+video',)
  assert corpus.modalities == ('text', 'audio', 'video')
  metadata = {name: own.tolist() for name, own in corpus.metadata.items()}
  assert metadata == {
    'transcript': ['I <see>', 'Hm'],
    'speaker': ['Ann', 'Ann'],
    'start': ['0.0', '2.0'],
    'end': ['1.5', '60.5'],
    'audio': [str(tmp_path / 'talks' / 'a.mp4')] * 2,
    'video': [str(tmp_path / 'talks' / 'a.mp4')] * 2,
  }
  assert "left out: tier 'gesture'" in heard.text
  assert 'left out: media' not in heard.text
  corpus_lib.write(corpus, tmp_path / 'corpus')
  assert _votes(corpus_lib.read(tmp_path / 'corpus')) == _votes(corpus)


def test_tiers_of_the_same_stretches(tmp_path):
  path = _write(tmp_path / 'two.eaf', _independent())
  corpus = elan.read(path)
  assert corpus.ids.tolist() == [
    'two_0_1500',
    'two_1500_60500',
    'two_2000_60500',
  ]
  assert _votes(corpus) == [
    ('two_0_1500', 'r1', 'sad'),
    ('two_2000_60500', 'r1', 'joy'),
    ('two_0_1500', 'r2', 'joy'),
    ('two_2000_60500', 'r2', 'joy'),
    ('two_1500_60500', 'r3', 'sad'),
  ]
  assert corpus.conditions == ('audio',)
  assert corpus.metadata['transcript'].tolist() == ['Hello', '', '']
  # A tie is of the first class.
  assert [corpus.classes[i] for i in corpus.labels] == ['joy', 'sad', 'joy']


def test_several_files_and_labels(tmp_path, heard):
  more = _tier(
    'distress@r1', [_ref('d1', 'a2', '7')], 'PARENT_REF="utterance@Ann"'
  ) + _tier(
    'distress@r2', [_ref('e1', 'a2', '3')], 'PARENT_REF="utterance@Ann"'
  )
  text = _dependent()[: -len('</ANNOTATION_DOCUMENT>\n')] + more
  _write(tmp_path / 'x' / 'one.eaf', text + '</ANNOTATION_DOCUMENT>')
  _write(tmp_path / 'y' / 'one.eaf', _dependent())
  corpora = elan.read(tmp_path)
  assert list(corpora) == ['empathy', 'distress']
  assert corpora['distress'].ids.tolist() == [
    *('x-one_0_1500', 'x-one_2000_60500', 'y-one_0_1500', 'y-one_2000_60500')
  ]
  assert corpora['distress'].votes.clip.tolist() == [1, 1]
  assert corpora['distress'].classes == ('3', '7')
  assert "participants of several files, such as 'Ann'" in heard.text
  assert 'media that are neither where a file says nor beside it (2)' in (
    heard.text
  )


def test_references_of_references_parts_and_no_times(tmp_path, heard):
  text = _document(
    _tier(
      'seg',
      [_aligned('a1', 'ts1', 'ts2', 'x'), _aligned('a2', 'ts2', 'ts5', 'y')],
    ),
    _tier('note', [_ref('n1', 'a1', 'why')], 'PARENT_REF="seg"'),
    _tier(
      'feel@r1',
      [_ref('f1', 'n1', 'sad')],
      'PARENT_REF="note"',
    ),
    _tier(
      'feel@r2',
      [_ref('g1', 'a1', 'joy'), _aligned('g2', 'ts1', 'ts2', 'joy')],
      'PARENT_REF="seg"',
    ),
    _tier('gloss', [_ref('h1', 'a1', 'z')], 'PARENT_REF="seg"'),
  )
  path = _write(tmp_path / 'a.eaf', text)
  corpus = elan.read(path, scale={'': (1, 5)})
  assert "holds words, such as 'joy': they are classes" in heard.text
  assert _votes(corpus) == [
    ('a_0_1500', 'r1', 'sad'),
    ('a_0_1500', 'r2', 'joy'),
  ]
  assert 'left out: annotations of parts of another' in heard.text
  assert 'left out: annotations without a time' in heard.text
  assert "left out: tier 'gloss'" in heard.text


def test_what_was_shown_and_the_scale_can_be_told(tmp_path):
  path = _write(tmp_path / 'a.eaf', _dependent())
  corpus = elan.read(path, 'video', {'empathy': (1, 7), '': (1, 7)})
  assert corpus.values.tolist() == list(range(1, 8))
  assert corpus.conditions == ('video',)
  with pytest.raises(errors.InputError, match="--shown: 'smell': expected"):
    elan.read(path, 'smell')


def _replace(old, new):
  def damage(text):
    assert old in text
    return text.replace(old, new, 1)

  return damage


_BOMB = (
  '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>\n<ANNOTATION_DOCUMENT'
)
_MUTATIONS = {
  'empty': (lambda text: '', ':1: is not XML: no element found'),
  'cut off': (lambda text: text[:900], ': is not XML'),
  'no XML': (lambda text: 'hello', ':1: is not XML: syntax error'),
  'another document': (
    _replace('<ANNOTATION_DOCUMENT', '<html'),
    ":2: 'html' is not an ANNOTATION_DOCUMENT",
  ),
  'entities': (
    _replace('<ANNOTATION_DOCUMENT', _BOMB),
    ':2: declares a document type or entities',
  ),
  'a file of this machine': (
    _replace(
      '<ANNOTATION_DOCUMENT',
      '<!DOCTYPE x [<!ENTITY f SYSTEM "file:secret">]><ANNOTATION_DOCUMENT',
    ),
    ':2: declares a document type or entities',
  ),
  'a document type elsewhere': (
    _replace(
      '<ANNOTATION_DOCUMENT',
      '<!DOCTYPE x SYSTEM "http://a.org/x.dtd"><ANNOTATION_DOCUMENT',
    ),
    'declares a document type or entities',
  ),
  'an entity that is not declared': (
    _replace('&lt;see', '&see;'),
    'is not XML: undefined entity',
  ),
  'another encoding': (_replace('UTF-8', 'UTF-99'), 'is not XML'),
  'frames': (
    _replace('"milliseconds"', '"PAL-frames"'),
    ":3: TIME_UNITS is 'PAL-frames'; expected milliseconds",
  ),
  'a time that is a word': (
    _replace('TIME_VALUE="1500"', 'TIME_VALUE="soon"'),
    ":6: TIME_VALUE is 'soon'; expected milliseconds",
  ),
  'a time below zero': (
    _replace('TIME_VALUE="1500"', 'TIME_VALUE="-5"'),
    ":6: TIME_VALUE is '-5'",
  ),
  'a time slot without a name': (
    _replace('TIME_SLOT_ID="ts2"', ''),
    ':6: TIME_SLOT_ID is missing',
  ),
  'a time slot that is not there': (
    _replace('TIME_SLOT_REF2="ts2"', 'TIME_SLOT_REF2="ts9"'),
    ":7: time slot 'ts9' is not there",
  ),
  'no end': (
    _replace('TIME_SLOT_REF2="ts2"', ''),
    ':7: TIME_SLOT_REF2 is missing',
  ),
  'an end before its start': (
    _replace('TIME_VALUE="60500"', 'TIME_VALUE="1900"'),
    ':7: ends at 1900 ms, not after its start, 2000 ms',
  ),
  'a tier without a name': (
    _replace('TIER_ID="gesture"', ''),
    ':10: TIER_ID is missing',
  ),
  'a tier twice': (
    _replace('TIER_ID="gesture"', 'TIER_ID="empathy@r1"'),
    ":10: tier 'empathy@r1' is there twice",
  ),
  'a parent that is not there': (
    _replace('PARENT_REF="utterance@Ann"', 'PARENT_REF="utterances"'),
    "tier 'empathy@r1' depends on 'utterances', which is not there",
  ),
  'an annotation without a name': (
    _replace('ANNOTATION_ID="b1"', ''),
    ':8: ANNOTATION_ID is missing',
  ),
  'an annotation twice': (
    _replace('ANNOTATION_ID="b2"', 'ANNOTATION_ID="b1"'),
    ":8: annotation 'b1' is there twice",
  ),
  'an annotation outside of tiers': (
    _replace(
      '</ANNOTATION_DOCUMENT>', f'{_ref("z", "a1", "4")}</ANNOTATION_DOCUMENT>'
    ),
    ":11: annotation 'z' is in no tier",
  ),
  'a reference to nothing': (
    _replace('ANNOTATION_REF="a2"', 'ANNOTATION_REF="a9"'),
    ":8: refers to annotation 'a9', which is not in the tier",
  ),
  'a reference to itself': (
    _replace('ANNOTATION_REF="a2"', 'ANNOTATION_REF="b2"'),
    ":8: refers to annotation 'b2', which is not in the tier",
  ),
  'no reference': (
    _replace('ANNOTATION_REF="a2"', ''),
    ':8: ANNOTATION_REF is missing',
  ),
  'a reference where a time is needed': (
    _replace('PARENT_REF="utterance@Ann" PARTICIPANT', 'PARTICIPANT'),
    ':8: refers to another annotation',
  ),
  'an origin that is a word': (
    _replace('MIME_TYPE', 'TIME_ORIGIN="x" MIME_TYPE'),
    "TIME_ORIGIN is 'x'; expected milliseconds",
  ),
  'two origins': (
    _replace(
      '</HEADER>',
      '<MEDIA_DESCRIPTOR MEDIA_URL="x.wav" TIME_ORIGIN="10"/></HEADER>',
    ),
    'its media have different TIME_ORIGIN',
  ),
  'somebody who rated twice': (
    _replace('ANNOTATION_REF="a2"', 'ANNOTATION_REF="a1"'),
    "'r1' voted for 'a_0_1500' on audio+video twice",
  ),
  'one rating alone': (
    lambda text: text.replace('>5<', '>4<').replace('>1<', '>4<'),
    'expected two or more labels, found 4',
  ),
}


@pytest.mark.parametrize('name', _MUTATIONS)
def test_one_fault_has_one_line(tmp_path, name):
  damage, message = _MUTATIONS[name]
  path = _write(tmp_path / 'a.eaf', damage(_dependent()))
  with pytest.raises(errors.InputError) as caught:
    elan.read(path)
  (line,) = str(caught.value).splitlines()
  assert line.startswith(str(path))
  assert message in line


def test_faults_of_several_files_are_told_at_once(tmp_path):
  for name in ('a', 'b'):
    _write(tmp_path / f'{name}.eaf', 'hello')
  with pytest.raises(errors.InputError) as caught:
    elan.read(tmp_path)
  assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(
  ('files', 'message'),
  [
    ({}, 'no .eaf below it'),
    (
      {
        'a.eaf': _document(_tier('gesture', [_aligned('g', 'ts1', 'ts2', 'x')]))
      },
      'no tier of ratings: expected names like empathy@annotator',
    ),
  ],
)
def test_what_holds_no_ratings_is_told(tmp_path, files, message):
  for name, text in files.items():
    _write(tmp_path / name, text)
  with pytest.raises(errors.InputError) as caught:
    elan.read(tmp_path)
  assert str(caught.value) == f'{tmp_path}: {message}'
