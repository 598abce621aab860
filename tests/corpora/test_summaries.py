import hashlib
import mmap
import pathlib
import shutil

import numpy as np
import pytest

from empathy import errors
from empathy.corpora import columns, feature_files, spelling, summaries
from empathy.corpora import corpus as corpus_lib

_IDS = np.array([f'clip{i}' for i in range(40)])
_INFO = {
  'name': 'made',
  'classes': ['low', 'high'],
  'modalities': ['text', 'audio'],
  'conditions': [],
  'license': 'none',
  'source': 'a test',
}


def _values(rows, kind=np.float32, order='C'):
  """Numbers of which rows 3 and 7 are the same."""
  values = np.random.default_rng(0).normal(size=(rows, 6))
  values[7] = values[3]
  return np.asarray(values, kind, order)


def _hash(values):
  digest = hashlib.blake2b(values.tobytes(), digest_size=8).digest()
  return int.from_bytes(digest, 'little')


@pytest.fixture(name='folder')
def _folder(tmp_path):
  """A corpus of 40 clips, of which the last 10 have no text, and none audio."""
  corpus = corpus_lib.Corpus(
    info=_INFO,
    ids=_IDS,
    groups=_IDS,
    labels=np.zeros(40, np.int32),
    features={
      'text': corpus_lib.Features(np.arange(30, dtype=np.int32), _values(30))
    },
  )
  path = tmp_path / 'corpus'
  corpus_lib.write(corpus, path)
  return path


def _present(folder):
  return corpus_lib.with_presence(corpus_lib.read(folder))


def _damage(path):
  """Changes a number in the file, which reading it cannot but notice."""
  data = bytearray(path.read_bytes())
  data[data.index(b'features.npy') + 400] ^= 1
  path.write_bytes(data)


def _content(folder):
  return {
    str(path.relative_to(folder)): path.read_bytes()
    for path in folder.rglob('*')
    if path.is_file()
  }


@pytest.mark.parametrize('order', ['C', 'F'])
@pytest.mark.parametrize('save', [np.savez, np.savez_compressed])
@pytest.mark.parametrize('kind', [np.float32, np.float16, np.float64, np.int64])
def test_what_a_clip_has_is_hashed_block_by_block(
  tmp_path, monkeypatch, kind, save, order
):
  # Blocks of 3 rows; whole sequences, some of them longer than a block.
  monkeypatch.setattr(columns, '_NUMBERS', 18)
  path, names = tmp_path / 'text.npz', spelling.Names(_IDS.tolist())
  length = np.tile([1, 5, 2, 2], 10)
  values = _values(100, np.float64, order) * 100
  if kind in (np.float64, np.int64):  # Kept less its mean.
    values[:, 1] += 1e9
  values = values.astype(kind)
  chosen = np.random.default_rng(1).permutation(40)
  for sizes, arrays in (
    (np.ones(30, int), {'id': _IDS[chosen[:30]], 'features': values[:30]}),
    (length, {'id': _IDS[chosen], 'features': values, 'length': length}),
  ):
    save(path, **arrays)
    read = feature_files.read(path, names)
    assert (read['offset'] is not None) == (kind in (np.float64, np.int64))
    pieces = np.split(read['values'], np.cumsum(sizes)[:-1])
    ids, clip, found = feature_files.hashes(path, names)
    np.testing.assert_array_equal(ids, arrays['id'])
    np.testing.assert_array_equal(clip, read['clip'])
    assert found.tolist() == [_hash(piece) for piece in pieces]


def test_of_fold_wise_features_those_of_the_first_fold_count(tmp_path):
  path = tmp_path / 'text.npz'
  values = _values(20)
  fold = np.arange(20) % 2
  corpus_lib.write_features(path, np.repeat(_IDS[:10], 2), values, fold=fold)
  names = spelling.Names(_IDS.tolist())
  ids, clip, found = feature_files.hashes(path, names)
  assert ids.tolist() == _IDS[:10].tolist()
  assert clip.tolist() == list(range(10))
  assert found.tolist() == [_hash(row) for row in values[::2]]


