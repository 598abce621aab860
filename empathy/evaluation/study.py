"""The study: every question asked of predictions, labels and votes.

To add a question, write a module whose `answer` returns `Findings`, and give it
a line in `_answers`.
"""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from empathy import errors, files
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import tables
from empathy.evaluation import (
  ambiguity,
  catalogue,
  data_checks,
  diagnosis,
  disagreement,
  dominance,
  explorer,
  humans,
  planner,
  resampling,
  selective,
  soft_scores,
  views,
  wording,
)
from empathy.evaluation import predictions as predictions_lib
from empathy.evaluation.findings import Estimate, Findings, Scalar, filled

SCHEMA = 1
_FILES = (
  'study.json',
  'influence.npz',
  'signals.csv',
  'report.html',
  'tables',
)
# A difference that would matter in practice, for the check of what these data
# could show.
_MATTERS = 0.05
# From so few seeds, or annotators, on, intervals cover others like them.
_LEAST_KNOWN = 3


@dataclasses.dataclass(frozen=True)
class Study:
  """What a study found; everything that the report tells comes from here.

  Attributes:
    info: facts that JSON can hold: `corpus`, `label` (what it means),
      `classes`, `modalities`, `conditions`, `license`, `source`, `simulated`
      (bool), `content` (see `corpus.content`), `num_clips`, `num_groups`,
      `views`, `single_views`, `full_view`, `full_condition`,
      `seeds` (by view, how many), `folds` (how many),
      `predictions` (how many rows), `resampling` and `covers`, two sentences:
      how intervals were made, and what they cover, '' where groups are too
      few for any. No date: the same input
      gives the same report.
    statistics: by dotted name, as in `views.audio.accuracy`.
    skipped: the name of a statistic or of a comparison, or `question <n>`
      where nothing of it is answered, to one sentence that says why.
    primaries: by question, the name of the statistic whose p-value is corrected
      with the other questions'; it has none where it has no interval.
    tables: by name, rows of scalars (no NaN); each is a CSV file.
      `data_checks`: check, value, verdict ('ok', 'warning', 'fail'), sentence.
      `class_balance`: class, num_clips, share.
      `votes_per_clip`: condition, num_clips, num_votes, min, median, max.
      `views`: view, num_clips, num_seeds, then each `views.<view>.*`, and
        accuracy_low, accuracy_high.
      `classes`: view, class, precision, recall, f1, support.
      `full_minus_view`: view, estimate, low, high, p, p_adjusted, n.
      `disagreement`: view, num_clips, rate, kappa, seed_null, own_null,
        full_null, excess, beyond_either, error_consistency, with intervals of
        rate, excess and beyond_either; p and p_adjusted of the last.
      `ambiguity`: signal (or control.<name>), num_disagree, num_agree,
        gs_disagree, gs_agree, gs_difference, gs_difference_low,
        gs_difference_high, adjusted, adjusted_low, adjusted_high, p,
        p_adjusted.
      `beyond_seeds`: signal, num_clips, beyond_seeds with its interval, p,
        p_adjusted.
      `ambiguity_signals`: signal, num_clips, num_contested, auroc_contested,
        equal_n, minus_confidence (with p, p_adjusted),
        precision_minus_confidence and spearman with their intervals.
      `soft_scores`: view, num_clips, human_cross_entropy, human_brier,
        human_jensen_shannon, human_manhattan, human_wasserstein,
        human_entropy_correlation with their intervals; all but Brier's and the
        last with `_null`, what they would be if the view were right.
      `planner`: statistic (the primaries), groups_share, seeds_share,
        annotators_share of its variance, seeds_needed, groups_needed, sentence.
      `dominance`: modality (or any), num_clips, then rate, gate_share,
        attention_share, causal_share, unsupported, misled, rescued, net_harm
        with their intervals, p, p_adjusted.
      `humans`: condition, num_clips, num_votes, accuracy, accuracy_low,
        accuracy_high, gs, entropy, entropy_miller_madow, observed_agreement,
        one_vote_ceiling, split_half_reliability, full_minus, full_minus_low,
        full_minus_high, p, p_adjusted; where votes made the label,
        accuracy_disjoint with its interval.
      `best_per_clip`: chosen_by, num_votes, num_clips, biased, estimate,
        estimate_low, estimate_high.
      `humans_vs_full`: condition, num_clips, num_votes, then rate,
        control_rate, gs_difference, control_gs_difference, entropy_excess with
        their intervals, p, p_adjusted.
      `humans_and_models`: signal, num_clips, spearman, spearman_low,
        spearman_high, p, p_adjusted.
      `diagnosis`: signal, num_clips, auroc_error, minus_confidence (with p,
        p_adjusted), uncontested with their intervals, average_precision, aurc,
        e_aurc, errors_found_at_10 with its interval.
      `duplicates`: modality, id, same_as, same_group.
    curves: data of figures, lists of plain numbers.
      `reliability`: by view, {confidence, accuracy, count}, lists over the
        bins that are not empty, all seeds pooled.
      `gs_by_disagreement`: {num_disagreeing, gs, low, high, count}, lists over
        how many single views differ from the full one.
      `gs_by_confidence`: {confidence, gs_agree, gs_disagree, num_agree,
        num_disagree}, lists over fifths of the full view's confidence (None
        where there is no clip).
      `best_per_clip`: {num_votes, estimate, low, high}, lists over how many
        votes choose the best condition.
      `review_budget`: num_clips, budget, and by ranking the share of errors
        that are found; `risk_coverage`: num_clips, coverage, and by ranking the
        error rate.
    signals: the columns of `signals.csv`, `id` first, most in doubt first.
    clips: what the report lists of single clips; None lists none.
  """

  info: Mapping[str, Any]
  statistics: Mapping[str, Estimate]
  skipped: Mapping[str, str]
  primaries: Mapping[int, str]
  tables: Mapping[str, list[dict[str, Scalar]]]
  curves: Mapping[str, Any]
  signals: Mapping[str, np.ndarray]
  clips: explorer.Clips | None = None


