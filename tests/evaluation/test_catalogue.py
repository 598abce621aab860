"""Every statistic of a study has its entry, which says what its figure is."""

import dataclasses

import made
import pytest

from empathy.evaluation import catalogue, findings, significance
from empathy.evaluation import study as study_lib
from empathy.evaluation.entry import Entry


def _full():
  corpus, predictions = made.study_input(60, 8)
  return corpus, made.with_parts(predictions)


def _votes():
  return made.study_input(60, 8)[0], None


def _partial():
  corpus, predictions = _full()
  return corpus, made.predictions(
    {'audio': predictions.probabilities['audio']}, predictions.folds['audio'][0]
  )


def _ordered():
  corpus, predictions = made.study_input(40, 7, 1)
  info = corpus.info | {'ordered': True}
  return dataclasses.replace(corpus, info=info), predictions


def _values():
  corpus, predictions = _full()
  return made.with_values(made.with_annotators(corpus)), predictions


def _without_votes():
  corpus, predictions = made.study_input(40, 7, 2)
  info = corpus.info | {'conditions': []}
  return dataclasses.replace(corpus, votes=None, info=info), predictions


@pytest.fixture(
  scope='module',
  name='study',
  params=[_full, _votes, _partial, _ordered, _values, _without_votes],
)
def _study(request):
  return study_lib.build(*request.param())


def test_every_name_is_that_of_one_entry(study):
  for name in study.statistics:
    found = catalogue.find(name)
    assert isinstance(found.entry, Entry), name
    assert catalogue.name(found.entry.pattern, found.parts) == name
    assert found.entry.heading
  for name, reason in study.skipped.items():
    found = catalogue.find(name)
    assert catalogue.name(found.entry.pattern, found.parts) == name
    if reason in {entry.undefined for entry in catalogue.ENTRIES}:
      assert reason == found.entry.undefined, name


def test_intervals_and_p_values_are_as_the_entry_says(study):
  for name, estimate in study.statistics.items():
    entry = catalogue.find(name).entry
    if estimate.low is not None:
      assert estimate.scale == entry.scale, name
    if estimate.p is not None:
      assert entry.null is not None, name
      assert estimate.one_sided == entry.one_sided, name
    elif estimate.kind in (findings.Kind.DRAWN, findings.Kind.LEAST):
      assert entry.null is None, name


def test_p_values_are_corrected_by_family(study):
  # The primaries are a family of their own. That of question 2 is chosen by its
  # value among single views, where there are several, and counts in theirs too.
  singles = [view for view in study.info['views'] if '+' not in view]
  alone = dict(study.primaries)
  if len(singles) > 1:
    alone.pop(2, None)
  families = {}
  for name, estimate in study.statistics.items():
    if estimate.p is not None and name not in alone.values():
      families.setdefault(catalogue.family(name), []).append(name)
  for names in families.values():
    expected = significance.holm([study.statistics[name].p for name in names])
    for name, adjusted in zip(names, expected, strict=True):
      found = study.statistics[name].p_adjusted
      if name not in study.primaries.values():
        assert found == pytest.approx(adjusted), name


@pytest.mark.parametrize(
  ('pattern', 'family'),
  [
    (
      'ambiguity.{}.adjusted',
      ['any_disagreement', 'text_disagreement', 'audio_disagreement'],
    ),
    ('humans.{}.spearman', ['models.one_minus_confidence', 'models.error']),
    (
      'humans.{}_vs_full.entropy_excess',
      ['text', 'audio'],
    ),
    ('diagnosis.{}.auroc_error', ['combined', 'entropy', 'any_disagreement']),
    ('disagreement.{}_vs_full.excess', ['text', 'audio', 'text+audio']),
  ],
)
def test_a_family_is_of_one_question_and_figure(pattern, family):
  names = {catalogue.family(pattern.format(one)) for one in family}
  assert len(names) == 1
  others = ('ambiguity.any_disagreement.gs_difference', 'views.text.nll')
  assert not names & set(map(catalogue.family, others))


def test_what_has_no_entry_is_refused_by_name():
  found = findings.Findings()
  with pytest.raises(LookupError, match=r'^views\.audio\.clever'):
    found.add('views.audio.cleverness', findings.Estimate(None))
  # What stands for several statistics is none.
  with pytest.raises(LookupError, match='question 3'):
    catalogue.family('question 3')


