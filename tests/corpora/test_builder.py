import numpy as np
import pytest
from tensorflow_datasets.core import shuffle

from empathy.corpora import builder, simulate
from empathy.corpora import corpus as corpora


@pytest.mark.parametrize('has_sequences', [False, True])
def test_every_clip_is_an_example(has_sequences, tmp_path, monkeypatch):
  # What a corpus of gigabytes would need TensorFlow for.
  monkeypatch.setattr(shuffle, 'MAX_MEM_BUFFER_SIZE', 100)
  parameters = simulate.Parameters(num_clips=20, num_groups=4, width=3)
  corpus, _ = simulate.simulate(parameters, seed=0)
  text = corpus.features['text']
  length = np.ones(20, np.int64)
  if has_sequences:
    length = np.arange(1, 21)
    values = np.repeat(text.values, length, axis=0) + np.arange(210)[:, None]
    corpus.features['text'] = corpora.Features(
      text.clip, values.astype(np.float32), length
    )
  audio = corpus.features['audio']
  corpus.features['audio'] = corpora.Features(audio.clip[1:], audio.values[1:])
  made = builder.EmpathyCorpus(corpus=corpus, data_dir=str(tmp_path))
  made.download_and_prepare()
  examples = {
    example['id'].decode(): example
    for example in made.as_data_source(split=builder.SPLIT)
  }
  assert len(examples) == 20
  votes = corpus.vote_counts(corpora.full_condition(corpus.conditions))
  rows = np.split(corpus.features['text'].values, np.cumsum(length)[:-1])
  for row, clip in enumerate(corpus.ids.tolist()):
    example = examples[clip]
    assert example['group'].decode() == corpus.groups[row]
    assert example['label'] == corpus.labels[row]
    np.testing.assert_array_equal(example['votes'], votes[row])
    np.testing.assert_array_equal(example['features/text'], rows[row])
    expected = audio.values[row : row + 1] if row else np.zeros((0, 3))
    np.testing.assert_array_equal(example['features/audio'], expected)
