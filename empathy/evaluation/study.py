"""The study: every question asked of predictions, labels and votes.

A question is a module with two functions: `tally` adds up what it rests on over
some clips, and `answer` makes `Findings` of the totals of all. To add one, give
it a line in `_QUESTIONS`.
"""

import collections
import dataclasses
import html
import os
import pathlib
import shutil
import types
from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
from typing import Any

import numpy as np

from empathy import errors, files
from empathy.corpora import corpus as corpus_lib
from empathy.corpora import tables
from empathy.evaluation import (
  ambiguity,
  answering,
  best_view,
  catalogue,
  conflict,
  cooperation,
  data_checks,
  dawid_skene,
  deletions,
  diagnosis,
  disagreement,
  dominance,
  explorer,
  facts,
  human_classes,
  humans,
  information,
  kappas,
  layers,
  listing,
  planner,
  prediction_sets,
  scores,
  signal_rows,
  significance,
  soft_scores,
  stand_in,
  verdicts,
  view_classes,
  views,
  wording,
)
from empathy.evaluation import plan as plan_lib
from empathy.evaluation import predictions as predictions_lib
from empathy.evaluation import seeds as seeds_lib
from empathy.evaluation import totals as totals_lib
from empathy.evaluation.batches import Batch
from empathy.evaluation.findings import (
  NOBODY,
  Estimate,
  Findings,
  Scalar,
  filled,
)
from empathy.evaluation.plan import Plan

SCHEMA = 1
_QUESTIONS = (
  data_checks,
  views,
  view_classes,
  answering,
  disagreement,
  ambiguity,
  soft_scores,
  dominance,
  humans,
  human_classes,
  diagnosis,
  conflict,
  stand_in,
  kappas,
  scores,
  information,
  cooperation,
  best_view,
  prediction_sets,
)
# Whose figures cover other annotators, see `with_annotators`.
_OF_VOTES = {3, 5, 8, 10, 11}
_FILES = (
  'study.json',
  'influence.npz',
  'signals.csv',
  'signals',
  'report.html',
  'tables',
)
# A difference that would matter in practice, for the check of what these data
# could show.
_MATTERS = 0.05
_NO_CLIPS = {'id': np.array([], np.str_), 'rank': np.array([], np.int64)}


