import shutil

import jax
import numpy as np
import pytest

from empathy import errors
from empathy.training import checkpoints


def _tree(seed=0):
  random = np.random.default_rng(seed)
  return {
    'params': {
      'dense': {
        'kernel': random.normal(size=(3, 40, 20)).astype(np.float32),
        'bias': random.normal(size=(3, 20)).astype(np.float32),
      }
    },
    'moments': (random.normal(size=(3, 5)).astype(np.float32), {}),
    'count': np.arange(3, dtype=np.int32),
    'scalar': np.float32(-1),
    'shown': np.array([True, False, True]),
    'odd': np.array([np.nan, -0.0, np.inf], np.float32),
  }


def _like(tree):
  return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), tree)


def _assert_equal(one, other):
  assert jax.tree.structure(one) == jax.tree.structure(other)
  for x, y in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
    assert x.dtype == y.dtype
    assert x.tobytes() == y.tobytes()


@pytest.fixture(name='folder')
def _folder(tmp_path):
  """Three checkpoints, each of another tree."""
  for step in (1, 2, 10):
    checkpoints.save(tmp_path / 'kept', step, _tree(step))
  return tmp_path / 'kept'


def test_what_is_restored_is_what_was_saved_bit_for_bit(tmp_path):
  tree = _tree()
  checkpoints.save(tmp_path, 3, tree)
  restored = checkpoints.restore(tmp_path, 3, _like(tree))
  _assert_equal(restored, tree)
  assert all(isinstance(x, np.ndarray) for x in jax.tree.leaves(restored))


def test_a_checkpoint_of_the_same_step_is_replaced(tmp_path):
  checkpoints.save(tmp_path, 3, _tree(0))
  checkpoints.save(tmp_path, 3, _tree(1))
  _assert_equal(checkpoints.restore(tmp_path, 3, _like(_tree())), _tree(1))


def test_the_latest_is_that_of_the_highest_step(folder):
  assert checkpoints.steps(folder) == [1, 2, 10]
  step, tree = checkpoints.restore_latest(folder, _like(_tree()))
  assert step == 10
  _assert_equal(tree, _tree(10))


def test_there_is_none(tmp_path):
  assert checkpoints.restore_latest(tmp_path / 'no', _like(_tree())) is None
  assert checkpoints.steps(tmp_path / 'no') == []
  checkpoints.keep_last(tmp_path / 'no', 2)
  checkpoints.remove(tmp_path / 'no', 3)
  assert not checkpoints.is_finished(tmp_path / 'no', 3)


@pytest.mark.parametrize(
  ('count', 'left'), [(0, []), (1, [10]), (2, [2, 10]), (5, [1, 2, 10])]
)
def test_keep_last(folder, count, left):
  checkpoints.keep_last(folder, count)
  assert checkpoints.steps(folder) == left
  # Nothing else stays, such as manifests.
  assert len(list(folder.iterdir())) == 2 * len(left)
  for step in left:
    checkpoints.restore(folder, step, _like(_tree()))


def _largest(path):
  return max(
    (file for file in path.rglob('*') if file.is_file()),
    key=lambda file: file.stat().st_size,
  )


def _truncated(path):
  file = _largest(path)
  file.write_bytes(file.read_bytes()[:-7])


def _emptied(path):
  _largest(path).write_bytes(b'')


