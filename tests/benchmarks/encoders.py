"""How fast are the encoders, beside PyTorch Transformers, and how large?

  python tests/benchmarks/encoders.py [--repeats=7] [--only NAME ...]

For each of the encoders at base size, with random weights, in float32: 8 texts
of 128 tokens (or one of 2,048), 2 sounds of 10 s (of Whisper one of 30 s), or a
video of 16 frames of 224 x 224. Prints the seconds from a call to all hidden
states, the median over repeats; the most memory that a process of its own had,
with the weights; and, where PyTorch is installed, the same of Transformers with
the same weights and input in one process, call by call in turn, and the largest
difference of the last hidden states. `--small` runs all of it on little models,
to see that it runs.
"""

import argparse
import dataclasses
import importlib.util
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault('JAX_PLATFORMS', 'cpu')

import jax
import numpy as np

from empathy import encoders
from empathy.encoders import checkpoint
from empathy.encoders.architectures import llama

# By name: the `model_type`, and what is unlike its defaults.
_BASE = {
  'roberta': ('roberta', {'max_position_embeddings': 514}),
  'deberta-v3': (
    'deberta-v2',
    {
      'hidden_size': 768,
      'num_hidden_layers': 12,
      'num_attention_heads': 12,
      'intermediate_size': 3072,
      'relative_attention': True,
      'position_buckets': 256,
      'norm_rel_ebd': 'layer_norm',
      'share_att_key': True,
      'pos_att_type': ('p2c', 'c2p'),
      'position_biased_input': False,
    },
  ),
  'modernbert': ('modernbert', {}),
  'modernbert-long': ('modernbert', {}),
  'electra': ('electra', {'embedding_size': 768}),
  'distilbert': ('distilbert', {}),
  'mpnet': ('mpnet', {'max_position_embeddings': 514}),
  'llama': (
    'llama',
    {
      'hidden_size': 768,
      'num_hidden_layers': 12,
      'num_attention_heads': 12,
      'num_key_value_heads': 4,
      'intermediate_size': 2048,
    },
  ),
  # Qwen2.5-0.5B.
  'qwen2': (
    'qwen2',
    {
      'vocab_size': 151936,
      'hidden_size': 896,
      'num_hidden_layers': 24,
      'num_attention_heads': 14,
      'num_key_value_heads': 2,
      'intermediate_size': 4864,
      'max_position_embeddings': 32768,
      'rope_parameters': llama.Rope(rope_theta=1e6),
    },
  ),
  'wav2vec2': ('wav2vec2', {}),
  'hubert': ('hubert', {}),
  'wavlm': ('wavlm', {}),
  'unispeech-sat': ('unispeech-sat', {}),
  'data2vec-audio': ('data2vec-audio', {}),
  'whisper': (
    'whisper',
    {
      'd_model': 768,
      'encoder_layers': 12,
      'encoder_attention_heads': 12,
      'encoder_ffn_dim': 3072,
    },
  ),
  # A quarter of the only published size, which is large.
  'w2v-bert': ('wav2vec2-bert', {'num_hidden_layers': 6}),
  'videomae': ('videomae', {'use_mean_pooling': False}),
  'timesformer': ('timesformer', {'num_frames': 16}),
  'vit': ('vit', {}),
  # Trained with larger pictures than its processor makes.
  'dinov2': ('dinov2', {'image_size': 518}),
  'clip': ('clip_vision_model', {'patch_size': 16}),
  'siglip': ('siglip_vision_model', {}),
  'vivit': ('vivit', {}),
  # The published sizes begin at large; a film of 16 frames.
  'vjepa2': (
    'vjepa2',
    {'hidden_size': 768, 'num_hidden_layers': 12, 'num_attention_heads': 12},
  ),
  'clip-text': ('clip_text_model', {}),
  'siglip-text': ('siglip_text_model', {}),
}
_SMALL = {
  'hidden_size': 32,
  'num_hidden_layers': 2,
  'num_attention_heads': 2,
  'intermediate_size': 64,
  'mlp_ratio': 2,
  'vocab_size': 100,
  'embedding_size': 32,
  'num_key_value_heads': 1,
  'dim': 32,
  'n_layers': 2,
  'n_heads': 2,
  'hidden_dim': 64,
  'conv_dim': (16,) * 7,
  'image_size': 32,
  'crop_size': 32,
  'd_model': 32,
  'encoder_layers': 2,
  'encoder_attention_heads': 2,
  'encoder_ffn_dim': 64,
  'max_source_positions': 50,
}