@dataclasses.dataclass(frozen=True, repr=False)
class Study:
  """What a study found; everything that the report tells comes from here.

  Attributes:
    info: facts that JSON can hold: `corpus`, `label` (what it means),
      `classes`, `modalities`, `conditions`, `license`, `source`, `simulated`
      (bool), `content` (see `corpus.content`), `num_clips`, `num_groups`,
      `views`, `single_views`, `full_view`, `full_condition`,
      `seeds` (by view, how many), `folds` (how many),
      `predictions` (how many rows), `resampling` and `covers`, two sentences:
      how intervals were made, and what they cover, '' where groups are too few
      for any; `label_name`, of one of several labels; `software`, versions and
      the `commit` of what judged; `training`, of a training run: `fusion`,
      `versions`, `commit`, the hash of its `config` and what that says of how
      members were made, see `runs`, and `select`, `swept`, `num_members`, see
      `learning`. No date: the same input gives the same report.
    statistics: by dotted name, as in `views.audio.accuracy`.
    skipped: the name of a statistic or of a comparison, or `question <n>`
      where nothing of it is answered, to one sentence that says why.
    primaries: by question, the name of the statistic whose p-value is corrected
      with the other questions'; it has none where it has no interval.
    tables: by name, rows of scalars (no NaN); each is a CSV file. The `answer`
      of a question says which it makes. A row is of a view, signal, condition,
      modality or class, and a column has the name that its statistics end in,
      see `catalogue`, with `_low` and `_high` of their intervals; `p` and
      `p_adjusted` are of the row's question. Others are
      `data_checks`: check, value, verdict ('ok', 'warning', 'fail'), sentence.
      `class_balance`: class, num_clips, share.
      `confusion`: view, label, predicted, num_clips, share (of the label's
        clips); means over seeds.
      `human_confusion`: condition, label, vote, num_votes, share; where votes
        made the label, num_clips, of which a clip's other votes have a share
        each, see `human_classes`.
      `votes_per_clip`: condition, num_clips, num_votes, min, median, max.
      `planner`: statistic (the primaries), groups_share, seeds_share,
          annotators_share of its variance, seeds_needed, groups_needed,
        annotators_needed, sentence.
      `annotators`: annotator, num_votes, agreement, chance, kappa, kappa_low,
        kappa_high, excess, flag, votes_needed, bias, leans_to, bias_<class>,
        see `raters`.
      `duplicates`: modality, id, same_as, same_group.
      `learning`: view, phase ('train', or 'refit' in a second training),
        epochs (1 after the first), name of a metric, mean, low and high (a
        tenth and nine tenths) over members, num_members; of training runs, as
        is `fitting`: a row a view, see `learning`.
      `layers`: view, modality, layer, weight (the mean over members, by fold
        and seed), least and most of these, num_members.
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
    candidates: by question, see `Findings.num_candidates`.
  """

  info: Mapping[str, Any]
  statistics: Mapping[str, Estimate]
  skipped: Mapping[str, str]
  primaries: Mapping[int, str]
  tables: Mapping[str, list[dict[str, Scalar]]]
  curves: Mapping[str, Any]
  signals: Mapping[str, np.ndarray]
  clips: explorer.Clips | None = None
  candidates: Mapping[int, int] = dataclasses.field(default_factory=dict)

  def save(self, folder: str | os.PathLike) -> None:
    """Writes the study and its report as a folder, whole or not at all.

    Raises:
      InputError: see `check_output`.
    """
    output = pathlib.Path(folder)
    write(self, output, _report().render(self, output))

  def __repr__(self) -> str:
    """The verdict on each question, a line each."""
    return '\n'.join(_report().verdicts(self))

  def _repr_html_(self) -> str:
    """The report, in a frame of its own that reaches nothing outside it."""
    page = html.escape(_report().render(self), quote=True)
    return (
      '<iframe sandbox="allow-scripts" style="width: 100%; height: 40em; '
      f'border: 0" title="report" srcdoc="{page}"></iframe>'
    )


def _report() -> types.ModuleType:
  """What shows studies, which needs them first."""
  from empathy.evaluation import report

  return report


def build(
  corpus: corpus_lib.Corpus,
  predictions: predictions_lib.Predictions | None = None,
) -> Study:
  """Asks every question that the data can answer.

  The p-values of the primaries are one family of Holm's; the others are a
  family for each entry of the catalogue.

  Args:
    corpus: with votes or without; what features it has, its `presence` says.
    predictions: None for a study of the humans alone.

  Returns:
    The study; questions without input are skipped with a reason.
  """
  batch = Batch(corpus, predictions)
  plan = plan_lib.of_batch(batch)
  return of_totals(
    add_up(batch, plan),
    plan,
    listing.of_batch(batch, plan),
    corpus_lib.content(corpus),
    dawid_skene.find(corpus, plan),
  )


def of_totals(
  totals: totals_lib.Totals,
  plan: Plan,
  clips: listing.Listing | None = None,
  content: str | None = None,
  modelled: Findings | None = None,
) -> Study:
  """The study of the totals of all clips.

  Args:
    totals: what `add_up` gives of all of them.
    plan: by which they were added up.
    clips: those to show one by one; none if None.
    content: of the corpus, see `corpus.content`; None if nobody had it whole.
    modelled: what a model of annotators says, see `dawid_skene.find`; None
      likewise.
  """
  found = answers(totals, plan)
  found[5].include(dawid_skene.in_parts(plan) if modelled is None else modelled)
  return assemble(found, facts.of(totals, plan, content), clips)