def test_presence_and_hashes_are_by_clip(folder):
  text = folder / 'features' / 'text.npz'
  values = _values(30)
  order = np.random.default_rng(2).permutation(30)
  for is_there in (True, False):
    if not is_there:  # Then the features are read, here in another order.
      summaries.path_of(text).unlink()
      corpus_lib.write_features(text, _IDS[order], values[order])
    found = _present(folder)
    assert found.presence.keys() == found.hashes.keys() == {'text'}
    assert found.presence['text'].tolist() == [True] * 30 + [False] * 10
    assert found.hashes['text'].dtype == np.uint64
    wanted = [_hash(row) for row in values] + [0] * 10
    assert found.hashes['text'].tolist() == wanted


def test_features_are_not_read_where_there_is_a_summary(folder, tmp_path):
  wanted = _present(folder)
  text = folder / 'features' / 'text.npz'
  _damage(text)
  # A copy has other times.
  copy = shutil.copytree(folder, tmp_path / 'copy', copy_function=shutil.copy)
  found = _present(pathlib.Path(copy))
  np.testing.assert_array_equal(found.hashes['text'], wanted.hashes['text'])
  summaries.path_of(text).unlink()
  with pytest.raises(errors.InputError, match=r'text\.npz'):
    _present(folder)


def test_a_summary_of_other_features_is_as_none(folder):
  text = folder / 'features' / 'text.npz'
  size = text.stat().st_size
  for change in (1, -1):  # The same size each time.
    values = _values(30) + np.float32(change)
    corpus_lib.write_features(text, _IDS[:30], values)
    assert text.stat().st_size == size
    found = _present(folder).hashes['text'][:30]
    assert found.tolist() == [_hash(row) for row in values]
  summaries.leave([text], _IDS)
  _damage(text)
  np.testing.assert_array_equal(_present(folder).hashes['text'][:30], found)


@pytest.mark.parametrize('part', [0, 0.5, 0.98])
def test_a_damaged_summary_is_as_none_and_made_again(folder, part):
  text = folder / 'features' / 'text.npz'
  path, wanted = summaries.path_of(text), _content(folder)
  data = path.read_bytes()
  path.write_bytes(data[: int(part * len(data))])
  assert _present(folder).presence['text'].sum() == 30
  summaries.leave([text], _IDS)
  assert _content(folder) == wanted


def test_a_flipped_bit_in_a_summary_is_noticed(folder):
  path = summaries.path_of(folder / 'features' / 'text.npz')
  wanted, data = _present(folder).hashes['text'], path.read_bytes()
  for at in range(0, len(data), 11):
    damaged = bytearray(data)
    damaged[at] ^= 1
    path.write_bytes(damaged)
    np.testing.assert_array_equal(_present(folder).hashes['text'], wanted)


def test_evaluation_writes_no_summary(folder):
  summaries.path_of(folder / 'features' / 'text.npz').unlink()
  before = _content(folder)
  _present(folder)
  assert _content(folder) == before


def test_a_summary_is_no_part_of_the_corpus(folder):
  with_it = corpus_lib.fingerprint(folder)
  summaries.path_of(folder / 'features' / 'text.npz').unlink()
  assert corpus_lib.fingerprint(folder) == with_it


def test_clips_that_are_gone_are_told_as_features_tell_them(folder):
  clips = folder / 'clips.csv'
  text = clips.read_text()
  clips.write_text(text.replace('clip7,', 'clip700,', 1))
  with pytest.raises(errors.InputError, match="'id': row 7: no clip 'clip7'"):
    _present(folder)


def test_a_mapped_file_does_not_stay_in_memory(folder):
  if (
    not hasattr(mmap, 'MADV_DONTNEED')
    or not pathlib.Path('/proc/self/smaps').exists()
  ):
    pytest.skip('this system does not tell what is in memory')
  path = folder / 'features' / 'text.npz'
  values = np.zeros((12_000, 400), np.float32)
  corpus_lib.write_features(path, _IDS[:1], values, [12_000])
  mapped = feature_files.load(path, mapped=True)['features']

  def resident():
    maps = pathlib.Path('/proc/self/smaps').read_text()
    line = maps.split(str(path))[1].split('Rss:')[1]
    return 1024 * int(line.split()[0])

  most = 0
  for start, stop in columns.spans(mapped):
    assert not mapped[start:stop].any()
    most = max(most, resident())
  # Some 4 MB are a block; the system reads a little ahead.
  assert 2**20 < most < 2**23 < mapped.nbytes // 2
