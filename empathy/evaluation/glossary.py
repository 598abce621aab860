"""What the words and columns of the report mean.

Each is explained once, in the report's last section. To it lead the words of
the text that are its own, see `terms`, and the heads of columns, see `Entry`.
"""

import dataclasses
import re


@dataclasses.dataclass(frozen=True)
class Definition:
  """What one term of the report, or several of a kind, means.

  Attributes:
    term: its name, or their names.
    meaning: in plain words, with the source where it is one person's.
    words: what it is called in the text.
    sections: the sections in which the words have this meaning; () is all.
    basic: whether every page has it, so that it is linked once on a page and
      not once in each section.
  """

  term: str
  meaning: str
  words: tuple[str, ...] = ()
  sections: tuple[str, ...] = ()
  basic: bool = False

  @property
  def key(self) -> str:
    """Its place on the page is `term-<key>`."""
    return re.sub(r'[^a-z0-9]+', '-', self.term.lower()).strip('-')


ACCURACY = Definition(
  'Accuracy',
  'Share of clips whose predicted class is the label; the mean over seeds of '
  'each seed’s held-out predictions, pooled over folds. Of classes that are '
  'equally probable, the one named first is predicted.',
  words=('accuracy',),
)
FOLD_MEAN = Definition(
  'Mean over folds',
  'The unweighted mean of the folds’ accuracies, as papers often give it.',
)
ENSEMBLE = Definition(
  'Seeds averaged',
  'Accuracy after averaging the probabilities of all seeds; of labels, that of '
  'the commonest one.',
  words=('seeds averaged',),
)
LABELS_GS = Definition(
  'Its own labels differ',
  'The chance that two labels that the full view gives a clip, of two seeds or '
  'two samples, differ: unbiased for any number of them.',
)
ANSWERED = Definition(
  'Answered',
  'Share of the questions put to a view to which it gave a label. Accuracy is '
  'the share of right ones among these answers; accuracy of all asked counts '
  'what was not answered as wrong.',
)
ADVANTAGE = Definition(
  'Advantage',
  'How often a model agrees with the other annotators of a clip at least as '
  'well as the one does in whose place it is put; mean over annotators.',
  words=('advantage',),
  sections=('stand_in',),
)
WINNING = Definition(
  'Winning rate',
  'Share of annotators in whose place the model falls short by less than ε, the'
  ' price of an annotator, by the alternative annotator test; a half or more, '
  'and it may stand in.',
  words=('winning rate', 'falls short'),
  sections=('stand_in', 'answer'),
)
RATER_KAPPA = Definition(
  'Kappa of two raters',
  'Cohen’s, agreement beyond what their shares of classes give by chance; '
  'weighted, by the squared difference of the classes’ values, which is also '
  'Lin’s coefficient of concordance.',
  words=('kappa',),
  sections=('stand_in',),
)
F1 = Definition(
  'Macro and weighted F1',
  'Harmonic mean of precision and recall by class; the mean over classes, '
  'plain or weighted by the number of clips.',
  words=('F1', 'macro F1', 'weighted F1'),
)
BY_CLASS = Definition(
  'Recall, precision, F1',
  'Of the clips that have a class for their label, the share that is called '
  'so; of those that are called so, the share whose label it is; and the '
  'harmonic mean of the two. Means over seeds, as accuracy is.',
)
LOSSES = Definition(
  'NLL, Brier',
  'Mean negative logarithm of the label’s probability, in nats; squared '
  'error of the probabilities, summed over classes, mean over clips. Lower '
  'is better.',
  words=('NLL',),
)
ECE = Definition(
  'ECE',
  'Expected calibration error over 15 bins of equal width of the top '
  'probability. The ideal ECE is the same figure when labels are drawn '
  'from the probabilities themselves.',
  words=('ECE', 'ideal ECE'),
)
DISAGREEMENT = Definition(
  'Disagreement',
  'Share of clips on which a view and the full view give different labels, '
  'over all pairs of a seed of each.',
)
EXCESS = Definition(
  'Seed noise, excess',
  'How often two seeds of the same view differ, the mean of the two views; '
  'the excess is disagreement minus that.',
  words=('excess', 'seed noise'),
  sections=('disagreement', 'answer'),
)
BEYOND_EITHER = Definition(
  'Beyond either',
  'Disagreement minus how often two seeds of the noisier of the two views '
  'differ.',
  words=(
    'beyond either',
    'beyond seeds of either',
    'noisier of the two',
    'noisier one',
  ),
  sections=('disagreement', 'answer'),
)
KAPPA = Definition(
  'Kappa',
  'Cohen’s kappa: agreement beyond what the two views’ class frequencies '
  'give by chance.',
)
CONSISTENCY = Definition(
  'Error consistency',
  'How much more often two views are right or wrong together than their '
  'accuracies alone would have it; 1 at most.',
  words=('error consistency', 'error cons.'),
)
GS = Definition(
  'GS',
  'The Gini–Simpson index: the chance that two annotators of the same clip '
  'give different labels; unbiased for any number of votes from two on.',
  words=('GS',),
)
ADJUSTED = Definition(
  'Adjusted difference',
  'Difference of GS (in Diagnosis, of errors) between clips where views '
  'disagree and where they agree, within strata of the full view’s label and '
  'confidence (twentieths), weighted by n₁n₀/(n₁+n₀).',
  words=('adjusted difference', 'like confidence'),
)
BEYOND_SEEDS = Definition(
  'Beyond seeds',
  'The adjusted difference where one of several single views, a seed of '
  'each, disagrees with a seed of the full view, minus that where one of as '
  'many other seeds of the full view does; over all choices of different '
  'seeds.',
  words=(
    'beyond seeds',
    'other seeds of the full view',
    'other seeds of it',
    'other seeds',
  ),
  sections=('ambiguity', 'answer'),
)
ENTROPY = Definition(
  'Entropy',
  'Of a clip’s votes, in nats; not compared between clips of different '
  'numbers of votes, because it grows with them.',
  words=('entropy of votes',),
)
ALPHA = Definition(
  'Alpha',
  'Krippendorff’s alpha: one minus the disagreement among annotators over '
  'that of votes dealt out at random; 1 is agreement, 0 is chance.',
  words=('Krippendorff’s alpha', 'ordinal alpha', 'interval alpha'),
)
FLEISS = Definition(
  'Fleiss’ kappa, AC1',
  'Agreement beyond chance, too; Fleiss’ kappa takes chance from the shares '
  'of the classes, Gwet’s AC1 from how even they are, which keeps it steady '
  'where one class is rare.',
  words=('Fleiss’ kappa', 'Gwet’s AC1'),
)
SHAPLEY = Definition(
  'Shapley share',
  'Shapley’s value of a modality, from the probability that the full view '
  'gives its own label when shown every part of the modalities, over the sum '
  'of the sizes of all values; the largest value is the dominant one’s.',
  words=('Shapley’s value', 'Shapley value'),
  sections=('dominance', 'answer', 'clips', 'diagnosis'),
)
HARM = Definition(
  'Misled, rescued, net harm',
  'Where no other modality alone says the same: wrong, but right once the '
  'dominant one is dropped; right, but wrong once it is dropped; the '
  'difference of both, as shares of all clips.',
  words=('misled', 'rescued', 'net harm'),
  sections=('dominance', 'answer', 'clips'),
)
HALVES = Definition(
  'One vote, halves',
  'How often a vote equals the plurality of the other votes on its clip; how '
  'often the pluralities of two halves of the votes are the same.',
  words=('halves',),
  sections=('humans',),
)
VOTE_EXCESS = Definition(
  'Excess of uncertainty',
  'How much more often annotators of the full condition differ where another '
  'condition’s plurality differs from theirs, minus the same for two '
  'pluralities of their own; all from disjoint votes.',
  words=('excess',),
  sections=('humans',),
)
AUROC = Definition(
  'AUROC',
  'Area under the ROC curve: the chance that a clip which the full view labels '
  'wrongly (in Ambiguity, a contested one) has a higher signal than another '
  'one; ties count half, 50 % is chance.',
  words=('AUROC', 'area under the ROC curve'),
)
AP = Definition(
  'Average precision',
  'The mean, over errors, of the share of errors among clips with at least '
  'as high a signal; the error rate where a signal tells nothing.',
  words=('average precision',),
)
AURC = Definition(
  'AURC, E-AURC',
  'The error rate among the clips with the lowest signal, mean over all '
  'coverages; E-AURC is what it exceeds that of an oracle by.',
  words=('AURC', 'risk and coverage'),
)
COMBINED = Definition(
  'Confidence and disagreement',
  'A logistic regression of errors on the log odds of doubt and on whether '
  'some single view disagrees, fitted to the other folds.',
  words=(
    'confidence and disagreement',
    'confidence with and without disagreement',
  ),
  sections=('diagnosis', 'answer'),
)
CONFLICT = Definition(
  'Conflict that people see',
  'How often the pluralities of votes on two conditions differ; by chance, how '
  'often two of one condition do, the mean of both. All are of equally many '
  'votes: disjoint random halves of the fewest. The excess is half the squared '
  'distance of the two conditions’ distributions of pluralities.',
  words=('excess', 'by chance'),
  sections=('conflict',),
)
CONFLICT_BEYOND = Definition(
  'Beyond chance',
  'A figure’s difference between clips on which the pluralities of two '
  'conditions differ and others, minus the same for two pluralities of one '
  'condition.',
  words=('beyond chance',),
  sections=('conflict',),
)
SCORES = Definition(
  'MAE, RMSE',
  'Mean absolute difference of the expected score and the true one, and the '
  'root of the mean squared one, in units of the scale.',
  words=('MAE', 'RMSE'),
)
CCC = Definition(
  'CCC',
  'Lin’s concordance correlation of expected and true scores: how near they '
  'are to being equal; Pearson’s correlation, less what wrong means and '
  'spreads take off.',
  words=('CCC', 'concordance'),
)
WEIGHTED_KAPPA = Definition(
  'Weighted kappa',
  'Cohen’s kappa, with weights that are squared differences of the classes’ '
  'values, of the class nearest to the expected score and the label.',
  words=('weighted kappa',),
  sections=('scores',),
)
CRPS = Definition(
  'CRPS',
  'Continuous ranked probability score: the absolute error, of a whole '
  'distribution over the classes’ values. “If true” is what it would be if '
  'scores were drawn from the distribution. Lower is better.',
  words=('CRPS',),
)
COVERAGE = Definition(
  'In 50, 80, 90 %',
  'Share of clips whose label lies in the central interval of the predicted '
  'distribution. Classes are whole, so the interval has more of the mass than '
  'that: “if true” is what it has; the gap is the share minus that. It has '
  'an interval where labels of several groups lie inside, and of several '
  'outside.',
)
SCORES_APART = Definition(
  'Apart',
  'Mean absolute difference of the scores of a view and the full one, over all '
  'pairs of a seed of each; likewise of two seeds of one view. The excess is '
  'the former minus the mean of both views’ latter, and never negative but by '
  'chance.',
)
UNSHARED = Definition(
  'Not shared',
  'Share of the variance of a view’s mean score that is no linear function of '
  'the full view’s, with the noise of seeds taken out of all: 1 minus the '
  'squared covariance of a seed of each over those of two seeds of either. It '
  'lies between 0 and 100 %, and is below 0 by chance only; it is not given '
  'where one of the latter is not shown to be above 0.',
  words=('linear function of the full view’s',),
  sections=('scores',),
)
SCORES_TELL = Definition(
  'With ratings’ variance, with errors',
  'Correlation, over clips and pairs of seeds, of a view’s distance from a '
  'seed of the full view with the variance of the ratings, or with the '
  'absolute error of a third seed, which is neither of both, beyond the '
  'former’s score, its square and the variance of its distribution; the same '
  'of another seed of the full view; and the difference.',
)
SCORE_SHARE = Definition(
  'Share of the score',
  'The size of a modality’s Shapley value in the expected score over the sum '
  'of all sizes, mean over clips.',
)
SCORE_HARM = Definition(
  'Net harm of scores',
  'Squared error of the full view’s score minus that without the modality, '
  'where it moves the score most, and 0 elsewhere; “any” is the sum. A fusion '
  'that weighs all evidence as well as can be has 0 or less, for the mean of a '
  'distribution has the least squared error; not the least absolute one.',
)
RATINGS = Definition(
  'Variance of the ratings',
  'Unbiased variance of a clip’s ratings where there are two or more, mean '
  'over clips, in squared units of the scale.',
)
INFORMATION = Definition(
  'Alike, alone, only together',
  'Parts of the information that two sources have of a target: what either '
  'tells (redundant), what one tells and the other does not (unique), and what '
  'neither tells alone (synergistic), after Bertschinger and others (2014). '
  'Bias is taken off by halves of the groups, so that a part may be a little '
  'below zero.',
  words=('information',),
  sections=('together',),
)
COOPERATION = Definition(
  'Value, interaction',
  'Shapley’s value of a modality, from the probability that the full view '
  'gives the label when shown every part of the modalities, or from whether it '
  'is right; and by how much two add more together than each by itself, the '
  'mean over what else is shown (Grabisch and Roubens 1999).',
  words=('interaction', 'Shapley’s value'),
  sections=('together',),
)
BEST_VIEW = Definition(
  'Best view, regret',
  'An oracle that is right wherever the full view or a single one is, a seed '
  'of each; its gain over the full view, and its regret, over the view that is '
  'best overall. Independent: what it would gain if views erred independently '
  'given the label; other seeds: if it chose among as many seeds of the full '
  'view.',
  words=('regret', 'oracle'),
  sections=('together',),
)
SETS = Definition(
  'Prediction sets',
  'All classes to which the full view gives a threshold’s probability or more. '
  'The threshold is chosen on other groups, so that sets of a new group’s '
  'clips hold the wanted share of their votes or more (Monte-Carlo conformal '
  'prediction, with whole groups exchangeable and counted alike). If for '
  'labels: what share of votes sets hold whose thresholds are chosen for '
  'labels.',
  words=('prediction sets', 'sets'),
  sections=('sets',),
)

