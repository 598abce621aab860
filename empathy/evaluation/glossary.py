"""What the words and columns of the report mean, for its last section."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Definition:
  """What one term of the report, or several of a kind, means."""

  term: str
  meaning: str


ACCURACY = Definition(
  'Accuracy',
  'Share of clips whose predicted class is the label; the mean over seeds of '
  'each seed’s held-out predictions, pooled over folds. Of classes that are '
  'equally probable, the one named first is predicted.',
)
FOLD_MEAN = Definition(
  'Mean over folds',
  'The unweighted mean of the folds’ accuracies, as papers often give it.',
)
ENSEMBLE = Definition(
  'Seeds averaged',
  'Accuracy after averaging the probabilities of all seeds; of labels, that of '
  'the commonest one.',
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
)
WINNING = Definition(
  'Winning rate',
  'Share of annotators in whose place the model falls short by less than ε, the'
  ' price of an annotator, by the alternative annotator test; a half or more, '
  'and it may stand in.',
)
RATER_KAPPA = Definition(
  'Kappa of two raters',
  'Cohen’s, agreement beyond what their shares of classes give by chance; '
  'weighted, by the squared difference of the classes’ values, which is also '
  'Lin’s coefficient of concordance.',
)
F1 = Definition(
  'Macro and weighted F1',
  'Harmonic mean of precision and recall by class; the mean over classes, '
  'plain or weighted by the number of clips.',
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
)
ECE = Definition(
  'ECE',
  'Expected calibration error over 15 bins of equal width of the top '
  'probability. The ideal ECE is the same figure when labels are drawn '
  'from the probabilities themselves.',
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
)
BEYOND_EITHER = Definition(
  'Beyond either',
  'Disagreement minus how often two seeds of the noisier of the two views '
  'differ.',
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
)
GS = Definition(
  'GS',
  'The Gini–Simpson index: the chance that two annotators of the same clip '
  'give different labels; unbiased for any number of votes from two on.',
)
ADJUSTED = Definition(
  'Adjusted difference',
  'Difference of GS between clips where views disagree and where they '
  'agree, within strata of the full view’s label and confidence '
  '(twentieths), weighted by n₁n₀/(n₁+n₀).',
)
BEYOND_SEEDS = Definition(
  'Beyond seeds',
  'The adjusted difference where one of several single views, a seed of '
  'each, disagrees with a seed of the full view, minus that where one of as '
  'many other seeds of the full view does; over all choices of different '
  'seeds.',
)
ENTROPY = Definition(
  'Entropy',
  'Of a clip’s votes, in nats; not compared between clips of different '
  'numbers of votes, because it grows with them.',
)
ALPHA = Definition(
  'Alpha',
  'Krippendorff’s alpha: one minus the disagreement among annotators over '
  'that of votes dealt out at random; 1 is agreement, 0 is chance.',
)
FLEISS = Definition(
  'Fleiss’ kappa, AC1',
  'Agreement beyond chance, too; Fleiss’ kappa takes chance from the shares '
  'of the classes, Gwet’s AC1 from how even they are, which keeps it steady '
  'where one class is rare.',
)
SHAPLEY = Definition(
  'Shapley share',
  'Shapley’s value of a modality, from the probability that the full view '
  'gives its own label when shown every part of the modalities, over the sum '
  'of the sizes of all values; the largest value is the dominant one’s.',
)
HARM = Definition(
  'Misled, rescued, net harm',
  'Where no other modality alone says the same: wrong, but right once the '
  'dominant one is dropped; right, but wrong once it is dropped; the '
  'difference of both, as shares of all clips.',
)
HALVES = Definition(
  'One vote, halves',
  'How often a vote equals the plurality of the other votes on its clip; how '
  'often the pluralities of two halves of the votes are the same.',
)
VOTE_EXCESS = Definition(
  'Excess of uncertainty',
  'How much more often annotators of the full condition differ where another '
  'condition’s plurality differs from theirs, minus the same for two '
  'pluralities of their own; all from disjoint votes.',
)
AUROC = Definition(
  'AUROC',
  'The chance that a clip which the full view labels wrongly has a higher '
  'signal than one that it labels rightly; ties count half, 50 % is chance.',
)
AP = Definition(
  'Average precision',
  'The mean, over errors, of the share of errors among clips with at least '
  'as high a signal; the error rate where a signal tells nothing.',
)
AURC = Definition(
  'AURC, E-AURC',
  'The error rate among the clips with the lowest signal, mean over all '
  'coverages; E-AURC is what it exceeds that of an oracle by.',
)
COMBINED = Definition(
  'Confidence and disagreement',
  'A logistic regression of errors on the log odds of doubt and on whether '
  'some single view disagrees, fitted to the other folds.',
)
CONFLICT = Definition(
  'Conflict that people see',
  'How often the pluralities of votes on two conditions differ; by chance, how '
  'often two of one condition do, the mean of both. All are of equally many '
  'votes: disjoint random halves of the fewest. The excess is half the squared '
  'distance of the two conditions’ distributions of pluralities.',
)
CONFLICT_BEYOND = Definition(
  'Beyond chance',
  'A figure’s difference between clips on which the pluralities of two '
  'conditions differ and others, minus the same for two pluralities of one '
  'condition.',
)
SCORES = Definition(
  'MAE, RMSE',
  'Mean absolute difference of the expected score and the true one, and the '
  'root of the mean squared one, in units of the scale.',
)
CCC = Definition(
  'CCC',
  'Lin’s concordance correlation of expected and true scores: how near they '
  'are to being equal; Pearson’s correlation, less what wrong means and '
  'spreads take off.',
)
WEIGHTED_KAPPA = Definition(
  'Weighted kappa',
  'Cohen’s kappa, with weights that are squared differences of the classes’ '
  'values, of the class nearest to the expected score and the label.',
)
CRPS = Definition(
  'CRPS',
  'Continuous ranked probability score: the absolute error, of a whole '
  'distribution over the classes’ values. “If true” is what it would be if '
  'scores were drawn from the distribution. Lower is better.',
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
)
COOPERATION = Definition(
  'Value, interaction',
  'Shapley’s value of a modality, from the probability that the full view '
  'gives the label when shown every part of the modalities, or from whether it '
  'is right; and by how much two add more together than each by itself, the '
  'mean over what else is shown (Grabisch and Roubens 1999).',
)
BEST_VIEW = Definition(
  'Best view, regret',
  'An oracle that is right wherever the full view or a single one is, a seed '
  'of each; its gain over the full view, and its regret, over the view that is '
  'best overall. Independent: what it would gain if views erred independently '
  'given the label; other seeds: if it chose among as many seeds of the full '
  'view.',
)
SETS = Definition(
  'Prediction sets',
  'All classes to which the full view gives a threshold’s probability or more. '
  'The threshold is chosen on other groups, so that sets of a new group’s '
  'clips hold the wanted share of their votes or more (Monte-Carlo conformal '
  'prediction, with whole groups exchangeable and counted alike). If for '
  'labels: what share of votes sets hold whose thresholds are chosen for '
  'labels.',
)