def _flipped(path):
  file = _largest(path)
  data = bytearray(file.read_bytes())
  data[len(data) // 2] ^= 1
  file.write_bytes(data)


def _without_a_file(path):
  _largest(path).unlink()


def _half_deleted(path):
  files = [file for file in sorted(path.rglob('*')) if file.is_file()]
  for file in files[: len(files) // 2]:
    file.unlink()


def _with_one_file_more(path):
  (path / '0' / 'more').write_text('?')


def _without_manifest(path):
  path.with_name(f'{path.name}.sha256.json').unlink()


def _with_half_a_manifest(path):
  manifest = path.with_name(f'{path.name}.sha256.json')
  manifest.write_bytes(manifest.read_bytes()[:50])


def _with_a_strange_manifest(path):
  path.with_name(f'{path.name}.sha256.json').write_text('[1]')


def _without_anything_but_the_manifest(path):
  shutil.rmtree(path)
  path.mkdir()


_DAMAGES = [
  _truncated,
  _emptied,
  _flipped,
  _without_a_file,
  _half_deleted,
  _with_one_file_more,
  _without_manifest,
  _with_half_a_manifest,
  _with_a_strange_manifest,
  _without_anything_but_the_manifest,
]


@pytest.mark.parametrize('damage', _DAMAGES)
def test_the_one_before_a_damaged_one_is_taken(folder, damage, caplog):
  damage(folder / '10')
  step, tree = checkpoints.restore_latest(folder, _like(_tree()))
  assert step == 2
  _assert_equal(tree, _tree(2))
  (message,) = caplog.messages
  assert message.startswith(f'{folder / "10"}: ')
  assert 'the one before' in message
  with pytest.raises(errors.InputError, match='10: is'):
    checkpoints.restore(folder, 10, _like(_tree()))


def test_each_flipped_bit_is_found(tmp_path):
  checkpoints.save(tmp_path, 1, _tree())
  random = np.random.default_rng(0)
  for file in sorted((tmp_path / '1').rglob('*')):
    if not file.is_file() or not file.stat().st_size:
      continue
    whole = file.read_bytes()
    data = bytearray(whole)
    data[random.integers(len(data))] ^= 1 << random.integers(8)
    file.write_bytes(data)
    with pytest.raises(errors.InputError, match=f'damaged: .*{file.name}'):
      checkpoints.restore(tmp_path, 1, _like(_tree()))
    file.write_bytes(whole)
  checkpoints.restore(tmp_path, 1, _like(_tree()))


def test_two_damaged_ones_and_none_left(folder, caplog):
  _flipped(folder / '10')
  _without_manifest(folder / '2')
  assert checkpoints.restore_latest(folder, _like(_tree()))[0] == 1
  assert len(caplog.messages) == 2
  _truncated(folder / '1')
  assert checkpoints.restore_latest(folder, _like(_tree())) is None


def test_a_missing_one_is_an_error(folder):
  with pytest.raises(errors.InputError, match='3: is no whole checkpoint'):
    checkpoints.restore(folder, 3, _like(_tree()))


def _wider(tree):
  tree['params']['dense']['bias'] = np.zeros((3, 21), np.float32)


def _of_more_members(tree):
  tree['count'] = np.zeros((4,), np.int32)


def _of_more_axes(tree):
  tree['count'] = np.zeros((3, 1), np.int32)


def _with_a_leaf_more(tree):
  tree['params']['dense']['scale'] = np.zeros((3, 2), np.float32)


def _with_a_leaf_less(tree):
  del tree['params']['dense']['bias']


def _with_a_branch_more(tree):
  tree['params']['other'] = {'bias': np.zeros((3, 2), np.float32)}


def _with_a_leaf_for_a_branch(tree):
  tree['params'] = np.zeros((3, 2), np.float32)


def _with_a_branch_for_a_leaf(tree):
  tree['count'] = {'epochs': np.zeros((3,), np.int32)}


def _of_another_type(tree):
  tree['count'] = np.zeros((3,), np.float32)


@pytest.mark.parametrize(
  'change',
  [
    _wider,
    _of_more_members,
    _of_more_axes,
    _with_a_leaf_more,
    _with_a_leaf_less,
    _with_a_branch_more,
    _with_a_leaf_for_a_branch,
    _with_a_branch_for_a_leaf,
    _of_another_type,
  ],
)
def test_what_does_not_fit_is_an_error(tmp_path, change):
  checkpoints.save(tmp_path, 1, _tree())
  other = _tree()
  change(other)
  with pytest.raises(errors.InputError) as raised:
    checkpoints.restore(tmp_path, 1, _like(other))
  message = str(raised.value)
  assert message.startswith(f'{tmp_path / "1"}: does not fit')
  assert len(message.splitlines()) == 1


def test_what_is_not_a_checkpoint_does_not_count(folder):
  (folder / 'notes').mkdir()
  (folder / '11.orbax-checkpoint-tmp').mkdir()
  assert checkpoints.steps(folder) == [1, 2, 10]


def test_a_manifest_of_something_else_is_an_error(folder):
  manifest = folder / '1.sha256.json'
  assert manifest.is_file()
  manifest.write_text('{"_METADATA": "0"}')
  with pytest.raises(errors.InputError, match='1: is no whole checkpoint'):
    checkpoints.restore(folder, 1, _like(_tree()))
