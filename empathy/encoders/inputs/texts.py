"""Transcripts as the tokens of an encoder's own tokenizer.

A text that is longer than the encoder takes becomes windows of about equal
length. Each begins and ends with the tokenizer's special tokens, and has the
prefix; any other token is in one window.
"""

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from empathy import errors
from empathy.encoders import checkpoint, inputs, media
from empathy.encoders.inputs import sentences


def _loader(
  config: Any, options: inputs.Options, is_filled: bool
) -> Callable[[inputs.Clip], inputs.Loaded]:
  import transformers  # Slow to import.

  name, own = options.name, options.own
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
  if own.max_tokens is not None:
    most = min(most, own.max_tokens)
  prefix = options.settings['prefix']

  def ids_of(text: str, is_whole: bool = True) -> list[int]:
    # What was trained with full texts was trained with small letters, too.
    if is_filled or own.is_lower:
      text = text.lower()
    return tokenizer(text, add_special_tokens=is_whole, verbose=False)[
      'input_ids'
    ]

  def row(ids: list[int]) -> dict[str, np.ndarray]:
    found = np.array(ids, np.int32)
    if not is_filled:
      return {'input_ids': found, 'attention_mask': np.ones_like(found)}
    fill = 0, config.max_tokens - len(found)
    if tokenizer.padding_side == 'left':
      fill = fill[::-1]
    return {
      'input_ids': np.pad(found, fill, constant_values=tokenizer.pad_token_id)
    }

  taken = len(ids_of(prefix))
  if taken >= most:
    raise errors.InputError(
      f'config.features.text.prefix: {prefix!r} has {taken} tokens with the '
      f'special ones, and {name} takes {most} at once'
    )

  def load(clip: inputs.Clip) -> inputs.Loaded:
    text = prefix + clip.source
    ids = ids_of(text)
    if not ids:
      raise media.MediaError('has nothing that is a token of the encoder')
    if len(ids) <= most:
      return inputs.Loaded((row(ids),))
    inner = ids_of(text, False)
    starts = range(len(ids) - len(inner) + 1)
    found = [i for i in starts if ids[i : i + len(inner)] == inner]
    if not found:
      raise errors.InputError(
        f'{name}: its tokenizer has special tokens within a text'
      )
    front, back = ids[: found[0]], ids[found[0] + len(inner) :]
    # The last token of the prefix may be another where a text follows.
    pairs = zip(ids_of(prefix, False), inner, strict=False)
    front += [a for a, _ in itertools.takewhile(lambda p: p[0] == p[1], pairs)]
    inner = ids[len(front) : len(ids) - len(back)]
    count = -(-len(inner) // (most - len(front) - len(back)))
    return inputs.Loaded(
      [row([*front, *x, *back]) for x in np.array_split(inner, count)]
    )

  return load


def text(
  own: Callable[[checkpoint.Checkpoint, Any], inputs.Own] = (
    lambda found, config: sentences.own(found)
  ),
  is_filled: bool = False,
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


def example(config: Any) -> dict[str, np.ndarray]:
  """The smallest input."""
  del config
  return {'input_ids': np.zeros((1, 1), np.int32)}


INPUT = text()