def build(
  corpus: corpus_lib.Corpus,
  predictions: predictions_lib.Predictions | None = None,
) -> Study:
  """Asks every question that the data can answer.

  The p-values of the primaries are one family of Holm's; the others are a
  family for each question and statistic.

  Args:
    corpus: with votes or without, read with what features it has.
    predictions: None for a study of the humans alone.

  Returns:
    The study; questions without input are skipped with a reason.
  """
  signals, dominant = {}, None
  full = corpus_lib.view_name(corpus.modalities)
  if predictions is not None and full in predictions.views:
    signals = disagreement.signals(predictions, full)
    dominant = dominance.judge(corpus, predictions)
  ranked = _ranked(corpus, predictions, signals, dominant)
  return assemble(
    _answers(corpus, predictions, signals, dominant),
    _info(corpus, predictions),
    ranked,
    explorer.rows(corpus, predictions, ranked),
  )


def assemble(
  answers: Mapping[int, Findings],
  info: Mapping[str, Any],
  signals: Mapping[str, np.ndarray],
  clips: explorer.Clips | None = None,
) -> Study:
  """The study that consists of answers, with corrected p-values.

  Args:
    answers: by question, in the order in which they are read.
    info: see `Study`.
    signals: see `Study`.
    clips: see `Study`.
  """
  statistics, skipped, tables, curves = {}, {}, {}, {}
  for findings in answers.values():
    statistics |= findings.statistics
    skipped |= findings.skipped
    # Lists of their own, for rows are added to them.
    tables |= {name: list(rows) for name, rows in findings.tables.items()}
    curves |= findings.curves
  primaries = {
    question: findings.primary
    for question, findings in answers.items()
    if findings.primary in statistics
  }
  _add_smallest_effect(statistics, skipped, tables, primaries)
  corrected = {
    name: min(1.0, statistics[name].p * answers[question].num_candidates)
    for question, name in primaries.items()
    if statistics[name].p is not None
  }
  families = [corrected] + [
    {name: statistics[name].p for name in family if name in statistics}
    for findings in answers.values()
    for family in findings.families
  ]
  for family in reversed(families):
    # The primaries come last, for they leave the family they are also in.
    _adjust(statistics, family)
  tables['planner'] = [
    planner.row(name, statistics[name]) for name in primaries.values()
  ]
  return Study(
    info=info,
    statistics=statistics,
    skipped=skipped,
    primaries=primaries,
    tables={name: filled(rows, statistics) for name, rows in tables.items()},
    curves=curves,
    signals=signals,
    clips=clips,
  )


