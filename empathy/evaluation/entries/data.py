"""Whether the data can bear a study."""

from empathy.evaluation.entry import Entry, of
from empathy.evaluation.units import COUNT, NUMBER, POINTS, SHARE

ENTRIES = of(
  'data',
  Entry('group_leakage', 'group leakage', SHARE),
  Entry('majority_accuracy', 'commonest label', SHARE),
  Entry('group_majority_accuracy', 'knowing the group', SHARE),
  Entry('num_groups', 'groups', COUNT),
  Entry('largest_group_share', 'largest group', SHARE),
  Entry('views', 'views', COUNT),
  Entry('confidence', 'confidence', COUNT),
  Entry('largest_class_share', 'class balance', SHARE),
  Entry('votes_per_clip', 'votes a clip', NUMBER),
  Entry('annotators', 'annotators alike', COUNT),
  Entry('label_is_plurality', 'label is plurality', SHARE),
  Entry('label_is_mean_class', 'label is mean', SHARE),
  Entry('labelled_share', 'labelled clips', SHARE),
  Entry('duplicates', 'repeated clips', COUNT),
  Entry('answered_by_all', 'answered by all', SHARE),
  Entry('{modality}.coverage', '{modality} coverage', SHARE),
  Entry(
    'smallest_effect',
    'smallest gain to be seen',
    POINTS,
    undefined='There is no paired difference with an interval.',
  ),
  within=('question 7',),
)
