import itertools
import unicodedata

import pytest

from empathy.corpora import spelling

# In each line all are one thing, and differ from those of all other lines.
ONE_THING = [
  [
    'Ann',
    'Ann ',
    ' ann',
    'ANN',
    'Ann\u00a0',
    '\ufeffAnn',
    'A\u200bnn',
    'Ａｎｎ',
  ],
  ['Ann Lee', 'ann  lee', 'Ann\u00a0Lee', 'Ann\tLee', 'ANN\u3000LEE'],
  ['José', 'Jose\u0301', 'JOSÉ', 'josé\n'],
  ['Straße', 'STRASSE', 'strasse'],
  ['1', '1.0', '1,0', '01', '1.', '+1', '１', '1.00', ' 1 '],
  ['10', '10.0', '010'],
  ['-1', '-1.0', '-01'],
  ['0', '0.0', '-0', '00'],
  ['0.5', '0,5'],
  ['1.1'],
  ['1.10'],
  # The fraction of a number, or thousands.
  ['1.000', '1,000'],
  ['1000'],
  ['1e3'],
  ['Jose'],
  ['AnnLee'],
]


@pytest.mark.parametrize('names', ONE_THING, ids=lambda names: names[0])
def test_spellings_of_one_thing_have_one_key(names):
  assert len({spelling.key(name) for name in names}) == 1


def test_different_things_have_different_keys():
  keys = [spelling.key(names[0]) for names in ONE_THING]
  assert len(set(keys)) == len(keys)


def test_numbers_are_not_one_in_ids():
  names = ['1', '1.0', '01', '1.1', '1.10']
  assert len({spelling.key(name, numbers=False) for name in names}) == 5
  assert spelling.twice(['1.1', '1.10', '1', '01']) == {}
  assert spelling.twice(['a', 'B', 'A ', 'b', 'a']) == {2: 0, 3: 1, 4: 0}


@pytest.mark.parametrize(
  ('text', 'value'),
  [
    *(('2', 2), ('-3.0', -3), ('2,8', 2.8), ('.5', 0.5), ('1e2', 100)),
    *(('50 %', 50), ('−1', -1), ('sad', None), ('', None), ('1-2', None)),
    *(('nan', None), ('inf', None), ('1.2.3', None)),
  ],
)
def test_labels_that_are_numbers(text, value):
  assert spelling.number(text) == value


@pytest.mark.parametrize(
  'word',
  [
    '',
    ' ',
    'nan',
    'NaN',
    'NA',
    'n/a',
    'None',
    'NULL',
    '-',
    '?',
    '<NA>',
    '#N/A',
  ],
)
def test_words_for_what_is_missing(word):
  assert spelling.is_missing(word)
  found = spelling.unified(['a', word, 'b', word])
  assert found.values == ['a', '', 'b', '']
  assert found.missing == ({spelling.clean(word): 2} if word.strip() else {})
  # A declared class may be called so.
  if word.strip():
    assert spelling.unified(['a', word.lower()], [word]).values == ['a', word]


@pytest.mark.parametrize('word', ['no', '0', 'x', 'neutral', 'missing', 'Nana'])
def test_words_that_are_names(word):
  assert not spelling.is_missing(word)


def test_the_commonest_spelling_is_kept_the_first_of_equals():
  found = spelling.unified(
    ['sad', 'Happy', 'happy', 'SAD ', 'happy', '1.0', '1']
  )
  assert found.values == ['sad', *['happy'] * 2, 'sad', 'happy', '1.0', '1.0']
  assert found.others == {'sad': ['SAD'], 'happy': ['Happy'], '1.0': ['1']}
  assert found.notes() == [
    "spellings taken as one: 'sad' (also 'SAD'), 'happy' (also 'Happy'), '1.0' "
    "(also '1')"
  ]


def test_known_spellings_are_kept():
  found = spelling.unified(['sad', 'sad', 'other', '1.0'], ['Sad', '1'])
  assert found.values == ['Sad', 'Sad', 'other', '1']


def test_notes_are_short():
  values = itertools.chain.from_iterable((f'n{i}', f'N{i}') for i in range(9))
  (note,) = spelling.unified(list(values)).notes()
  assert note.endswith("'n2' (also 'N2'), and 6 more")
  assert spelling.unified(['a', ' a', 'a\u00a0', '']).notes() == []
  assert spelling.unified(['a', 'nan', '-', 'nan']).notes() == [
    "taken as missing: 'nan' (2 rows), '-' (1 row)"
  ]


def test_names_are_found_whatever_their_spelling():
  names = spelling.Names(['é1', 'Two', '003', 'a', 'A'])
  for text, row in {
    'é1': 0,
    unicodedata.normalize('NFD', 'é1'): 0,
    ' É1\u00a0': 0,
    'two': 1,
    '003': 2,
    'a': 3,
    'A': 4,
  }.items():
    assert names.find(text) == row
  for text in ('3', 'three', '', '4', '00 3'):
    with pytest.raises(KeyError):
      names.find(text)
  # Which of two?
  with pytest.raises(KeyError):
    spelling.Names(['ab', 'AB']).find('Ab')
  assert "'003' is" in names.hint('3')
  assert 'dtype=str' in names.hint('3.0')
  assert names.hint('4') == names.hint('three') == ''