def write(study: Study, output: pathlib.Path, report: str) -> None:
  """Writes the study as a folder, whole or not at all.

  Args:
    study: what was found.
    output: the folder; an earlier study there is replaced.
    report: the report's HTML.

  Raises:
    InputError: see `check_output`.
  """
  check_output(output)
  with files.replacing(output.resolve()) as folder:
    (folder / 'tables').mkdir(parents=True)
    files.write_json(
      folder / 'study.json',
      {
        'schema': SCHEMA,
        'info': dict(study.info),
        'primaries': {str(q): name for q, name in study.primaries.items()},
        'statistics': {
          name: estimate.figures()
          for name, estimate in study.statistics.items()
        },
        'skipped': dict(study.skipped),
      },
    )
    _write_influences(folder / 'influence.npz', study.statistics)
    for name, rows in study.tables.items():
      if rows:
        tables.write_csv(
          folder / 'tables' / f'{name}.csv',
          {key: [text(row[key]) for row in rows] for key in rows[0]},
        )
    tables.write_csv(
      folder / 'signals.csv',
      {
        name: [text(value) for value in values.tolist()]
        for name, values in study.signals.items()
      },
    )
    files.write_text(folder / 'report.html', report)


def check_output(
  output: pathlib.Path,
  names: Sequence[str] = _FILES,
  what: str = 'a study',
) -> None:
  """Refuses to put a study where it would replace something else.

  Args:
    output: the folder.
    names: what may be there already.
    what: that these are.

  Raises:
    InputError: `output` is a file, the current folder, or a folder that holds
      other things.
  """
  if output.resolve() == pathlib.Path.cwd():
    raise errors.InputError(f'{output}: choose a folder of its own')
  if not output.exists():
    return
  if not output.is_dir():
    raise errors.InputError(f'{output}: is a file; expected a folder')
  others = sorted({path.name for path in output.iterdir()} - set(names))
  if others:
    raise errors.InputError(
      f'{output}: holds other things than {what}, for example {others[0]!r}; '
      'choose another folder'
    )


def _answers(
  corpus: corpus_lib.Corpus,
  predictions: predictions_lib.Predictions | None,
  signals: Mapping[str, np.ndarray],
  dominant: dominance.Dominance | None = None,
) -> dict[int, Findings]:
  """The findings by question, in the order in which they are read."""
  answers = {7: data_checks.answer(corpus, predictions)}
  if predictions is None:
    for question in (1, 2, 3, 4, 6):
      answers[question] = Findings(
        skipped={f'question {question}': 'There are no predictions.'}
      )
  else:
    answers[1] = views.answer(corpus, predictions)
    answers[2] = disagreement.answer(corpus, predictions)
    answers[3] = ambiguity.answer(corpus, predictions, signals)
    answers[4] = dominance.answer(corpus, predictions, dominant)
    answers[6] = diagnosis.answer(corpus, predictions, signals)
    answers[6].include(selective.answer(corpus, predictions))
    answers[3].include(soft_scores.soft_scores(corpus, predictions))
    full = corpus_lib.view_name(corpus.modalities)
    if full in predictions.views:
      mean = predictions_lib.mean_over_seeds(predictions.probabilities[full])
      if not predictions_lib.graded(mean):
        reason = predictions_lib.not_graded(mean, predictions_lib.MEAN)
        for question in (3, 6):
          answers[question] = without_confidence(answers[question], reason)
  answers[5] = humans.answer(corpus, predictions)
  return dict(sorted(answers.items(), key=lambda answer: answer[0] % 7))


