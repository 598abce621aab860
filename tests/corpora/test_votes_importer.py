"""Ratings alone, in the layouts that people and tools save."""

import json
import logging
import pathlib
import tempfile

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from empathy import errors
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import sheets
from empathy.corpora.importers import votes


def put(path, text, encoding='utf-8'):
  path.parent.mkdir(exist_ok=True)
  path.write_bytes(text.encode(encoding))
  return path


def ballots(corpus):
  """(clip, condition, annotator, answer) of every vote, sorted."""
  own = corpus.votes
  answers = np.array(corpus.classes)[own.label].tolist()
  if own.scores is not None:
    answers = own.scores.tolist()
  return sorted(
    zip(
      corpus.ids[own.clip].tolist(),
      np.array(corpus.conditions)[own.condition].tolist(),
      own.annotator.tolist(),
      answers,
      strict=True,
    )
  )


@pytest.fixture
def said(caplog, monkeypatch):
  monkeypatch.setattr(logging.getLogger('empathy'), 'propagate', True)
  return lambda: ' | '.join(caplog.messages)


# Two items, three raters, one of whom left one out.
_EXPECTED = [
  ('a', 'item', 'p', 'yes'),
  ('a', 'item', 'q', 'no'),
  ('a', 'item', 'r', 'yes'),
  ('b', 'item', 'p', 'no'),
  ('b', 'item', 'q', 'no'),
]
_LONG = 'item;annotator;label\na;p;yes\na;q;no\na;r;yes\nb;p;no\nb;q;no\n'


def renamed(expected, **names):
  return [(*row[:2], names.get(row[2], row[2]), row[3]) for row in expected]


@pytest.mark.parametrize(
  ('name', 'text', 'names'),
  [
    ('x.csv', _LONG, {}),
    ('x.csv', _LONG.replace(';', ','), {}),
    ('x.tsv', _LONG.replace(';', '\t'), {}),
    ('x.csv', _LONG.replace('item;annotator;label', 'Clip ID;CODER;Vote'), {}),
    ('x.csv', _LONG.replace('item;annotator;label', 'Id;WorkerId;Answer'), {}),
    (
      'x.csv',
      'clip,annotator_1,annotator_2,annotator_3\na,yes,no,yes\nb,no,no,\n',
      {'p': 'annotator_1', 'q': 'annotator_2', 'r': 'annotator_3'},
    ),
    (
      'x.csv',
      'clip;Rater A;Rater B;Rater C;note\na;yes;no;yes;x\nb;no;no;-;\n',
      {'p': 'Rater A', 'q': 'Rater B', 'r': 'Rater C'},
    ),
    # POTATO: a column for each option of a schema, or one for the schema.
    (
      'x.csv',
      'user,instance_id,displayed_text,warm:::yes,warm:::no\np,a,t,1,\n'
      'q,a,t,,1\nr,a,t,true,false\np,b,u,,x\nq,b,u,,x\n',
      {},
    ),
    (
      'x.csv',
      'id,annotator,warmth,timestamp\na,p,yes,10:01\na,q,no,10:02\n'
      'a,r,yes,10:03\nb,p,no,10:04\nb,q,no,10:05\n',
      {},
    ),
    (
      'x.jsonl',
      '\n'.join(
        json.dumps({'id': i, 'annotator': a, 'warm': {'labels': {label: True}}})
        for i, _, a, label in _EXPECTED
      ),
      {},
    ),
  ],
)
def test_layouts_of_the_same_ratings(tmp_path, name, text, names):
  corpus = votes.read(put(tmp_path / name, text))
  shown = corpus.conditions[0]
  assert shown == ('text' if 'displayed_text' in text else 'item')
  expected = [(a, shown, b, c) for a, _, b, c in renamed(_EXPECTED, **names)]
  assert ballots(corpus) == sorted(expected)
  assert corpus.classes == ('no', 'yes')
  assert corpus.labels.tolist() == [1, 0]
  assert corpus.info['label_source'] == shown