@pytest.mark.parametrize(
  ('name', 'pattern', 'parts'),
  [
    ('views.a+b.accuracy', 'views.{view}.accuracy', {'view': 'a+b'}),
    ('views.v1_0.nll', 'views.{view}.nll', {'view': 'v1_0'}),
    (
      'views.full_minus_audio.accuracy',
      'views.full_minus_{view}.accuracy',
      {'view': 'audio'},
    ),
    (
      'views.full_minus_best_single.accuracy',
      'views.full_minus_best_single.accuracy',
      {},
    ),
    (
      'views.a+b.f1_of.very sad',
      'views.{view}.f1_of.{class}',
      {'view': 'a+b', 'class': 'very sad'},
    ),
    (
      'humans.full_minus_audio.accuracy_of.a.b',
      'humans.full_minus_{condition}.accuracy_of.{class}',
      {'condition': 'audio', 'class': 'a.b'},
    ),
    (
      'views.text.f1_of.accuracy',
      'views.{view}.f1_of.{class}',
      {'view': 'text', 'class': 'accuracy'},
    ),
    (
      'views.text.f1_of.f1_of.x',
      'views.{view}.f1_of.{class}',
      {'view': 'text', 'class': 'f1_of.x'},
    ),
    (
      'humans.full_minus_best.accuracy_of.sad',
      'humans.full_minus_best.accuracy_of.{class}',
      {'class': 'sad'},
    ),
    (
      'disagreement.a_b+c_vs_full.rate',
      'disagreement.{view}_vs_full.rate',
      {'view': 'a_b+c'},
    ),
    (
      'ambiguity.control.seed.adjusted',
      'ambiguity.control.{control}.adjusted',
      {'control': 'seed'},
    ),
    (
      'ambiguity.audio_jsd.spearman',
      'ambiguity.{signal}.spearman',
      {'signal': 'audio_jsd'},
    ),
    (
      'diagnosis.selective_10.risk',
      'diagnosis.selective_{wanted}.risk',
      {'wanted': '10'},
    ),
    (
      'humans.full_minus_best_per_clip.split_half',
      'humans.full_minus_best_per_clip.split_half',
      {},
    ),
    ('diagnosis.audio_jsd', 'diagnosis.{signal}', {'signal': 'audio_jsd'}),
    ('question 3', 'question 3', {}),
  ],
)
def test_a_name_is_taken_apart_as_it_was_put_together(name, pattern, parts):
  found = catalogue.find(name)
  assert found.entry.pattern == pattern
  assert found.parts == parts


@pytest.mark.parametrize(
  'name',
  [
    'views.audio.accuracies',
    'views.audio',
    'diagnosis.no_signal.aurc',
    'other.audio.accuracy',
    'xviews.audio.accuracy',
    '',
  ],
)
def test_other_names_have_no_entry(name):
  assert catalogue.find(name) is None


def test_no_two_entries_are_of_one_name():
  patterns = [one.pattern for one in (*catalogue.ENTRIES, *catalogue.TOPICS)]
  assert len(set(patterns)) == len(patterns)
  parts = {
    'view': 'audio',
    'modality': 'audio',
    'condition': 'audio',
    'control': 'noise',
    'number': '2',
    'wanted': '5',
    'pair': 'text_vs_audio',
    'who': 'people',
    'ambiguity': 'divided',
    'outcome': 'net_harm',
    'rater': 'gpt-4.1',
    'epsilon': '15',
    'first': 'ann',
    'second': 'bob',
    'kind': 'person_model',
    'class': 'sad',
  }
  for signal in ('audio_disagreement', 'combined'):
    for pattern in patterns:
      name = catalogue.name(pattern, parts | {'signal': signal})
      found = catalogue.find(name).entry.pattern
      # What is told of this signal by itself has an entry of its own.
      assert found == pattern or signal in found


@pytest.mark.parametrize(
  ('name', 'rests'),
  [
    ('ambiguity.audio_disagreement.adjusted', True),
    ('ambiguity.any_disagreement.adjusted_by_seed', True),
    ('ambiguity.any_disagreement.beyond_seeds', False),
    ('ambiguity.entropy.spearman', True),
    ('ambiguity.full_jsd.auroc_minus_confidence', True),
    ('ambiguity.full_jsd.auroc_contested', False),
    ('diagnosis.combined.aurc', True),
    ('diagnosis.selective_5.coverage', True),
    ('diagnosis.audio_disagreement.auroc_error', False),
    ('diagnosis.any_disagreement.precision_minus_confidence', True),
    ('views.audio.nll', False),
  ],
)
def test_what_rests_on_confidence_is_known(name, rests):
  assert catalogue.on_confidence(name) == rests


def test_signals_are_words():
  words = {
    'audio+video_jsd': 'audio+video, distance',
    'audio_disagreement': 'audio disagrees',
    'any_disagreement': 'some single view disagrees',
    'control.permuted': 'control: some single view; votes permuted',
  }
  assert {name: catalogue.signal(name).words for name in words} == words
  assert catalogue.signal('audio_jsd').parts == {'view': 'audio'}
  assert catalogue.signal('loudness') is None


def test_the_reason_of_a_topic_is_that_of_its_figures():
  skipped = {'question 6': 'a', 'diagnosis.full_jsd': 'b', 'soft_scores': 'c'}
  reasons = {
    'diagnosis.full_jsd.aurc': 'b',
    'diagnosis.entropy.aurc': 'a',
    'views.audio.human_brier': 'c',
    'views.audio.nll': '',
    'no.such.name': '',
  }
  assert {name: catalogue.reason(name, skipped) for name in reasons} == reasons


def test_terms_are_defined_once_and_only_where_they_are_used():
  def terms(*names):
    return [one.term for one in catalogue.definitions(dict.fromkeys(names))]

  assert terms('views.a.nll', 'views.a.brier', 'views.b.nll') == ['NLL, Brier']
  assert terms('humans.text.gs', 'views.a.accuracy') == ['Accuracy', 'GS']
  assert terms('diagnosis.full_jsd.aurc') == ['AURC, E-AURC']
  assert terms('diagnosis.combined.aurc') == [
    'AURC, E-AURC',
    'Confidence and disagreement',
  ]
  assert terms('data.views') == []