# What every report is about; these come first among the definitions.
CLIP = Definition(
  'Clip',
  'What is judged: a piece of text, sound or pictures with one label.',
  words=('clip', 'clips'),
  basic=True,
)
VIEW = Definition(
  'View, full view',
  'What a model is shown of a clip: one modality (a single view) or several '
  'together; the full view is shown all of them. Each view is a model of its '
  'own.',
  words=('view', 'views', 'full view', 'single view', 'single views'),
  basic=True,
)
MEMBER = Definition(
  'Member',
  'One trained network: of one view, one seed and one fold.',
  words=('member', 'members', 'trained members'),
  basic=True,
)
SEED = Definition(
  'Seed',
  'The random start of a training. Two seeds of a view differ by nothing but '
  'chance, so that what they differ by is noise.',
  words=('seed', 'seeds'),
  basic=True,
)
FOLD = Definition(
  'Fold',
  'A part of the groups. Each clip is predicted by members that were trained '
  'on other folds.',
  words=('fold', 'folds'),
  basic=True,
)
GROUP = Definition(
  'Group',
  'Clips that belong together, such as those of one speaker or one dialogue; '
  'a group is never on both sides of a split. Intervals are for new groups.',
  words=('group', 'groups'),
  basic=True,
)
CONDITION = Definition(
  'Condition',
  'What annotators were shown of a clip when they voted: some modalities, or '
  'all of them (the full condition).',
  words=('condition', 'conditions', 'full condition'),
  basic=True,
)
PLURALITY = Definition(
  'Plurality',
  'The class that has the most votes of a clip; of a tie, the one named first.',
  words=('plurality', 'pluralities'),
  basic=True,
)
CONTESTED = Definition(
  'Contested',
  'A clip on which no class has two thirds of the votes.',
  words=('contested', 'contested clips', 'uncontested clips'),
)
CONFIDENCE = Definition(
  'Confidence, 1 − confidence',
  'The largest of the probabilities that the full view, its seeds averaged, '
  'gives the classes. One minus that is its doubt; 1 − margin is one minus the '
  'distance of the largest two.',
  words=('confidence', '1 − confidence', '1 − margin', 'small margin'),
)
POINTS = Definition(
  'Points',
  'Percentage points: what a share in per cent differs by from another one.',
  words=('points',),
  basic=True,
)
INTERVAL = Definition(
  'Interval',
  'Made so that, over many studies like this one, 95 % of such intervals hold '
  'the true figure. What they are for is said above, under Methods.',
  words=('95 % interval', 'interval', 'intervals'),
  basic=True,
)
P = Definition(
  'p',
  'How often a figure as far from no effect as this one would come about if '
  'there were none.',
  words=('p', 'p-value', 'p-values'),
  basic=True,
)
ADJUSTED_P = Definition(
  'adj. p',
  'The p-value after correction for the other tests of its family, so that the '
  'chance of even one false finding among them stays below 5 % where what is '
  'below .05 counts as one (Holm 1979).',
  words=('adj. p', 'adjusted', 'corrected for the other tests'),
  basic=True,
)
PRIMARY = Definition(
  'Primary, exploratory',
  'A primary figure answers a question; which one it is was settled before the '
  'data were seen, or its p-value allows for the choice. All other figures are '
  'exploratory: they suggest what to ask next, and settle nothing.',
  words=('primary figure', 'primary figures', 'exploratory'),
  basic=True,
)
CONTROL = Definition(
  'Control',
  'A signal that knows nothing of modalities. What a method finds of it, the '
  'method makes up.',
  words=('controls',),
  sections=('ambiguity',),
)
SOFT = Definition(
  'If true, all clips alike',
  '“If true” is what a figure would be if votes were drawn from the '
  'probabilities themselves; “all clips alike” is what the shares of all votes '
  'together would have on each clip.',
  words=('if true', 'all clips alike'),
  sections=('ambiguity',),
)
JENSEN_SHANNON = Definition(
  'Jensen and Shannon’s distance',
  'The square root of their divergence of two distributions (Lin 1991): 0 '
  'where they are the same.',
  words=('Jensen–Shannon', 'Jensen and Shannon’s distance'),
)
SPEARMAN = Definition(
  'Spearman’s correlation',
  'Correlation of ranks: 1 where two figures put all clips in the same order.',
  words=('Spearman’s correlation', 'Spearman', 'Spearman with GS'),
)
UNSUPPORTED = Definition(
  'Unsupported, dominant',
  'The dominant modality is that of the largest Shapley value. A clip is '
  'unsupported where no other modality alone gives the full view’s label.',
  words=('dominant modality', 'unsupported'),
)
GATE = Definition(
  'Gate, attention',
  'The weight that the network itself gives a modality, mean over clips: what '
  'it says of itself, beside what it does (Shapley’s value).',
  words=('gate',),
  sections=('dominance',),
)
SELECTIVE = Definition(
  'Selective prediction',
  'To answer only where confidence reaches a threshold, chosen on other clips '
  '(Geifman and El-Yaniv 2017).',
  words=('selective prediction',),
)
DAWID_SKENE = Definition(
  'Dawid and Skene’s model',
  'Finds the likeliest label of each clip, and how each annotator mistakes one '
  'class for another, both at once (Dawid and Skene 1979).',
  words=('Dawid and Skene’s model',),
)
SEED_SD = Definition(
  'Seed SD',
  'Standard deviation of the accuracy over seeds: what another seed alone '
  'changes.',
  words=('seed SD',),
)
EPOCH = Definition(
  'Epoch',
  'Once through all training clips.',
  words=('epoch', 'epochs'),
  sections=('learning',),
)
VALIDATION = Definition(
  'Validation',
  'Clips that a model does not learn from, by which the epoch or the setting '
  'is chosen; others than those that it predicts for this report.',
  words=('validation', 'validation loss', 'validation clips'),
  sections=('learning',),
)
LOSS = Definition(
  'Loss',
  'What training makes small. Cross-entropy is small where the class that is '
  'learned has a high probability.',
  words=('loss', 'training loss'),
  sections=('learning',),
)
OVERFIT = Definition(
  'Overfit',
  'To go on learning what is so of the training clips alone: they are '
  'predicted better and better, others worse.',
  words=('overfit', 'overfitted'),
  sections=('learning',),
)

BASIC = tuple(
  one
  for one in tuple(globals().values())
  if isinstance(one, Definition) and one.basic
)
ALL = BASIC + tuple(
  one
  for one in tuple(globals().values())
  if isinstance(one, Definition) and not one.basic
)