@pytest.mark.parametrize('answers', ['words', 'values', 'scores'])
@hypothesis.settings(max_examples=25, deadline=None)
@hypothesis.given(data=st.data())
def test_long_wide_and_a_table_a_rater_are_the_same(answers, data):
  items = [f'c{i}' for i in range(data.draw(st.integers(2, 4)))]
  raters = [f'rater {i}' for i in range(data.draw(st.integers(2, 3)))]
  drawn = {
    'words': st.sampled_from(['joy', 'Sadness', 'none of it']),
    'values': st.integers(1, 5),
    'scores': st.decimals(0, 9, places=2),
  }[answers].map(str)
  cells = {
    (i, r): data.draw(st.one_of(st.just(''), drawn))
    for i in items
    for r in raters
  }
  # Two answers at least, and all items and raters there.
  cells[items[0], raters[0]] = {'words': 'joy', 'values': '1'}.get(
    answers, '0.5'
  )
  cells[items[0], raters[1]] = {'words': 'anger', 'values': '5'}.get(
    answers, '9.5'
  )
  cells[items[1], raters[0]] = {'words': 'joy', 'values': '3'}.get(answers, '2')
  for i in items:
    cells[i, raters[0]] = cells[i, raters[0]] or cells[items[0], raters[0]]
  comma = {'scores': data.draw(st.sampled_from('.,'))}.get(answers, '.')

  def cell(i, r):
    return cells[i, r].replace('.', comma)

  wide = [';'.join(['id', *raters])]
  wide += [';'.join([i, *(cell(i, r) for r in raters)]) for i in items]
  long = ['id;rater;rating']
  long += [f'{i};{r};{cell(i, r)}' for i in items for r in raters]
  with tempfile.TemporaryDirectory() as name:
    place = pathlib.Path(name)
    found = [
      votes.read(put(place / 'wide.csv', '\n'.join(wide))),
      votes.read(put(place / 'long.csv', '\n'.join(long))),
    ]
    (place / 'each').mkdir()
    for r in raters:
      rows = [f'{i};{cell(i, r)}' for i in items if cells[i, r]]
      if rows:
        put(place / 'each' / f'{r}.csv', '\n'.join(['id;rating', *rows]))
    found.append(votes.read(place / 'each'))
  assert ballots(found[0]) == ballots(found[1]) == ballots(found[2])
  expected = sorted(
    (i, 'item', r, text if answers == 'words' else float(text))
    for (i, r), text in cells.items()
    if text
  )
  assert ballots(found[0]) == expected
  for corpus in found:
    assert corpus.info['classes'] == found[0].info['classes']
    if answers != 'words':
      for row, i in enumerate(corpus.ids):
        mean = np.mean(
          [float(text) for (j, _), text in cells.items() if j == i and text]
        )
        assert corpus.scores[row] == pytest.approx(mean, abs=1e-12)


def test_numbers_are_values_or_a_scale(tmp_path, said):
  rows = 'id,rater,empathy,distress,kind\n' + ''.join(
    f'c{i},r{j},{1 + (i + j) % 4 + (i == 0)},"{i + j},5",{"ab"[j]}\n'
    for i in range(3)
    for j in range(2)
  )
  corpora = votes.read(put(tmp_path / 'x.csv', rows))
  assert list(corpora) == ['empathy', 'distress']
  assert corpora['empathy'].values.tolist() == [2, 3, 4]
  assert corpora['distress'].info['scale'] == [0, 4]
  assert corpora['distress'].votes.scores.tolist() == [
    0.5,
    1.5,
    1.5,
    2.5,
    2.5,
    3.5,
  ]
  assert corpora['empathy'].scores.tolist() == [2.5, 2.5, 3.5]
  assert 'is taken for values from 2 to 4; --scale=LOW,HIGH' in said()
  assert 'is taken for scores on a scale from 0 to 4' in said()
  corpora = votes.read(
    tmp_path / 'x.csv', scale={'empathy': (1, 7), 'distress': (0, 100)}
  )
  assert corpora['empathy'].values.tolist() == [1, 2, 3, 4, 5, 6, 7]
  assert corpora['distress'].info['scale'] == [0, 100]
  corpus_lib.write(corpora, tmp_path / 'corpus')
  read = corpus_lib.read(tmp_path / 'corpus', label='distress')
  assert ballots(read) == ballots(corpora['distress'])
  # Who said `a` is the rater's own, and no rating.
  assert 'kind' not in read.metadata


def test_a_table_a_rater_may_rate_several_things(tmp_path, said):
  for name, rows in (
    ('ann', 'a,1,3\nb,5,3\nc,2,3\n'),
    ('ben', 'a,2,1\nc,4,2\n'),
  ):
    text = f'conversation_id,warmth,advice\n{rows}'
    put(tmp_path / 'all' / f'{name}.csv', text)
  corpora = votes.read(tmp_path / 'all', scale={'': (1, 5)})
  assert list(corpora) == ['warmth', 'advice']
  assert ballots(corpora['advice']) == [
    ('a', 'item', 'ann', 3.0),
    ('a', 'item', 'ben', 1.0),
    ('b', 'item', 'ann', 3.0),
    ('c', 'item', 'ann', 3.0),
    ('c', 'item', 'ben', 2.0),
  ]
  assert "column 'conversation_id' is taken for what was rated" in said()
  assert 'ann.csv: is taken for one rater' in said()