def without_confidence(found: Findings, reason: str) -> Findings:
  """What is found without figures that rest on the full view's confidence.

  Args:
    found: of a question.
    reason: why there is no confidence to speak of.
  """
  gone = [name for name in found.statistics if catalogue.on_confidence(name)]
  return dataclasses.replace(
    found,
    statistics={
      name: one for name, one in found.statistics.items() if name not in gone
    },
    skipped={
      name: reason if catalogue.on_confidence(name) else why
      for name, why in {**found.skipped, **dict.fromkeys(gone, reason)}.items()
    },
    tables={
      name: [
        row
        for row in rows
        if not catalogue.is_confidence(row.get('signal', ''))
      ]
      for name, rows in found.tables.items()
      if name != 'selective'
    },
    curves={
      name: curve
      for name, curve in found.curves.items()
      if name not in ('gs_by_confidence', 'review_budget', 'risk_coverage')
    },
  )


def _adjust(
  statistics: dict[str, Estimate], p_values: Mapping[str, float | None]
) -> None:
  """Puts Holm's adjusted p-values into one family of statistics."""
  known = {name: p for name, p in p_values.items() if p is not None}
  for name, p in zip(known, resampling.holm(list(known.values())), strict=True):
    statistics[name] = dataclasses.replace(statistics[name], p_adjusted=p)


def _add_smallest_effect(
  statistics: dict[str, Estimate],
  skipped: dict[str, str],
  tables: dict[str, list[dict[str, Any]]],
  primaries: Mapping[int, str],
) -> None:
  """Adds the smallest difference of accuracy that these data could show."""
  asked = [
    question
    for question in (1, 5)
    if question in primaries and statistics[primaries[question]].low is not None
  ]
  if not asked:
    skipped['data.smallest_effect'] = (
      'There is no paired difference with an interval.'
    )
    return
  effect = data_checks.smallest_effect(statistics[primaries[asked[0]]])
  statistics['data.smallest_effect'] = effect
  tables.setdefault('data_checks', []).append(
    data_checks.check_row(
      'smallest_effect',
      effect.estimate,
      data_checks.OK if effect.estimate <= _MATTERS else data_checks.WARNING,
      'The smallest gain in accuracy of '
      + (
        'the full view over the best single one'
        if asked[0] == 1
        else 'the full condition over the best other one'
      )
      + ' that these data would show four times in five is '
      f'{wording.points(effect.estimate)}.',
    )
  )


def _info(
  corpus: corpus_lib.Corpus, predictions: predictions_lib.Predictions | None
) -> dict[str, Any]:
  names, seeds, folds = [], {}, 0
  if predictions is not None:
    names = list(predictions.views)
    seeds = {view: len(predictions.seeds[view]) for view in names}
    folds = len(
      {
        int(fold)
        for view in names
        for fold in np.unique(predictions.folds[view])
        if fold >= 0
      }
    )
  num_groups = len(np.unique(corpus.groups))
  judged = predictions_lib.judged(corpus, predictions)
  how = resampling.describe(resampling.sample(corpus.groups[judged]))
  if corpus.votes is not None and not judged.all():
    how += (
      ' That is so for figures of predictions; those of votes alone rest on '
      'other clips too, and study.json says of each how its interval was made.'
    )
  known = None if corpus.votes is None else _known_annotators(corpus)
  return {
    'corpus': corpus.info['name'],
    'label': corpus.info.get('label', ''),
    'classes': list(corpus.classes),
    'modalities': list(corpus.modalities),
    'conditions': list(corpus.conditions),
    'license': corpus.info['license'],
    'source': corpus.info['source'],
    'simulated': bool(corpus.info.get('simulated', False)),
    'content': corpus_lib.content(corpus),
    'num_clips': len(corpus.ids),
    'num_groups': num_groups,
    'views': names,
    'single_views': [name for name in names if '+' not in name],
    'full_view': corpus_lib.view_name(corpus.modalities),
    'full_condition': corpus_lib.full_condition(corpus.conditions),
    'seeds': seeds,
    'folds': folds,
    'predictions': 0 if predictions is None else predictions.num_rows,
    'resampling': how,
    'covers': covers(seeds, known)
    if num_groups >= resampling.LEAST_GROUPS
    else '',
  }


