"""Transcripts as the tokens of an encoder's own tokenizer."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from empathy import errors
from empathy.encoders import checkpoint, inputs


def _loader(
  config: Any, options: inputs.Options, is_filled: bool
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
    # What was trained with full texts was trained with small letters, too.
    source = clip.source.lower() if is_filled else clip.source
    ids = tokenizer(source, truncation=True, max_length=most)['input_ids']
    is_cut = len(ids) >= most and most < len(
      tokenizer(source, verbose=False)['input_ids']
    )
    row = {'input_ids': np.array(ids, np.int32)}
    if is_filled:
      fill = 0, config.max_tokens - len(ids)
      if tokenizer.padding_side == 'left':
        fill = fill[::-1]
      row['input_ids'] = np.pad(
        row['input_ids'], fill, constant_values=tokenizer.pad_token_id
      )
    else:
      row['attention_mask'] = np.ones_like(row['input_ids'])
    return inputs.Loaded((row,), is_cut)

  return load


def text(
  own: Callable[[checkpoint.Checkpoint, Any], inputs.Own], is_filled: bool
) -> inputs.Input:
  """The input of encoders of text.

  Their configs have `vocab_size` and `max_tokens`: how many tokens the encoder
  has positions for.

  Args:
    own: see `inputs.Input`.
    is_filled: whether a text is in small letters and as long as there are
      positions, by padding that counts as the words do.
  """
  return inputs.Input(
    'text',
    functools.partial(_loader, is_filled=is_filled),
    own,
    longest=lambda config: config.max_tokens,
  )


INPUT = text(lambda found, config: inputs.FIRST, is_filled=False)