def add_up(batch: Batch, plan: Plan) -> totals_lib.Totals:
  """The totals of a batch of clips, of every question."""
  adder = totals_lib.Adder(batch.corpus.groups)
  for question in _QUESTIONS:
    question.tally(batch, plan, adder)
  _add_up_without(batch, plan, adder)
  return adder.totals()


def _add_up_without(batch: Batch, plan: Plan, adder: totals_lib.Adder) -> None:
  """Adds up what leaving out annotators changes in figures of votes."""
  if not plan.survey.has_votes:
    return
  tallies = [humans.tally, human_classes.tally, scores.tally_votes]
  tallies += [conflict.tally, information.tally_votes]
  deletions.tally(batch, plan, adder, tallies, plan.voted)
  tallies = [soft_scores.tally]
  # Of more clips, what ranks them by signals and strata takes too much room.
  if plan.exact and plan.full in plan.members:
    tallies += [ambiguity.tally, signal_rows.tally]
  speaking = plan.voted if plan.speaking is None else (plan.speaking,)
  deletions.tally(batch, plan, adder, tallies, speaking)


def with_annotators(totals: totals_lib.Totals, plan: Plan) -> totals_lib.Totals:
  """The totals, with what the choice of annotators adds to figures of votes."""
  answers = [humans.answer, human_classes.answer]
  answers += [conflict.answer, information.answer]
  if plan.values is not None:
    answers.append(scores.answer_votes)
  if plan.members:
    answers.append(soft_scores.answer)
  if plan.members and plan.exact:
    answers.append(ambiguity.answer)
  noises = deletions.noises(totals, plan, answers)
  return dataclasses.replace(totals, annotators=noises)


def assemble(
  answers: Mapping[int, Findings],
  info: Mapping[str, Any],
  clips: listing.Listing | None = None,
) -> Study:
  """The study that consists of answers, with corrected p-values.

  Args:
    answers: by question, in the order in which they are read.
    info: see `Study`.
    clips: those to show one by one; none if None.
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
  _correct(statistics, primaries, answers)
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
    signals=_NO_CLIPS if clips is None else clips.columns(),
    clips=None if clips is None else clips.clips,
    candidates={q: answers[q].num_candidates for q in primaries},
  )


def write(
  study: Study,
  output: pathlib.Path,
  report: str,
  signals: pathlib.Path | None = None,
) -> None:
  """Writes the study as a folder, whole or not at all.

  Args:
    study: what was found.
    output: the folder; an earlier study there is replaced.
    report: the report's HTML.
    signals: a folder of those of all clips, which is moved into the study's,
      where `signals.csv` has the first ones.

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
        'candidates': {str(q): n for q, n in study.candidates.items()},
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
    if signals is not None:
      shutil.move(signals, folder / 'signals')


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


def answers(totals: totals_lib.Totals, plan: Plan) -> dict[int, Findings]:
  """The findings by question, in the order in which they are read.

  Args:
    totals: of all clips.
    plan: of all clips.
  """
  asked = {
    7: data_checks.answer,
    5: _answer_of(humans, human_classes),
    9: _answer_of(stand_in, kappas),
    10: conflict.answer,
    11: _answer_of(information, cooperation, best_view),
    12: prediction_sets.answer,
  }
  if plan.values is not None:
    asked[8] = scores.answer
  if plan.members:
    asked |= {
      3: _answer_of(ambiguity, soft_scores),
      6: diagnosis.answer,
      1: _answer_of(views, view_classes, answering, layers),
      2: disagreement.answer,
      4: dominance.answer,
    }
  # None needs another's answer, and NumPy leaves the other cores free.
  with futures.ThreadPoolExecutor() as pool:
    of_votes = pool.submit(with_annotators, totals, plan)
    made = {
      question: pool.submit(answer, totals, plan)
      for question, answer in asked.items()
      if question not in _OF_VOTES
    }
    made |= {
      question: pool.submit(asked[question], of_votes.result(), plan)
      for question in _OF_VOTES & asked.keys()
    }
    found = {question: answer.result() for question, answer in made.items()}
  for question in (3, 6):
    if question in found:
      found[question] = _if_graded(found[question], plan)
  for question in {1, 2, 3, 4, 6} - found.keys():
    found[question] = Findings(
      skipped={f'question {question}': 'There are no predictions.'}
    )
  # First whether the data can bear it.
  return dict(sorted(found.items(), key=lambda it: (it[0] != 7, it[0])))