def covers(
  seeds: Mapping[str, int], known_annotators: Sequence[str] | None
) -> str:
  """What the intervals of a study hold for, and what they leave out.

  Args:
    seeds: by view, how many; empty without predictions.
    known_annotators: the conditions of which it is known who voted, by enough
      annotators to tell of others; '' stands for all; None without votes.
  """
  told = ['Intervals cover new groups like these.']
  if seeds:
    fewest, most = min(seeds.values()), max(seeds.values())
    told.append('They do not cover another training set.')
    if most < _LEAST_KNOWN:
      told.append(
        'They speak of these trained members alone: '
        + (
          'there is one seed of each.'
          if most == 1
          else 'two seeds are too few to tell what others would do.'
        )
      )
    else:
      where = 'seeds' if fewest >= _LEAST_KNOWN else 'three seeds or more'
      told.append(
        f'Those of means over {where} cover new seeds, too; what rests on the '
        'mean of the seeds’ probabilities, as most of Dominance and Diagnosis '
        'does, speaks of these trained members.'
      )
  if known_annotators is not None:
    told.append(
      'What is said of votes speaks of these annotators'
      + (
        '.'
        if not known_annotators
        else ', but for agreement, whose intervals cover others like them.'
        if '' in known_annotators
        else f', but for agreement on {wording.listing(known_annotators)}, '
        'whose intervals cover others like them.'
      )
    )
  return ' '.join(told)


def _known_annotators(corpus: corpus_lib.Corpus) -> list[str]:
  """The conditions of `covers`: [''] for all of them."""
  votes, known = corpus.votes, []
  voted = np.unique(votes.condition)
  for condition in voted:
    names = votes.annotator[votes.condition == condition]
    if (names != '').all() and len(np.unique(names)) >= _LEAST_KNOWN:
      known.append(corpus.conditions[condition])
  return [''] if len(known) == len(voted) else known


def _ranked(
  corpus: corpus_lib.Corpus,
  predictions: predictions_lib.Predictions | None,
  signals: Mapping[str, np.ndarray],
  dominant: dominance.Dominance | None = None,
) -> dict[str, np.ndarray]:
  """The columns of `signals.csv`, one row a clip, most in doubt first.

  Clips on which views differ come first, then those of which the full view is
  least sure; without predictions, those on which annotators differ most. What
  needs the label is called `gold_`, what needs votes `votes_`.
  """
  full = corpus_lib.view_name(corpus.modalities)
  columns = {'id': corpus.ids, 'group': corpus.groups}
  known = np.zeros(len(corpus.ids), bool)
  order = []
  if signals:
    mean = predictions_lib.mean_over_seeds(predictions.probabilities[full])
    predicted = predictions_lib.predicted_class(mean)
    known |= predicted >= 0
    columns['predicted'] = np.array([*corpus.classes, ''])[predicted]
    columns |= signals
    columns |= _gold(corpus, predictions, mean)
    if dominant is not None:
      columns |= dominance.clip_columns(corpus, dominant)
    order = [signals['one_minus_confidence']]
    if 'any_disagreement' in signals:
      order.append(signals['any_disagreement'])
  if corpus.votes is not None:
    votes, _ = ambiguity.speaking_votes(corpus)
    total = votes.sum(axis=1)
    if not signals:
      known |= total > 0
    columns['votes'] = total
    columns['votes_gs'] = ambiguity.gs(votes)
    columns['votes_entropy'], columns['votes_entropy_miller_madow'] = (
      ambiguity.entropy(votes)
    )
    columns['votes_contested'] = np.where(
      total > 0, ambiguity.contested(votes), np.nan
    )
    order = order or [columns['votes_gs']]
  keys = [-np.nan_to_num(values, nan=-1.0)[known] for values in order]
  rows = np.flatnonzero(known)
  rows = rows[np.lexsort(keys)] if keys else rows
  columns = {name: values[rows] for name, values in columns.items()}
  ranks = {'rank': np.arange(1, len(rows) + 1)}
  return {'id': columns.pop('id')} | ranks | columns


