"""The paragraph of methods: it says what was done, and no more."""

import dataclasses
import pathlib
import re

import pytest
import test_report

import empathy
from empathy import versions
from empathy.evaluation import methods, report

_SOFTWARE = {'empathy': '1.2', 'python': '3.12', 'numpy': '2.9'}


def _study(**info):
  study = test_report.full_study()
  return dataclasses.replace(study, info=study.info | info)


def test_the_paragraph_says_what_the_study_knows():
  run = {
    'fusion': 'gated_attention',
    'num_epochs': 15,
    'config': '0123456789abcdef',
    'versions': {'python': '3.11', 'jax': '0.10', 'flax': '0.12'},
    'commit': 'f' * 40 + '-dirty',
  }
  told = methods.paragraph(_study(software=_SOFTWARE, training=run))
  for words in (
    'We studied 1,000 clips of 40 groups of the corpus simulated (simulated), '
    'labelled none, some and much, with votes on audio, video and audio+video.',
    'Of 7 views (text, audio, video, text+audio, text+video, audio+video and '
    'text+audio+video) we judged predicted probabilities of the classes of 3 '
    'seeds a view, held out by cross-validation in 5 folds of whole groups.',
    'The members were trained with the fusion gated_attention in 15 epochs '
    '(config.json, SHA-256 0123456789ab; Python 3.11, JAX 0.10 and Flax 0.12; '
    'commit ffffffffffff, changed).',
    'from 10,000 draws of whole groups.',
    'The p-values of the 4 primary figures were corrected together after Holm',
  ):
    assert words in told
  assert told.endswith('by empathy 1.2, Python 3.12 and NumPy 2.9.')


def test_nothing_is_said_of_what_is_not_known():
  study = test_report.empty_study()
  told = methods.paragraph(study)
  assert told == (
    'We studied 0 clips of 0 groups of the corpus bare. Figures are by empathy.'
  )
  for word in ('views', 'folds', 'trained', 'Holm'):
    assert word not in told
  one = methods.paragraph(
    _study(folds=1, kind='samples', seeds={'text': 1}, views=['text'])
  )
  assert 'Of 1 view (text) we judged sampled labels of 1 sample a view.' in one


def test_bibtex_has_the_paper_and_this_version():
  commit = 'a' * 40
  told = methods.bibtex(_study(software=_SOFTWARE | {'commit': commit}))
  assert 'version = {1.2},' in told
  assert f'commit {commit}' in told
  assert told.count('{') == told.count('}')
  cited = pathlib.Path(empathy.__file__).parents[1] / 'CITATION.cff'
  for word in ('Srikanth', 'Hirschberg', '2505.13979', '2025'):
    assert word in told
    assert word in cited.read_text()
  title = re.sub(r'\s+', ' ', re.search(r'title = \{([^}]*)\}', told)[1])
  assert title in re.sub(r'\s+', ' ', cited.read_text())


def test_the_report_has_both_to_copy():
  page = report.render(_study(software=_SOFTWARE))
  pasted = re.findall(
    r'<(?:div|pre) class="paste".*?</(?:div|pre)>', page, re.S
  )
  assert 'We studied' in pasted[0]
  assert '@software{empathy,' in pasted[1]


def test_no_checkout_is_no_fault(tmp_path, monkeypatch):
  assert versions.commit(tmp_path) is None
  (tmp_path / '.git').write_text('gitdir: nowhere')
  assert versions.commit(tmp_path) is None
  other = tmp_path / 'other'
  (other / '.git').mkdir(parents=True)
  monkeypatch.setenv('PATH', '')
  assert versions.commit(other) is None


def test_versions_have_names():
  found = versions.of(['numpy'])
  assert found.keys() == {'empathy', 'python', 'numpy'}
  assert all(re.match(r'\d+\.', version) for version in found.values())
  with pytest.raises(Exception, match='no-such-package'):
    versions.of(['no-such-package'])
