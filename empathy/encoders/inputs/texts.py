"""Transcripts as the tokens of an encoder's own tokenizer."""

from collections.abc import Callable
from typing import Any

import numpy as np

from empathy import errors
from empathy.encoders import inputs


def _loader(
  config: Any, options: inputs.Options
) -> Callable[[inputs.Clip], inputs.Loaded]:
  import transformers  # Slow to import.

  name = options.name
  tokenizer = inputs.processor(
    transformers.AutoTokenizer, name, 'tokenizer', 'tokenizer.json'
  )
  vocabulary = tokenizer.get_vocab()
  if len(vocabulary) <= len(tokenizer.all_special_ids):
    # Of a few kinds Transformers makes one up where there is none.
    raise errors.InputError(
      f'{name}: has no tokenizer (tokenizer.json) that knows a word'
    )
  last, size = max(vocabulary.values()), config.vocab_size
  if last >= size:
    word = max(vocabulary, key=vocabulary.get)
    raise errors.InputError(
      f'{name}: its tokenizer has {word!r} as number {last}, but the encoder '
      f'has {size} embeddings (vocab_size), numbered from 0'
    )
  most = min(tokenizer.model_max_length, config.max_tokens)

  def load(clip: inputs.Clip) -> inputs.Loaded:
    ids = np.array(
      tokenizer(clip.source, truncation=True, max_length=most)['input_ids'],
      np.int32,
    )
    is_cut = len(ids) >= most and most < len(
      tokenizer(clip.source, verbose=False)['input_ids']
    )
    row = {'input_ids': ids, 'attention_mask': np.ones_like(ids)}
    return inputs.Loaded((row,), is_cut)

  return load


# Of configs with `vocab_size` and `max_tokens`: how many tokens the encoder has
# positions for.
INPUT = inputs.Input(
  modality='text',
  loader=_loader,
  own=lambda found, config: inputs.FIRST,
  longest=lambda config: config.max_tokens,
)