def _gold(
  corpus: corpus_lib.Corpus,
  predictions: predictions_lib.Predictions,
  mean: np.ndarray,
) -> dict[str, np.ndarray]:
  """What of each clip is known only with its label.

  Args:
    corpus: for the labels.
    predictions: of single views and the full one.
    mean: (N, C) probabilities of the full view, NaN where it has none.

  Returns:
    By name, (N,): numbers are NaN and texts empty where unknown.
  """
  labels = corpus.labels
  labelled = labels != corpus_lib.UNLABELLED
  predicted = predictions_lib.predicted_class(mean)
  known = labelled & (predicted >= 0)
  right = predicted == labels
  columns = {
    'gold_label': np.array([*corpus.classes, ''])[labels],
    'gold_correct': np.where(known, right, np.nan),
    'gold_probability': np.where(
      known, mean[np.arange(len(labels)), labels], np.nan
    ),
  }
  words = np.array(['wrong', 'right'])
  for view in predictions.views:
    if '+' in view or len(corpus.modalities) == 1:
      continue
    own = predictions_lib.predicted_class(
      predictions_lib.mean_over_seeds(predictions.probabilities[view])
    )
    transition = np.char.add(
      np.char.add(words[(own == labels).astype(int)], ' to '),
      words[right.astype(int)],
    )
    columns[f'gold_{view}_transition'] = np.where(
      known & (own >= 0), transition, ''
    )
  return columns


def _write_influences(
  path: pathlib.Path, statistics: Mapping[str, Estimate]
) -> None:
  """Keeps how each figure moves with the groups, for `comparison`.

  Arrays: `statistics` (K,) names, `groups` (G,) names, `slope` (K, G) float64,
  `in_sample` (K, G) bool, whether the figure rests on the group, `kind` (K,) of
  its interval, `quantile` (K,) of that over groups, and of its seeds
  `seed_variance`, `seed_freedom` and `num_seeds` (K,), 0 where there is none.
  """
  known = {
    name: estimate.influence
    for name, estimate in statistics.items()
    if estimate.influence is not None
  }
  groups = np.array([], np.str_)
  if known:
    every = {id(one.groups): one.groups for one in known.values()}
    groups = np.unique(np.concatenate(list(every.values())))
  slope = np.zeros((len(known), len(groups)))
  in_sample = np.zeros(slope.shape, bool)
  for row, one in enumerate(known.values()):
    place = np.searchsorted(groups, one.groups)
    slope[row, place] = one.slope
    in_sample[row, place] = True
  noises = [one.seeds or resampling.THESE_SEEDS for one in known.values()]
  with open(path, 'wb') as file:
    np.savez(
      file,
      statistics=np.array(list(known), np.str_),
      groups=groups.astype(np.str_),
      slope=slope,
      in_sample=in_sample,
      kind=np.array([statistics[name].kind for name in known], np.str_),
      quantile=np.array([one.quantile for one in known.values()], np.float64),
      seed_variance=np.array([one.variance for one in noises], np.float64),
      seed_freedom=np.array([one.freedom for one in noises], np.float64),
      num_seeds=np.array([one.num_seeds for one in noises], np.int64),
    )


def text(value: Scalar) -> str:
  """A value as a CSV file shows it; empty where it is not known."""
  if value is None or value != value:
    return ''
  if isinstance(value, bool):
    return str(int(value))
  if isinstance(value, float):
    return f'{value:.10g}'
  return str(value)
