"""Texts as CLIP's and SigLIP's encoders of text take them."""

import dataclasses

import numpy as np
import pytest
import rounding
import sentencepiece
import small_encoders

from empathy import errors
from empathy.encoders import extractors, inputs
from empathy.training import parallel

_LONG = ' '.join(['see'] * 30)


def _extract(name, texts):
  made = extractors.make(
    'text', {'encoder': name, 'batch_size': 2}, np.inf, 4, parallel.spread
  )
  rows = [made.load(inputs.Clip(text, text)).rows for text in texts]
  return made.record['pooling'], rows, made.compute(rows)


def _are_pooled(encoder, rows, features):
  """Asserts that features are the mean of what windows' ids are pooled to."""
  for windows, found in zip(rows, features, strict=True):
    ids = [row['input_ids'][None] for row in windows]

    def pooled(params, ids=ids):
      moved = dataclasses.replace(encoder, params=params)
      return np.mean([moved(input_ids=x).pooled[0] for x in ids], axis=0)

    bound = rounding.bounds(pooled, encoder.params)
    assert rounding.excess(found, pooled(encoder.params), bound) <= 1


def test_siglip_reads_small_letters_and_as_many_tokens_as_it_learned_with(
  tmp_path,
):
  encoder = small_encoders.write('siglip_text', tmp_path, projection_size=6)
  texts = ('I see: the KIDS, by it!', '', _LONG)
  pooling, rows, features = _extract(str(tmp_path), texts)
  assert pooling == 'pooled'
  pieces = sentencepiece.SentencePieceProcessor(
    model_file=str(tmp_path / 'spiece.model')
  )
  for i, text in enumerate(('i see the kids by it', '')):
    (row,) = rows[i]
    # The pieces, what ends a text, and the same as padding, without a mask.
    assert row.keys() == {'input_ids'}
    assert row['input_ids'].tolist() == [*pieces.encode(text), *[1] * 20][:20]
  words = pieces.encode(_LONG)
  assert len(rows[2]) == -(-len(words) // 19) > 1
  ids = np.concatenate([row['input_ids'] for row in rows[2]])
  assert ids[ids > 1].tolist() == words
  _are_pooled(encoder, rows, features)


def test_clip_is_pooled_where_a_text_ends(tmp_path):
  encoder = small_encoders.write('clip_text', tmp_path)
  pooling, rows, features = _extract(str(tmp_path), ('i see', 'by', _LONG))
  assert pooling == 'last'
  assert [len(windows) for windows in rows] == [1, 1, 5]  # Of 90 letters.
  for row in (row for windows in rows for row in windows):
    ids = row['input_ids'].tolist()
    assert (ids[0], ids[-1], ids.count(29)) == (28, 29, 1)
    assert len(ids) <= 20
  _are_pooled(encoder, rows, features)
  settings = {'encoder': 'this', 'pooling': 'first', 'layer': 'last'}
  with pytest.raises(errors.InputError, match='first token sees no other'):
    extractors.how(encoder, settings)