@pytest.mark.parametrize('several', [False, True])
def test_votes_of_a_corpus_come_back(tmp_path, several):
  rows = ''.join(
    f'c{i},r{j},audio,{(i + 2 * j) % 5 + 1},"{i + j},25",{"xyz"[(i * j) % 3]}\n'
    for i in range(3)
    for j in range(3)
  )
  path = put(
    tmp_path / 'x.csv', 'id,rater,modality,empathy,distress,mood\n' + rows
  )
  columns = sheets.told(
    [f'label={"empathy|distress|mood" if several else "distress"}']
  )
  first = votes.read(path, columns, scale={'distress': (0, 10)})
  corpus_lib.write(first, tmp_path / 'corpus')
  again = votes.read(tmp_path / 'corpus' / 'votes.csv', scale={'': (0, 10)})
  if not several:
    first, again = {'': first}, {'': again}
  assert list(first) == list(again)
  for name, corpus in first.items():
    assert ballots(again[name]) == ballots(corpus)


def test_what_was_shown_is_found(tmp_path, said):
  text = (
    'clip,modality,rater,label\nx.mp4,T,p,a\nx.mp4,voice,p,b\nx.mp4,AV,p,a\n'
    'x.mp4,Video + text,p,b\nx.mp4,all,p,b\ny.mp4,face,p,a\ny.mp4,AV,p,a\n'
  )
  corpus = votes.read(put(tmp_path / 'x.csv', text))
  assert corpus.conditions == (
    'text', 'audio', 'video', 'text+video', 'audio+video', 'text+audio+video'
  )  # fmt: skip
  assert corpus.modalities == ('text', 'audio', 'video')
  plain = 'clip,rater,label\nx.wav,p,a\ny.flac,p,b\n'
  assert votes.read(put(tmp_path / 'y.csv', plain)).conditions == ('audio',)
  assert "votes are taken to be on 'audio'" in said()
  films = plain.replace('wav', 'mp4').replace('flac', 'mov')
  path = put(tmp_path / 'z.csv', films)
  assert votes.read(path).conditions == ('audio+video',)
  assert votes.read(path, shown='silent video').conditions == ('video',)


def test_all_is_what_there_is(tmp_path, said):
  text = 'clip,modality,rater,label\nx,{},p,a\nx,{},p,b\nx,{},p,a\ny,{},p,a\n'
  for words, names in (
    (('audio', 'face', 'Both', 'all'), ('audio', 'video', 'audio+video')),
    (('words', 'sound', 'both', 'both'), ('text', 'audio', 'text+audio')),
    (('smell', 'audio', 'smell+audio', 'audio'), None),
  ):
    path = put(tmp_path / 'x.csv', text.format(*words))
    conditions = votes.read(path).conditions
    assert conditions == (names or ('audio', 'smell', 'audio+smell'))
  assert 'taken for modalities of their own: smell' in said()


def test_a_label_beside_raters_is_no_vote(tmp_path):
  text = 'clip,label,coder_1,coder_2\nx,b,a,a\ny,a,b,\n'
  corpus = votes.read(put(tmp_path / 'x.csv', text))
  assert [row[2:] for row in ballots(corpus)] == [
    ('coder_1', 'a'), ('coder_2', 'a'), ('coder_1', 'b')
  ]  # fmt: skip
  assert corpus.metadata['given_label'].tolist() == ['b', 'a']
  assert corpus.labels.tolist() == [0, 1]


def test_columns_are_told(tmp_path):
  text = 'who,what,Anna,Ben,place\ns,1,x,y,h\ns,2,y,y,h\nt,3,,x,h\n'
  corpus = votes.read(
    put(tmp_path / 'x.csv', text),
    columns=sheets.told(['item=What', 'raters=anna|Ben', 'group=who']),
  )
  assert ballots(corpus) == [
    ('1', 'item', 'Anna', 'x'),
    ('1', 'item', 'Ben', 'y'),
    ('2', 'item', 'Anna', 'y'),
    ('2', 'item', 'Ben', 'y'),
    ('3', 'item', 'Ben', 'x'),
  ]
  assert corpus.groups.tolist() == ['s', 's', 't']
  assert corpus.metadata['place'].tolist() == ['h', 'h', 'h']
  corpora = votes.read(
    tmp_path / 'x.csv', columns=sheets.told(['item=what', 'label=Anna|Ben'])
  )
  assert list(corpora) == ['Anna', 'Ben']
  assert corpora['Ben'].votes.annotator.tolist() == ['', '', '']


# Two items, two raters, two labels.
_TWICE = {
  'empathy': [('a', 'R1', 'yes'), ('a', 'R2', 'no'), ('b', 'R2', 'yes')],
  'distress': [('a', 'R1', 'no'), ('a', 'R2', 'no'), ('b', 'R1', 'yes')],
}
_CELLS = 'a,yes,no,no,no\nb,,yes,yes,\n'