def _answer_of(*modules: types.ModuleType) -> Callable[..., Findings]:
  """What several modules find, as the answer to one question."""

  def answer(totals: totals_lib.Totals, plan: Plan) -> Findings:
    found, *others = (module.answer(totals, plan) for module in modules)
    for other in others:
      found.include(other)
    return found

  return answer


def _if_graded(found: Findings, plan: Plan) -> Findings:
  """The same, without what rests on confidence if there is none."""
  key = 'mean', plan.full
  if plan.full not in plan.members or plan.graded(*key):
    return found
  reason = plan.not_graded(*key)
  return without_confidence(found, reason)


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


def _correct(
  statistics: dict[str, Estimate],
  primaries: Mapping[int, str],
  answers: Mapping[int, Findings],
) -> None:
  """Corrects p-values: the primaries' together, the others' by their entry.

  A primary that was chosen by its value is one of those it was chosen from, so
  that their number is not less for it.
  """
  known = {name: one.p for name, one in statistics.items() if one.p is not None}
  first = {}
  for question, name in primaries.items():
    if name in known:
      times = answers[question].num_candidates
      first[name] = min(1.0, known[name] * times)
      if times == 1:
        del known[name]
  families = collections.defaultdict(dict)
  for name, p in known.items():
    families[catalogue.family(name)][name] = p
  for family in (*families.values(), first):
    _adjust(statistics, family)


def _adjust(
  statistics: dict[str, Estimate], family: Mapping[str, float]
) -> None:
  """Puts Holm's adjusted p-values into one family, of which p is known."""
  adjusted = significance.holm(list(family.values()))
  for name, p in zip(family, adjusted, strict=True):
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
    name = 'data.smallest_effect'
    skipped[name] = catalogue.entry(name).undefined
    return
  effect = planner.smallest_effect(statistics[primaries[asked[0]]])
  statistics['data.smallest_effect'] = effect
  tables.setdefault('data_checks', []).append(
    verdicts.row(
      'smallest_effect',
      effect.estimate,
      verdicts.OK if effect.estimate <= _MATTERS else verdicts.WARNING,
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


def _write_influences(
  path: pathlib.Path, statistics: Mapping[str, Estimate]
) -> None:
  """Keeps how each figure moves with the groups, for `comparison`.

  Arrays: `statistics` (K,) names, `groups` (G,) names, `slope` (K, G) float64,
  `in_sample` (K, G) bool, whether the figure rests on the group, `kind` (K,) of
  its interval, `quantile` (K,) of that over groups, of its seeds
  `seed_variance`, `seed_freedom` and `num_seeds` (K,), 0 where there is none;
  `annotators` (A,) hashes, the figure without each, `deletion` (K, A) float64,
  and `annotators_within`, `annotators_freedom` and `num_annotators` (K,).
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
  noises = [one.seeds or seeds_lib.THESE_SEEDS for one in known.values()]
  people = [one.annotators or NOBODY for one in known.values()]
  who = np.unique(np.concatenate([NOBODY.names, *(p.names for p in people)]))
  deletion = np.zeros((len(known), len(who)))
  for row, one in enumerate(people):
    deletion[row, np.searchsorted(who, one.names)] = one.effect
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
      annotators=who,
      deletion=deletion,
      annotators_within=np.array([one.within for one in people], np.float64),
      annotators_freedom=np.array([one.freedom for one in people], np.float64),
      num_annotators=np.array([one.number for one in people], np.int64),
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
