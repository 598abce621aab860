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
    ('math:gcd(a=1)', 'but has (*integers)'),
    ('test_named:_SHIPPED', 'is not a function'),
    ('power(x=1)', 'power is called with (x) and what the config says, but'),
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