@pytest.mark.parametrize(
  ('header', 'names'),
  [
    ('R1 empathy,R1 distress,R2 empathy,R2 distress', ('R1', 'R2')),
    ('R1_Empathy,R1.distress,R2: empathy,R2 - distress', ('R1', 'R2')),
    ('empathy R1,distress R1,empathy R2,distress R2', ('R1', 'R2')),
    ('empathy (R1),distress (R1),empathy (R2),distress [R2]', ('R1', 'R2')),
    (
      'coder a/empathy,coder a/distress,coder b/empathy,coder b/distress',
      ('coder a', 'coder b'),
    ),
    (
      'empathy_annotator_1,distress_annotator_1,empathy_annotator_2,'
      'distress_annotator_2',
      ('annotator_1', 'annotator_2'),
    ),
    ('Ann empathy,Ann distress,Ben empathy,Ben distress', ('Ann', 'Ben')),
    ('empathy Ann,distress Ann,empathy Ben,distress Ben', ('Ann', 'Ben')),
  ],
)
def test_a_column_for_each_rater_and_label(tmp_path, said, header, names):
  text = f'id,{header}\n{_CELLS}'
  told = [f'raters={"|".join(names)}'] if 'Ann' in names else []
  corpora = votes.read(put(tmp_path / 'x.csv', text), columns=sheets.told(told))
  whose = dict(zip(('R1', 'R2'), names, strict=True))
  found = {
    name.casefold(): [(row[0], row[2], row[3]) for row in ballots(own)]
    for name, own in corpora.items()
  }
  assert found == {
    name: [(clip, whose[who], answer) for clip, who, answer in rows]
    for name, rows in _TWICE.items()
  }
  assert f'taken for the ratings of {names[0]}, {names[1]} on' in said()


def test_what_is_no_column_of_a_rater_and_label(tmp_path):
  # One label; remarks and what is no answer stay what they are.
  text = (
    'id,R1 empathy,R1 comment,R1 reason,R2 empathy,R2 reason,R3 mood\n'
    'a,x,one,c d,y,e f,s\nb,y,two,g h,x,i j,t\n'
  )
  corpus = votes.read(put(tmp_path / 'x.csv', text))
  assert [row[2:] for row in ballots(corpus)] == [
    ('R1', 'x'), ('R2', 'y'), ('R1', 'y'), ('R2', 'x')
  ]  # fmt: skip
  assert corpus.metadata['R1 reason'].tolist() == ['c d', 'g h']
  assert corpus.metadata['R3 mood'].tolist() == ['s', 't']
  for names in ('as_x,at_x', 'R1 x,R1 y', 'mean x,sd x', 'ra_x,rb_y'):
    put(tmp_path / 'x.csv', f'id,{names}\na,u,v\nb,v,u\n')
    with pytest.raises(errors.InputError, match='which columns hold'):
      votes.read(tmp_path / 'x.csv')


_SPLIT = 'id,R1 e,R1 d,R2 e,R2 d\na,1,no,2,yes\nb,3,yes,4,no\nc,5,no,5,no\n'
# By name: what is replaced by what, and what is said.
_SPLIT_MUTATIONS = {
  'a word among numbers': ('a,1', 'a,one', ":2: column 'R1 e': 'one' is"),
  'of the second rater': ('yes,4', 'yes,x', ":3: column 'R2 e': 'x' is"),
  'another word': ('5,no\n', '5,NOT SURE\n', None),
  'infinity': ('a,1', 'a,inf', "column 'R1 e': 'inf' is"),
  'a percentage': ('a,1', 'a,1%', "column 'R1 e': '1%' is"),
  'an item without a name': ('b,3', ',3', ":3: column 'id': is empty"),
  'an item that is missing': ('b,3', 'NA,3', ":3: column 'id': is empty"),
  'an item twice': ('b,3', 'a,3', "'R1' voted for this clip"),
  'a column twice': ('R2 e', 'R1 e', "column 'R1 e' is there twice"),
  'a field more': ('b,3', 'b,3,3', ':3: 6 fields; the header has 5'),
  'a field less': ('b,3,', 'b,', ':3: 4 fields; the header has 5'),
  'a quote left open': ('b,3', 'b,"3', 'is not CSV'),
  'means at the end': ('c,5', 'mean,5', 'looks like a mean or a sum'),
  'no item': ('id', 'x', "which column names what was rated? Found 'x'"),
  'no rows': (_SPLIT[23:], '', 'has no rows'),
  'no ratings': (_SPLIT[23:], 'a,,,,\nb,,,,\n', 'hold ratings'),
  'one answer': (_SPLIT[23:], 'a,1,no,1,no\nb,1,yes,1,no\n', 'two or more'),
  'a byte of nothing': ('b,3', 'b\0,3', ':3: a zero byte'),
  'thousands': ('a,1,', 'a,"1,234",', "'1,234' may be 1.234 or 1234"),
  'a header again': (
    'b,3,yes',
    'R2 e,id,R1 e,R1 d,R2 d\nb,3,yes',
    ':3: a head',
  ),
  'empty': (_SPLIT, '', 'is empty'),
  'a unit': ('a,1', 'a,1 pt', "column 'R1 e': '1 pt' is"),
  'one rater': ('R2', 'x', 'which columns hold ratings'),
  'raters of different labels': (
    'R1 e,R1 d,R2 e,R2 d',
    'R1 e,R1 d,R2 f,R2 g',
    'which columns hold ratings',
  ),
  'a condition of no kind': ('R1 d', 'condition', None),
  'a count that is none': ('R2 d', 'count', "column 'count': 'yes'"),
}


