"""Names with arguments, shipped or by an import path."""

import math

import pytest

from empathy import errors, named


def _power(x, base=2.0):
  return base**x


_SHIPPED = {'power': _power}


@pytest.mark.parametrize(
  ('text', 'result'),
  [
    ('power', 8.0),
    ('power(base=3)', 27),
    (' power ( base = -1.5 ) ', -3.375),
    ('math:sqrt', math.sqrt(3)),
    ('math.factorial', 6),
    ('test_named:_power(base=10)', 1000),
  ],
)
def test_what_is_named_is_found(text, result):
  assert named.resolve(text, _SHIPPED, 'config.x', ('x',))(3) == result


@pytest.mark.parametrize(
  ('text', 'says'),
  [
    ('powr', "config.x: 'powr' is not one of power, nor an import path"),
    ('math:root', "has no attribute 'root'; is the folder of the module on"),
    ('no_such:thing', "No module named 'no_such'"),
    ('power(3)', "'power(3)' is not a name, nor one with arguments, as in"),
    ('power(base=three)', 'is not a name, nor one'),
    ('power(**{})', 'is not a name, nor one'),
    ('power(base=2', 'is not a name, nor one'),
    ('power(2)(base=2)', 'is not a name, nor one'),
    ('', "'' is not a name"),
    ('power(bass=2)', "(x, base=2.0): got an unexpected keyword argument 'ba"),
    ('math:pi', "'math:pi' is not a function"),
    ('math:gcd(a=1)', 'config.x: math:gcd has (*integers): '),
    ('test_named:_SHIPPED', 'is not a function'),
    ('power(x=1)', 'power is called with (x, x), but has (x, base=2.0): mul'),
  ],
)
def test_what_is_wrong_is_told_in_a_line(text, says):
  with pytest.raises(errors.InputError) as raised:
    named.resolve(text, _SHIPPED, 'config.x', ('x',))
  assert says in str(raised.value)
  assert len(str(raised.value).splitlines()) == 1


def test_a_label_is_the_name_alone():
  for text in ('focal', 'focal(gamma=1.5)', 'a.b:focal', 'a.b.focal(x=(1, 2))'):
    assert named.label(text) == 'focal'


def test_what_fails_is_told_with_its_place_in_a_line(tmp_path, monkeypatch):
  monkeypatch.syspath_prepend(tmp_path)
  module = tmp_path / 'stranger.py'
  module.write_text('import json\n\ndef f(x):\n  return json.loads(x)\n')
  found = named.blamed(
    named.resolve('stranger:f', {}, 'config.x'), 'config.x', 'stranger:f'
  )
  assert found('3') == 3
  with pytest.raises(errors.InputError) as raised:
    found('\n')
  assert str(raised.value) == (
    f'config.x: stranger:f fails in {module}, line 4: JSONDecodeError: '
    'Expecting value: line 2 column 1 (char 1)'
  )
  # What is shipped is no code of one's own.
  with pytest.raises(TypeError):
    named.blamed(_power, 'config.x', 'power')('x')
  with pytest.raises(errors.InputError, match='TypeError'):
    named.blamed(_power, 'config.x', 'power(base=3)')('x')


@pytest.mark.parametrize(
  ('text', 'says'),
  [
    ('import no_such', "line 1: ModuleNotFoundError: No module named 'no_suc"),
    ('\ndef f(:', 'line 2: SyntaxError: invalid syntax'),
    ('x = 1 / 0', 'line 1: ZeroDivisionError: division by zero'),
  ],
)
def test_a_module_that_cannot_be_imported_is_told(
  tmp_path, monkeypatch, text, says
):
  monkeypatch.syspath_prepend(tmp_path)
  (tmp_path / 'strange.py').write_text(text)
  with pytest.raises(errors.InputError) as raised:
    named.resolve('strange:f', {}, 'config.x')
  said = f'config.x: strange:f fails in {tmp_path}/strange.py, {says}'
  assert str(raised.value).startswith(said)
