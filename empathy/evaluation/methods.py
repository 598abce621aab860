"""A paragraph of methods to paste into a paper, and what to cite."""

from collections.abc import Mapping
from typing import Any

from empathy.evaluation import wording
from empathy.evaluation.predictions import Kind
from empathy.evaluation.study import Study

# As CITATION.cff has them.
BIBTEX = """\
@article{{srikanth2025mixed,
  title = {{Mixed Signals: Understanding Model Disagreement in Multimodal
           Empathy Detection}},
  author = {{Srikanth, Maya and Chen, Run and Hirschberg, Julia}},
  journal = {{arXiv preprint arXiv:2505.13979}},
  year = {{2025}},
  doi = {{10.48550/arXiv.2505.13979}}
}}
@software{{empathy,
  title = {{empathy}},
  author = {{{{The maintainers of empathy}}}},
  version = {{{version}}},
  note = {{{note}}}
}}
"""
_SAID = {
  Kind.PROBABILITIES: 'predicted probabilities of the classes',
  Kind.LABELS: 'predicted labels',
  Kind.SAMPLES: 'sampled labels',
  Kind.SCORES: 'predicted scores',
}
_NAMES = {'python': 'Python', 'numpy': 'NumPy', 'scipy': 'SciPy'}
_NAMES |= {'jax': 'JAX', 'flax': 'Flax'}


def paragraph(study: Study) -> str:
  """How the study was made, in sentences for a paper."""
  info = study.info
  told = [_data(info), *_models(info), *_run(info.get('training') or {})]
  if info.get('resampling'):
    told.append(info['resampling'])
  told += _tests(study)
  told.append(_software(info))
  return ' '.join(told)


def bibtex(study: Study) -> str:
  """Entries of the paper and of this software, as it was."""
  software = study.info.get('software') or {}
  commit = software.get('commit')
  return BIBTEX.format(
    version=software.get('empathy', ''),
    note=f'commit {commit}' if commit else 'multimodal empathy in JAX',
  )


def _data(info: Mapping[str, Any]) -> str:
  classes = wording.listing([str(name) for name in info['classes']])
  simulated = ' (simulated)' if info.get('simulated') else ''
  votes = info.get('conditions') or []
  return (
    f'We studied {wording.plural(info["num_clips"], "clip")} of '
    f'{wording.plural(info["num_groups"], "group")} of the corpus '
    f'{info["corpus"]}{simulated}'
    + (f', labelled {classes}' if classes else '')
    + (f', with votes on {wording.listing(votes)}' if votes else '')
    + '.'
  )


def _models(info: Mapping[str, Any]) -> list[str]:
  views = info.get('views') or []
  if not views:
    return []
  seeds = wording.counts(info['seeds'].values())
  said = _SAID[Kind(info.get('kind', Kind.PROBABILITIES))]
  unit = 'sample' if info.get('kind') == Kind.SAMPLES else 'seed'
  plural = '' if seeds == '1' else 's'
  folds = info.get('folds') or 0
  return [
    f'Of {wording.plural(len(views), "view")} ({wording.listing(views)}) we '
    f'judged {said} of {seeds} {unit}{plural} a view'
    + (
      f', held out by cross-validation in {folds} folds of whole groups'
      if folds > 1
      else ''
    )
    + '.'
  ]


def _run(run: Mapping[str, Any]) -> list[str]:
  """Of the training, where its `config.json` is known."""
  if not run:
    return []
  how = [
    f'with the fusion {run["fusion"]}' if run.get('fusion') else '',
    f'in {wording.plural(run["num_epochs"], "epoch")}'
    if run.get('num_epochs')
    else '',
  ]
  by = [
    f'config.json, SHA-256 {run["config"][:12]}',
    _versions(run.get('versions') or {}),
    _commit(run.get('commit')),
  ]
  return [
    ' '.join(filter(None, ('The members were trained', *how)))
    + f' ({"; ".join(filter(None, by))}).'
  ]


def _tests(study: Study) -> list[str]:
  known = {name for name, one in study.statistics.items() if one.p is not None}
  tested = known.intersection(study.primaries.values())
  if not known:
    return []
  first = (
    f'The p-values of the {len(tested)} primary figures were corrected '
    'together after Holm (1979); all'
    if len(tested) > 1
    else 'All'
  )
  return [
    f'{first} other p-values are exploratory, corrected after Holm for each '
    'statistic by itself.'
  ]


def _software(info: Mapping[str, Any]) -> str:
  software = dict(info.get('software') or {})
  version, commit = software.pop('empathy', ''), software.pop('commit', None)
  rest = _versions(software)
  return (
    f'Figures are by empathy {version}'.rstrip()
    + (f' ({_commit(commit)})' if commit else '')
    + (f', {rest}' if rest else '')
    + '.'
  )


def _commit(described: str | None) -> str:
  """'commit 0123456789ab', short."""
  if not described:
    return ''
  commit, dash, dirty = described.partition('-')
  return f'commit {commit[:12]}' + (', changed' if dash + dirty else '')


def _versions(versions: Mapping[str, str]) -> str:
  return wording.listing(
    f'{name} {versions[key]}' for key, name in _NAMES.items() if key in versions
  )