@pytest.mark.parametrize('name', _SPLIT_MUTATIONS)
def test_one_fault_of_raters_and_labels_has_one_line(tmp_path, name):
  old, new, says = _SPLIT_MUTATIONS[name]
  assert old in _SPLIT
  text = _SPLIT.replace(old, new, 1 + (old == 'R2'))
  path = put(tmp_path / 'x.csv', text)
  if says is None:
    assert votes.read(path)
    return
  with pytest.raises(errors.InputError) as caught:
    votes.read(path)
  (line,) = str(caught.value).splitlines()
  assert line.startswith(str(path))
  assert says in line


def test_what_is_the_same_of_an_item_is_its_own(tmp_path):
  text = (
    'id,utterance,speaker,rater,age,mood\na,Well,s1,p,30,low\na,Well,s1,q,41,low\n'
    'b,No,s2,p,30,high\nb,No,s2,q,41,low\n'
  )
  corpus = votes.read(put(tmp_path / 'x.csv', text))
  assert corpus.metadata['transcript'].tolist() == ['Well', 'No']
  assert corpus.groups.tolist() == ['s1', 's2']
  assert corpus.conditions == ('text',)
  assert [row[3] for row in ballots(corpus)] == ['low', 'low', 'high', 'low']


def test_counts_without_annotators(tmp_path, said):
  text = 'clip,label,count\na,x,5\na,y,2.0\nb,y,"3"\n'
  corpus = votes.read(put(tmp_path / 'x.csv', text))
  assert corpus.vote_counts().tolist() == [[5, 2], [0, 3]]
  assert 'no column annotator: who voted is not known' in said()


def prodigy(**keys):
  return {
    '_input_hash': 1,
    '_task_hash': 2,
    '_view_id': 'choice',
    'options': [{'id': 'joy', 'text': 'Joy'}, {'id': 'calm', 'text': 'Calm'}],
    'answer': 'accept',
    '_annotator_id': 'd-ann',
    '_session_id': 'd-ann',
    '_timestamp': 1,
    'meta': {'source': 'film'},
  } | keys


def lines(*rows):
  return '\n'.join(json.dumps(row) for row in rows) + '\n'


def test_choices_of_prodigy(tmp_path, said):
  text = lines(
    prodigy(text='A', accept=['joy']),
    prodigy(text='A', accept=['calm'], _annotator_id='d-ben'),
    prodigy(text='B', _input_hash=3, accept=['calm'], _annotator_id='d-ben'),
    prodigy(text='B', _input_hash=3, accept=[], answer='ignore'),
  )
  corpus = votes.read(put(tmp_path / 'x.jsonl', text))
  assert ballots(corpus) == [
    ('1', 'text', 'd-ann', 'joy'),
    ('1', 'text', 'd-ben', 'calm'),
    ('3', 'text', 'd-ben', 'calm'),
  ]
  assert corpus.metadata['transcript'].tolist() == ['A', 'B']
  assert 'left out: 1 row without an accepted answer' in said()


def test_several_choices_are_a_label_each(tmp_path):
  text = lines(
    prodigy(text='A', accept=['joy', 'calm']),
    prodigy(text='A', accept=[], _annotator_id='d-ben'),
    prodigy(text='B', _input_hash=3, accept=['calm']),
  )
  corpora = votes.read(put(tmp_path / 'x.jsonl', text))
  assert {name: [r[3] for r in ballots(c)] for name, c in corpora.items()} == {
    'accept_joy': ['yes', 'no', 'no'],
    'accept_calm': ['yes', 'no', 'yes'],
  }


def test_yes_and_no_of_prodigy(tmp_path):
  rows = [
    {'text': 'A', '_input_hash': 1, 'label': 'WARM', 'answer': 'accept'},
    {'text': 'B', '_input_hash': 2, 'label': 'WARM', 'answer': 'reject'},
    {'text': 'C', '_input_hash': 3, 'label': 'WARM', 'answer': 'ignore'},
  ]
  corpus = votes.read(put(tmp_path / 'x.jsonl', lines(*rows)))
  assert [(row[0], row[3]) for row in ballots(corpus)] == [
    ('1', 'accept'), ('2', 'reject')
  ]  # fmt: skip
  rows += [
    {'text': 'A', '_input_hash': 1, 'label': 'COLD', 'answer': 'reject'},
    {'text': 'B', '_input_hash': 2, 'label': 'COLD', 'answer': 'accept'},
  ]
  corpora = votes.read(put(tmp_path / 'x.jsonl', lines(*rows)))
  assert [row[3] for row in ballots(corpora['WARM'])] == ['accept', 'reject']
  assert [row[3] for row in ballots(corpora['COLD'])] == ['reject', 'accept']


