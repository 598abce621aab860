import numpy as np
import pytest

from empathy.corpora import sequences


def test_pieces_are_joined():
  features = sequences.joined(
    [np.ones((2, 3)), None, np.zeros((0, 3)), np.full((1, 3), 2.0)]
  )
  assert features.clip.tolist() == [0, 3]
  assert features.length.tolist() == [2, 1]
  assert features.values[:, 0].tolist() == [1, 1, 2]
  assert features.values.dtype == np.float32
  pooled = sequences.joined([np.ones((1, 3)), None])
  assert pooled.length is None
  # What float32 would lose is kept less its mean.
  values = 1e9 + np.arange(4.0)[:, np.newaxis]
  shifted = sequences.joined([values])
  np.testing.assert_allclose(shifted.values + shifted.offset, values, atol=1e-3)


@pytest.mark.parametrize(
  ('name', 'modality'),
  [
    ('chinese-hubert-large-UTT', 'audio'),
    ('chinese-roberta-wwm-ext-large-FRA', 'text'),
    ('clip-vit-large-patch14-UTT', 'video'),
    ('Baichuan-13B-Base-UTT', 'text'),
    ('wavlm-base-FRA', 'audio'),
    ('whisper-large-v2-UTT', 'audio'),
    ('dinov2-large-UTT', 'video'),
    ('manet_UTT', 'video'),
    ('text-my-bert', 'text'),
    ('audio-opt', 'audio'),
    ('COVAREP', 'audio'),
    ('CMU_MOSEI_VisualFacet42', 'video'),
    ('glove_vectors', 'text'),
    ('xyz', None),
  ],
)
def test_modalities_of_models(name, modality):
  assert sequences.modality_of(name) == modality
