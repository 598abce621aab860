"""What holds for every importer."""

import pytest

from empathy import prepare


@pytest.mark.parametrize('name', prepare.known_importers())
def test_a_source_without_data_is_told_and_nothing_written(
  server, tmp_path, name
):
  (tmp_path / 'empty').mkdir()
  done = server.run(
    'prepare',
    *(f'--importer={name}', '--source=empty', '--output=out'),
    cwd=tmp_path,
  )
  assert done.status == 2, done.err
  assert done.out == ''
  lines = done.err.splitlines()
  assert lines[0].startswith('error: ')
  assert len(lines) <= 20, done.err
  assert 'Traceback' not in done.err
  assert [path.name for path in tmp_path.iterdir()] == ['empty']
