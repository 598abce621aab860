"""Tiny encoders with random weights, one of each modality."""

import dataclasses

import jax
import numpy as np

from empathy import encoders
from empathy.encoders import deberta, roberta, timesformer, videomae, wav2vec2
from empathy.training import classifier

_SIZES = {
  'hidden_size': 16,
  'num_hidden_layers': 3,
  'num_attention_heads': 2,
  'intermediate_size': 24,
}
_PICTURES = _SIZES | {
  'image_size': 16,
  'patch_size': 8,
  'num_frames': 4,
}
CONFIGS = {
  'roberta': roberta.Config(**_SIZES, vocab_size=40),
  'deberta': deberta.Config(
    **_SIZES,
    vocab_size=40,
    relative_attention=True,
    position_buckets=8,
    norm_rel_ebd='layer_norm',
    share_att_key=True,
    pos_att_type=('p2c', 'c2p'),
    position_biased_input=False,
  ),
  'wav2vec2': wav2vec2.Config(
    **_SIZES,
    conv_dim=(8, 8),
    conv_kernel=(8, 4),
    conv_stride=(5, 2),
    num_conv_pos_embeddings=8,
    num_conv_pos_embedding_groups=4,
  ),
  'videomae': videomae.Config(**_PICTURES),
  'timesformer': timesformer.Config(**_PICTURES),
}
INPUTS = {
  'roberta': 'input_ids',
  'deberta': 'input_ids',
  'wav2vec2': 'input_values',
  'videomae': 'pixel_values',
  'timesformer': 'pixel_values',
}


def encoder(name: str, remat: bool = False) -> encoders.Encoder:
  """An encoder with weights so large that its layers do something."""
  config = CONFIGS[name]
  architecture = encoders.ARCHITECTURES[config.model_type]
  module = architecture.Model(config, remat=remat)
  params = module.init(jax.random.key(7), **architecture.example(config))
  return encoders.Encoder(module, params, config)


def program(name: str, remat: bool = False, **fields) -> classifier.Program:
  """What does not change while it learns."""
  made = encoder(name, remat)
  return classifier.Program(
    **{
      'module': made.module,
      'num_layers': made.config.num_hidden_layers,
      'num_trained': 2,
      'num_classes': 3,
      'input_name': INPUTS[name],
      'input_shape': (3, 16, 16) if INPUTS[name] == 'pixel_values' else (),
      'learning_rate': 1e-3,
      'weight_decay': 0.01,
    }
    | fields
  )


def inputs(name: str) -> tuple[np.ndarray, np.ndarray]:
  """The main input of four clips, padded, and its mask."""
  rng = np.random.default_rng(3)
  size = {'input_ids': 9, 'input_values': 120, 'pixel_values': 4}[INPUTS[name]]
  mask = np.arange(size) < np.array([size, size // 2, size, size - 1])[:, None]
  if INPUTS[name] == 'input_ids':
    # Padding has the number of RoBERTa's padding token.
    return np.where(mask, rng.integers(2, 40, mask.shape), 1), mask
  if INPUTS[name] == 'input_values':
    values = rng.normal(size=mask.shape).astype(np.float32)
    return np.where(mask, values, 0), mask
  shape = (4, size, 3, 16, 16)
  return rng.normal(size=shape).astype(np.float32), np.ones((4, size), bool)


def batch(name: str, program_: classifier.Program, params) -> classifier.Batch:
  """Four clips, the last of which only fills up."""
  values, mask = inputs(name)
  if program_.first is not None:
    values = classifier.states(program_, params, values, mask)
  labels = np.array([0, 2, 1, 0], np.int32)
  return classifier.Batch(values, mask, labels, np.array([1, 1, 1, 0], bool))


def everything(program_: classifier.Program) -> classifier.Program:
  """The same, but all of the encoder learns."""
  return dataclasses.replace(program_, num_trained=0)