def make(
  name: str, small: bool
) -> tuple[encoders.Encoder, dict[str, np.ndarray]]:
  """An encoder of random weights, and an input for it."""
  model_type, fields = _BASE[name]
  architecture = encoders.ARCHITECTURES[model_type]
  if small:
    known = {field.name for field in dataclasses.fields(architecture.Config)}
    fields = fields | {k: v for k, v in _SMALL.items() if k in known}
  config = checkpoint.read_config(
    architecture.Config, fields | {'model_type': model_type}, name
  )
  module = architecture.Model(config)
  random = np.random.default_rng(0)

  def draw(path: Any, leaf: Any) -> Any:
    values = random.normal(0, 0.02, leaf.shape)
    if path[-1].key in ('scale', 'g'):
      values += 1
    return jax.numpy.asarray(values, leaf.dtype)

  params = jax.tree_util.tree_map_with_path(
    draw,
    jax.eval_shape(
      lambda: module.init(jax.random.key(0), **architecture.example(config))
    ),
  )
  if encoders.modality(config) == 'text':
    longest = 2_048 if name.endswith('-long') else 128
    shape = 1 if longest > 128 else 8, min(longest, config.max_tokens)
    ids = random.integers(5, config.vocab_size, shape)
    arrays = {'input_ids': ids, 'attention_mask': np.ones_like(ids)}
  elif 'input_values' in encoders.example(config):
    samples = random.normal(0, 1, (2, 16_000 if small else 160_000))
    arrays = {'input_values': samples.astype(np.float32)}
  elif model_type == 'whisper':
    (shape,) = (x.shape for x in architecture.example(config).values())
    arrays = {'input_features': random.normal(0, 1, shape).astype(np.float32)}
  elif model_type == 'wav2vec2-bert':
    shape = 2, 50 if small else 500, config.feature_projection_input_dim
    spectra = random.normal(0, 1, shape).astype(np.float32)
    mask = np.ones(shape[:2], np.int32)
    arrays = {'input_features': spectra, 'attention_mask': mask}
  else:
    (key,) = architecture.example(config)
    frames = 16 if model_type == 'vjepa2' else getattr(config, 'num_frames', 16)
    is_picture = encoders.input_of(config).is_sequence
    # Of single pictures any size goes; others are as they were trained with.
    size = min(config.image_size, 224 if is_picture else 1_000)
    shape = (1, frames, 3, size, size)
    arrays = {key: random.normal(0, 1, shape).astype(np.float32)}
  return encoders.Encoder(module, params, config), arrays


def seconds(call: Any) -> float:
  """How long a call takes."""
  start = time.perf_counter()
  call()
  return time.perf_counter() - start


def peer(
  encoder: encoders.Encoder,
  arrays: dict[str, np.ndarray],
  device: str = 'cpu',
  dtype: Any = None,
) -> tuple[Callable[[], Any], str]:
  """The same encoder by Transformers.

  Args:
    encoder: whose weights it has.
    arrays: the input.
    device: as PyTorch calls it.
    dtype: of weights, states and what is real of the input; by default float32.

  Returns:
    A call to all hidden states, and the name of its attention.
  """
  import torch
  import transformers

  transformers.logging.set_verbosity_error()
  transformers.logging.disable_progress_bar()
  with tempfile.TemporaryDirectory() as folder:
    encoders.save(encoder, f'{folder}/checkpoint')
    kind, inner = transformers.AutoModel, ''
    if encoder.config.model_type == 'whisper':  # Without a decoder.
      kind, inner = transformers.WhisperForAudioClassification, 'encoder'
    elif encoder.config.model_type == 'siglip_text_model':
      kind = transformers.SiglipTextModel
    model = kind.from_pretrained(f'{folder}/checkpoint').get_submodule(inner)
  model.eval().to(device, dtype or torch.float32)
  tensors = {key: torch.tensor(value) for key, value in arrays.items()}
  if encoders.input_of(encoder.config).is_sequence:  # A picture a row.
    tensors = {key: value.flatten(0, 1) for key, value in tensors.items()}
  tensors = {
    key: x.to(device, model.dtype if x.is_floating_point() else x.dtype)
    for key, x in tensors.items()
  }

  options = {'output_hidden_states': True}
  if encoder.config.model_type == 'vjepa2':
    options['skip_predictor'] = True

  def call() -> Any:
    with torch.inference_mode():
      return model(**tensors, **options)

  return call, model.config._attn_implementation


def measure(name: str, small: bool, repeats: int, beside: bool) -> None:
  """Prints the figures of one encoder, alone or beside Transformers."""
  encoder, arrays = make(name, small)
  calls = {'jax': lambda: jax.block_until_ready(encoder(**arrays))}
  compiled = seconds(calls['jax'])
  if beside:
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    call, _ = peer(encoder, arrays)
    calls['torch'] = call
    theirs = call().last_hidden_state.numpy()
    ours = np.asarray(encoder(**arrays).last_hidden_state)
    difference = np.abs(ours.reshape(theirs.shape) - theirs).max()
  times: dict[str, list[float]] = {key: [] for key in calls}
  for _ in range(repeats):
    for key, one in calls.items():
      times[key].append(seconds(one))
  medians = {key: statistics.median(values) for key, values in times.items()}
  if beside:
    print(
      f'{name:12} beside PyTorch: {medians["jax"]:.3f} s, PyTorch '
      f'{medians["torch"]:.3f} s, {medians["torch"] / medians["jax"]:.2f} x, '
      f'largest difference {difference:.0e}',
      flush=True,
    )
  else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    shapes = ', '.join(str(value.shape) for value in arrays.values())
    print(
      f'{name:12} alone: {medians["jax"]:.3f} s, compiled in {compiled:.0f} s, '
      f'{peak:.2f} GiB at most, input {shapes}',
      flush=True,
    )


def main() -> None:
  """Measures each encoder in processes of its own, small ones in this one."""
  parser = argparse.ArgumentParser()
  parser.add_argument('--small', action='store_true')
  parser.add_argument('--repeats', type=int, default=7)
  parser.add_argument('--only', nargs='+', choices=_BASE, default=list(_BASE))
  parser.add_argument('--inside', choices=('alone', 'peer'))
  flags = parser.parse_args()
  if flags.inside:
    (name,) = flags.only
    measure(name, flags.small, flags.repeats, flags.inside == 'peer')
    return
  ways = ['alone']
  if importlib.util.find_spec('torch'):
    ways.append('peer')
  else:
    print('PyTorch is not installed: pip install -e .[parity] to compare')
  for name in flags.only:
    for way in ways:
      if flags.small:  # What memory it takes is not the question.
        measure(name, True, flags.repeats, way == 'peer')
        continue
      subprocess.run(
        [
          *(sys.executable, __file__, f'--only={name}', f'--inside={way}'),
          f'--repeats={flags.repeats}',
        ],
        check=True,
      )


if __name__ == '__main__':
  main()