_BASE = (
  'item;annotator;modality;rating;speaker\n'
  'a;p;audio;1;s\na;q;audio;2;s\na;p;video;3;s\na;q;video;4;s\n'
  'b;p;audio;5;t\nb;q;audio;1;t\nb;p;video;2;t\nb;q;video;5;t\n'
  'c;p;audio;3;t\nc;q;audio;3;t\nc;p;video;3;t\nc;q;video;3;t\n'
)
# By name: what is put in the place of what, and what is said.
_MUTATIONS = {
  'empty': (_BASE, '', 'is empty; expected a table'),
  'a header alone': (_BASE[39:], '', 'has no rows'),
  'no item': ('item', 'place', 'which column names what was rated? Found'),
  'no ratings': (
    'rating',
    'remarks',
    "which columns hold ratings? Found 'remarks', 'speaker'",
  ),
  'an item is missing': (
    '\nb;q;audio',
    '\n;q;audio',
    "column 'item': is empty",
  ),
  'an item is no name': ('\nb;q;audio', '\nnan;q;audio', "'item': is empty"),
  'a rating is a word': (';1;t', ';high;t', "'rating': 'high' is not a number"),
  'a rating is two': (';1;t', ';1 or 2;t', "'1 or 2' is not a number"),
  'a rating is infinite': (';1;t', ';inf;t', "'inf' is not a number"),
  'thousands': (';1;t', ';1,000;t', "'1,000' may be 1.000 or 1000"),
  'all say the same': (
    [';1;', ';2;', ';4;', ';5;'],
    ';3;',
    'expected two or more labels, found 3',
  ),
  'a condition is missing': ('b;q;audio', 'b;q;', "'modality': is empty"),
  'a condition is no name': ('b;q;audio', 'b;q;a/udio', 'is not modalities'),
  'a condition is half': ('b;q;audio', 'b;q;audio+', 'is not modalities'),
  'twice': (
    'b;q;audio',
    'b;p;Audio',
    "'p' voted for this clip and condition already",
  ),
  'a rater in two spellings': (
    'b;q;audio',
    'b; P ;audio',
    "'p' voted for this clip and condition already",
  ),
  'a field more': ('b;q;audio', 'b;q;;audio', ':7: 6 fields; the header has 5'),
  'a field less': ('b;q;audio', 'b;q', ':7: 4 fields; the header has 5'),
  'decimal commas between commas': (
    _BASE,
    'item,annotator,rating\na,p,1,5\na,q,2,5\n',
    ':2: 4 fields; the header has 3 columns: commas between columns and in',
  ),
  'decimal commas between commas, and columns without a name': (
    _BASE,
    'item,annotator,rating,,\na,p,1,5,\na,q,2,,\n',
    ":2: '5' is in a column without a name: commas between columns and in",
  ),
  'a column twice': ('speaker', 'item', "column 'item' is there twice"),
  'a quote left open': ('c;q;video', 'c;"q;video', 'is not CSV'),
  'a zero byte': ('c;q;video', 'c;q\0;video', ':13: a zero byte'),
  'another encoding': ('c;q;video', 'c;Łódź;video', 'is not UTF-8 text'),
  'a spreadsheet': ('item', 'PK\x03\x04', 'is a spreadsheet or an archive'),
  'a count of nought': (
    ['speaker', ';s\n', ';t\n'],
    ['count', ';1\n', ';0\n'],
    "'0' is not a number",
  ),
  'a row of means': (
    '\nc;q;video;3;t\n',
    '\nc;q;video;3;t\nMean;;;3.2;\n',
    ":14: column 'item': 'Mean' looks like a mean or a sum",
  ),
  'a header in another order': (
    '\nb;q;audio',
    '\nrating;item;annotator;modality;speaker\nb;q;audio',
    ':7: a header with its columns in another order',
  ),
  'leading zeros': (
    ['a;p;audio', 'b;', 'c;'],
    ['001;p;audio', '01;', '1;'],
    "items '001' and '01' are one number",
  ),
  'many votes of one': (
    ['speaker', ';s\n', ';t\n'],
    ['count', ';1\n', ';2\n'],
    "'count': a named annotator has one vote (8 times: lines",
  ),
}


