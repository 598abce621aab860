"""Files and folders appear whole or not at all."""

import pathlib
import zipfile

import numpy as np
import pytest

from empathy import errors, files


def _content(folder):
  return {
    str(path.relative_to(folder)): path.read_text()
    for path in sorted(folder.rglob('*'))
    if path.is_file()
  }


def _make(path):
  path.mkdir()
  (path / 'file').write_text(path.name)


@pytest.fixture(name='folder')
def _folder(tmp_path):
  for name in ('study', 'old'):
    _make(tmp_path / name)
    (tmp_path / name / 'file').write_text('before')
  return tmp_path


@pytest.mark.parametrize('name', ['study', 'old'])
def test_a_folder_is_replaced(folder, name):
  with files.replacing(folder / name) as temporary:
    _make(temporary)
  assert (folder / name / 'file').read_text() == name
  assert {path.name for path in folder.iterdir()} == {'study', 'old'}


def _interrupt(monkeypatch, kind, at):
  """Ends the `at`-th rename or replacement from now on with an exception."""
  count = 0

  def wrapped(of):
    def call(self, target):
      nonlocal count
      count += 1
      if count == at:
        raise kind
      return of(self, target)

    return call

  for name in ('rename', 'replace'):
    of = getattr(pathlib.Path, name)
    monkeypatch.setattr(pathlib.Path, name, wrapped(of))


@pytest.mark.parametrize('kind', [OSError, SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize('at', [1, 2])
def test_after_an_exception_a_folder_is_as_it_was(
  folder, monkeypatch, kind, at
):
  before = _content(folder)
  _interrupt(monkeypatch, kind, at)
  with (
    pytest.raises(kind),
    files.replacing(folder / 'study') as temporary,
  ):
    _make(temporary)
  assert _content(folder) == before


def test_what_a_killed_process_left_is_removed_or_put_back(folder, monkeypatch):
  before = _content(folder)
  # Neither a rename nor anything after it: as if the process were gone.
  with monkeypatch.context() as patch:
    _interrupt(patch, KeyboardInterrupt, 2)
    patch.setattr(files, '_clear', lambda *_: None)
    for name in ('study', 'old'):
      with (
        pytest.raises(KeyboardInterrupt),
        files.replacing(folder / name) as temporary,
      ):
        _make(temporary)
      if name == 'study':
        assert not (folder / name).exists()
        _interrupt(patch, KeyboardInterrupt, 1)
  files.remove_leftovers(folder)
  assert _content(folder) == before
  # Where there is a newer one, the old one does not come back.
  with monkeypatch.context() as patch:
    _interrupt(patch, KeyboardInterrupt, 2)
    patch.setattr(files, '_clear', lambda *_: None)
    with (
      pytest.raises(KeyboardInterrupt),
      files.replacing(folder / 'study') as temporary,
    ):
      _make(temporary)
  _make(folder / 'study')
  files.remove_leftovers(folder)
  assert (folder / 'study' / 'file').read_text() == 'study'
  assert {path.name for path in folder.iterdir()} == {'study', 'old'}


def test_what_is_no_archive_is_told_before_numpy_reads_it(tmp_path):
  path = tmp_path / 'a.npz'
  files.check_archive(path)  # Who reads it says that it is missing.
  path.write_text('id,label')
  with pytest.raises(zipfile.BadZipFile, match=r'it is no \.npz file'):
    files.check_archive(path)


@pytest.mark.parametrize('damage', ['cut', 'flipped', 'text', 'array', 'empty'])
def test_what_is_no_whole_archive_is_one_line(tmp_path, damage):
  path = tmp_path / 'x.npz'
  arrays = {'a': np.arange(900), 'b': np.array(['x', 'yz'])}
  np.savez_compressed(path, **arrays)
  found = files.read_arrays(path, 'a whole tally')
  assert found.keys() == arrays.keys()
  for name, array in arrays.items():
    np.testing.assert_array_equal(found[name], array)
  data = path.read_bytes()
  middle = data.index(b'a.npy') + 100
  flipped = bytes([data[middle] ^ 255])
  other = tmp_path / 'other.npy'
  np.save(other, arrays['a'])
  path.write_bytes(
    {
      'cut': data[: len(data) // 2],
      'flipped': data[:middle] + flipped + data[middle + 1 :],
      'text': b'id,label\n',
      'array': other.read_bytes(),
      'empty': b'',
    }[damage]
  )
  with pytest.raises(errors.InputError, match='is not a whole tally: ') as told:
    files.read_arrays(path, 'a whole tally')
  assert len(str(told.value).splitlines()) == 1
  with pytest.raises(FileNotFoundError):
    files.read_arrays(tmp_path / 'y.npz', 'a whole tally')
