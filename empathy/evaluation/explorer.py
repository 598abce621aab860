"""The clips one by one, as the report's explorer lists them."""

import dataclasses
import os
import pathlib
import re
from collections.abc import Mapping

import numpy as np

from empathy.corpora import corpus as corpus_lib
from empathy.evaluation import predictions as predictions_lib

# A page that holds more clips would be slow to load and to search.
MOST = 20_000
MEDIA = ('audio', 'video')
MODULES = pathlib.Path(__file__).parent / 'templates/explorer'
_IMPORT = re.compile(r"^import \{[^}]*\} from '\./(\w+\.js)';\n", re.MULTILINE)
# What signals.csv says that the page shows in another way.
_SHOWN_OTHERWISE = ('id', 'rank', 'votes', 'votes_contested', 'gold_correct')


@dataclasses.dataclass(frozen=True)
class Clips:
  """The clips to list, most in doubt first: N of them, C classes.

  Attributes:
    num_ranked: how many clips the study ranks, of which these are the first.
    ids: (N,) str.
    groups: (N,) str.
    labels: (N,) int, the index of the class; -1 where unlabelled.
    predicted: by view, (N,) int, the likeliest class of the mean over seeds; -1
      where the view has no prediction.
    probabilities: by view, (N, C) float64, the mean over seeds; NaN likewise.
    pluralities: by condition, (N,) int; -1 where there are no votes.
    votes: by condition, (N, C) int64 counts.
    contested: (N,) bool, whether no class has two thirds of the votes.
    signals: by name, (N,) float64, NaN where unknown.
    dominant: (N,) str, the modality that decides, or ''.
    transcripts: (N,) str.
    media: `audio` and `video`, (N,) str, absolute paths of files that exist,
      else ''; only those of which some clip has one.
    starts: (N,) str, where in the media a clip starts, in seconds, or ''.
    ends: (N,) str, where it ends, or ''.
  """

  num_ranked: int
  ids: np.ndarray
  groups: np.ndarray
  labels: np.ndarray
  predicted: Mapping[str, np.ndarray]
  probabilities: Mapping[str, np.ndarray]
  pluralities: Mapping[str, np.ndarray]
  votes: Mapping[str, np.ndarray]
  contested: np.ndarray
  signals: Mapping[str, np.ndarray]
  dominant: np.ndarray
  transcripts: np.ndarray
  media: Mapping[str, np.ndarray]
  starts: np.ndarray
  ends: np.ndarray


def rows(
  corpus: corpus_lib.Corpus,
  predictions: predictions_lib.Predictions | None,
  signals: Mapping[str, np.ndarray],
) -> Clips:
  """What there is to show of each clip, of `MOST` at most, the first ones.

  Args:
    corpus: for labels, votes, transcripts and media.
    predictions: None for a study of the humans alone.
    signals: the columns of `signals.csv`, whose order the clips keep.

  Returns:
    The clips.
  """
  num_ranked = len(signals['id'])
  signals = {name: values[:MOST] for name, values in signals.items()}
  ids = signals['id']
  row_of = {clip: row for row, clip in enumerate(corpus.ids.tolist())}
  row = np.array([row_of[clip] for clip in ids.tolist()], np.intp)
  means = {}
  if predictions is not None:
    means = {
      view: predictions_lib.mean_over_seeds(values[:, row])
      for view, values in predictions.probabilities.items()
    }
  votes = {}
  if corpus.votes is not None:
    votes = {name: corpus.vote_counts(name)[row] for name in corpus.conditions}
  none = np.full(len(row), '')
  told = {name: values[row] for name, values in corpus.metadata.items()}
  media = {kind: _files(corpus, told.get(kind, none)) for kind in MEDIA}
  return Clips(
    num_ranked=num_ranked,
    ids=ids,
    groups=corpus.groups[row],
    labels=corpus.labels[row],
    predicted={
      view: predictions_lib.predicted_class(mean)
      for view, mean in means.items()
    },
    probabilities={view: _shown(predictions, p) for view, p in means.items()},
    pluralities={
      name: np.where(counts.any(axis=1), counts.argmax(axis=1), -1)
      for name, counts in votes.items()
    },
    votes=votes,
    contested=signals.get('votes_contested', np.zeros(len(ids))) == 1,
    signals={
      name: values.astype(np.float64)
      for name, values in signals.items()
      if name not in _SHOWN_OTHERWISE and values.dtype.kind in 'bif'
    },
    dominant=signals.get('dominant', none),
    transcripts=told.get('transcript', none),
    media={kind: paths for kind, paths in media.items() if paths.any()},
    starts=told.get('start', none),
    ends=told.get('end', none),
  )


def _shown(
  predictions: predictions_lib.Predictions, mean: np.ndarray
) -> np.ndarray:
  """Shares of classes (N, C), of scores that of the nearest one."""
  if predictions.kind is not predictions_lib.Kind.SCORES:
    return mean
  said = predictions_lib.predicted_class(mean)[:, None]
  return np.where(said < 0, np.nan, said == np.arange(mean.shape[1]))


def _files(corpus: corpus_lib.Corpus, paths: np.ndarray) -> np.ndarray:
  """Absolute paths of the files that exist, '' for all else.

  Whatever is no file, such as the address of a page, is not shown: a report
  opens nothing that is not on the reader's own disk.
  """
  folder = os.path.abspath(corpus.path or '.')
  names, place = np.unique(paths, return_inverse=True)
  # Without a name it is the folder, which is no file either.
  found = [os.path.join(folder, name) for name in names.tolist()]
  found = [path if os.path.isfile(path) else '' for path in found]
  return np.array(found)[place]


def script(folder: pathlib.Path = MODULES) -> str:
  """A program of the page: its modules as one, as a page of its own needs.

  A module stands behind those that it imports from; what they export it finds
  in the scope that all share, so that no name is declared twice.

  Args:
    folder: of the modules; the program is its main.js.
  """
  texts: dict[str, str] = {}

  def add(name: str) -> None:
    if name in texts:
      return
    text = (folder / name).read_text(encoding='utf-8')
    for needed in _IMPORT.findall(text):
      add(needed)
    text = _IMPORT.sub('', text)
    texts[name] = re.sub(r'^export ', '', text, flags=re.MULTILINE)

  add('main.js')
  return '\n'.join(texts.values())