@pytest.mark.parametrize('name', _MUTATIONS)
def test_one_fault_has_one_line(tmp_path, name):
  old, new, message = _MUTATIONS[name]
  text = _BASE
  news = new if isinstance(new, list) else [new] * 9
  for one, other in zip(
    old if isinstance(old, list) else [old], news, strict=False
  ):
    assert one in text
    text = text.replace(one, other)
  encoding = 'cp1250' if 'encoding' in name else 'utf-8'
  path = put(tmp_path / 'x.csv', text, encoding)
  with pytest.raises(errors.InputError) as caught:
    votes.read(path)
  (line,) = str(caught.value).splitlines()
  assert line.startswith(str(path))
  assert message in line


def rated(tmp_path, *more):
  """A table of 60 ratings from 1 to 7 of 20 items, and more ratings."""
  rows = [f'v{i};p{j};{(i + j) % 7 + 1}' for i in range(20) for j in range(3)]
  rows += [f'v{i};z;{text}' for i, text in enumerate(more)]
  return put(tmp_path / 'x.csv', '\n'.join(['item;rater;rating', *rows, '']))


@pytest.mark.parametrize(
  ('more', 'message'),
  [
    (['77'], '1 of 61 ratings lie apart from the others, 1 to 7: 77;'),
    (['-99'] * 7, '7 of 67 ratings lie apart from the others, 1 to 7: -99;'),
    (['9'] * 7, '7 of 67 ratings lie apart from the others, 1 to 7: 9;'),
    (["don't know"] * 8, '"don\'t know" is not a number (8 times: lines 62'),
  ],
)
def test_codes_among_numbers_are_refused(tmp_path, more, message):
  with pytest.raises(errors.InputError) as caught:
    votes.read(rated(tmp_path, *more))
  (line,) = str(caught.value).splitlines()
  assert message in line


def test_numbers_apart_are_taken_where_the_scale_is_told(tmp_path):
  path = rated(tmp_path, *['9'] * 7)
  assert votes.read(path, scale={'': (1, 9)}).classes[-1] == '9'
  path = rated(tmp_path, '8', '9')
  assert votes.read(path).info['values'] == [*range(1, 10)]


def test_sliders_go_from_0_to_100(tmp_path, said):
  values = range(2, 99, 3)
  rows = [f'{i // 3};{i % 3};{value}' for i, value in enumerate(values)]
  text = '\n'.join(['item;rater;rating', *rows, ''])
  path = put(tmp_path / 'x.csv', text)
  assert votes.read(path).info['scale'] == [0, 100]
  assert 'scores on a scale from 0 to 100' in said()


def test_steps_with_words_are_no_scale_and_that_is_said(tmp_path, said):
  words = ['1 - not at all', '2 - somewhat', '3 - very']
  rows = [f'{i};p;{words[i % 3]}' for i in range(6)]
  path = put(tmp_path / 'x.csv', '\n'.join(['item;rater;rating', *rows, '']))
  assert votes.read(path).classes == tuple(words)
  assert "3 classes without order, such as '1 - not at all'" in said()


def test_a_scale_of_an_unknown_label_is_refused(tmp_path):
  path = put(
    tmp_path / 'x.csv',
    'item;rater;empathy;distress\na;p;1;4\na;q;2;5\nb;p;3;2\nb;q;5;1\n',
  )
  with pytest.raises(errors.InputError) as caught:
    votes.read(path, scale={'emphaty': (1, 7), 'distress': (0, 10)})
  assert str(caught.value) == (
    "--scale: 'emphaty' is not one of the labels empathy, distress"
  )


def test_what_was_shown_is_a_modality(tmp_path):
  with pytest.raises(errors.InputError) as caught:
    votes.read(put(tmp_path / 'x.csv', _LONG), shown='vidoe')
  assert str(caught.value) == (
    "--shown: 'vidoe': expected text, audio and video joined by +"
  )


def test_names_of_files_and_of_items_are_one(tmp_path, said):
  (tmp_path / 'two').mkdir()
  put(tmp_path / 'two' / 'ann.csv', 'item,rating\nv0.mp4,1\nv1.mp4,2\n')
  put(tmp_path / 'two' / 'bob.csv', 'item,rating\nv0,1\nv1,1\n')
  corpus = votes.read(tmp_path / 'two')
  assert corpus.ids.tolist() == ['v0', 'v1']
  assert "'v0.mp4' and 'v0' are taken for one (2 items)" in said()
  assert 'no item was rated by two' not in said()


def test_raters_of_nothing_in_common_are_told(tmp_path, said):
  put(tmp_path / 'x.csv', 'item;rater;rating\na;p;1\nb;p;2\nc;q;1\nd;q;2\n')
  votes.read(tmp_path / 'x.csv')
  assert 'no item was rated by two of the 2 raters' in said()


def test_what_differs_within_an_item_is_left_out_and_said(tmp_path, said):
  corpus = votes.read(
    put(
      tmp_path / 'x.csv',
      'item;rater;label;score;age\na;p;x;1;30\na;q;y;5;40\n'
      'b;p;x;2;30\nb;q;y;3;40\n',
    )
  )
  assert not {'score', 'age'} & set(corpus.metadata)
  assert "what differs within an item: 'score', 'age'" in said()


@pytest.mark.parametrize(
  'text',
  [
    'item;rater;dimension;rating\na;p;warm;1\na;p;cold;5\na;q;warm;2\n'
    'a;q;cold;4\nb;p;warm;3\nb;p;cold;3\nb;q;warm;1\nb;q;cold;5\n',
    'item;dimension;r1;r2\na;warm;1;2\na;cold;5;4\nb;warm;3;1\nb;cold;3;5\n',
  ],
)
def test_a_dimension_is_a_label(tmp_path, text):
  corpora = votes.read(put(tmp_path / 'x.csv', text))
  assert [row[3] for row in ballots(corpora['warm'])] == [1, 2, 3, 1]
  assert [row[3] for row in ballots(corpora['cold'])] == [5, 4, 3, 5]
  own = put(tmp_path / 'y.csv', text.replace('dimension', 'aspect'))
  again = votes.read(own, {'dimension': ['aspect']})
  assert ballots(again['warm']) == ballots(corpora['warm'])


def test_a_choice_with_numbers_and_words_is_told(tmp_path, said):
  text = 'item;rater;label\n' + ''.join(
    f'{i};p;{i % 3 if i % 5 < 2 else "abc"[i % 3]}\n' for i in range(30)
  )
  votes.read(put(tmp_path / 'x.csv', text))
  assert "without order, for some are no numbers, such as 'a'" in said()


def test_the_base_has_no_fault(tmp_path):
  corpus = votes.read(put(tmp_path / 'x.csv', _BASE))
  assert corpus.groups.tolist() == ['s', 't', 't']
  assert corpus.vote_counts('video').sum() == 6
  assert corpus.scores.tolist() == [1.5, 3, 3]


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('', 'has no rows'),
    ('{"id": 1', ':1: is not a JSON object'),
    (
      '[1, 2]\n{"id": 1}\n3\n',
      ':1: is not a JSON object (2 times: lines 1, 3)',
    ),
    ('{"id": 1, "answer": "ignore", "accept": ["x"]}', 'no row was accepted'),
    ('{"id": 1, "user": "p"}\n{"id": 2, "user": "p"}', 'which columns hold'),
  ],
)
def test_one_fault_of_json_lines_has_one_line(tmp_path, text, message):
  path = put(tmp_path / 'x.jsonl', text)
  with pytest.raises(errors.InputError) as caught:
    votes.read(path)
  (line,) = str(caught.value).splitlines()
  assert line.startswith(str(path))
  assert message in line


def test_free_text_is_no_label(tmp_path):
  rows = ''.join(f'c{i},p,remark number {i} of it\n' for i in range(60))
  path = put(tmp_path / 'x.csv', 'id,rater,answer\n' + rows)
  with pytest.raises(errors.InputError, match='look like free text'):
    votes.read(path)


def test_tables_of_other_labels_are_not_put_together(tmp_path):
  put(tmp_path / 'a.csv', 'id,empathy\n1,2\n', 'utf-8')
  put(tmp_path / 'b.csv', 'id,empathy\n1,2\n', 'utf-8')
  columns = sheets.told(['label=empathy'])
  with pytest.raises(errors.InputError, match='two or more labels'):
    votes.read(tmp_path, columns)
  put(tmp_path / 'b.csv', 'id,label.warmth\n1,2\n', 'utf-8')
  put(tmp_path / 'a.csv', 'id,label.empathy\n1,2\n', 'utf-8')
  with pytest.raises(
    errors.InputError, match=r'b.csv: rates warmth, but .*a.csv'
  ):
    votes.read(tmp_path)


def test_the_binary_writes_nothing_of_a_bad_table(server, tmp_path):
  put(tmp_path / 'x.csv', _BASE.replace(';1;t', ';high;t'))
  done = server.run(
    'prepare', '--importer=votes', '--source=x.csv', '--output=c', cwd=tmp_path
  )
  assert done.status == 2
  assert done.err == "error: x.csv:7: column 'rating': 'high' is not a number\n"
  assert [path.name for path in tmp_path.iterdir()] == ['x.csv']
  put(tmp_path / 'x.csv', _BASE)
  flags = ('--importer=votes', '--source=x.csv', '--output=c', '--scale=1,7')
  assert server.run('prepare', *flags, cwd=tmp_path).status == 0
  done = server.run('evaluate', '--corpus=c', '--output=s', cwd=tmp_path)
  assert done.status == 0, done.err
