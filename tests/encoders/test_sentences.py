"""Encoders of sentences, as sentence-transformers writes them."""

import dataclasses
import json

import numpy as np
import pytest
import rounding
import small_encoders

from empathy import encoders, errors
from empathy.encoders import checkpoint, extractors, fold_wise, inputs
from empathy.encoders.inputs import sentences
from empathy.training import parallel

_MEAN = {'pooling_mode': 'mean'}
# As versions before 5.4 have it, all flags.
_OLD = {
  'word_embedding_dimension': 8,
  **dict.fromkeys(
    (
      *('pooling_mode_cls_token', 'pooling_mode_mean_tokens'),
      *('pooling_mode_max_tokens', 'pooling_mode_mean_sqrt_len_tokens'),
      *('pooling_mode_weightedmean_tokens', 'pooling_mode_lasttoken'),
    ),
    False,
  ),
  'include_prompt': True,
}


def _write(folder, pooling, *more, old=True, **files):
  """Writes the files beside an encoder.

  Args:
    folder: of the encoder.
    pooling: of `1_Pooling/config.json`.
    *more: types of modules that follow.
    old: whether types are spelt as before version 5.4.
    **files: what others say.
  """
  types = ['Transformer', 'Pooling', *more]
  before = 'models' if old else 'sentence_transformer.modules.x'
  modules = [
    {
      'idx': i,
      'name': str(i),
      'path': f'{i}_{name}' * bool(i),
      'type': f'sentence_transformers.{before}.{name}',
    }
    for i, name in enumerate(types)
  ]
  (folder / '1_Pooling').mkdir(parents=True)
  said = {'modules': modules, '1_Pooling/config': pooling} | files
  for name, value in said.items():
    (folder / f'{name}.json').write_text(json.dumps(value))


def _own(folder):
  config = folder / 'config.json'
  return sentences.own(checkpoint.Checkpoint(str(folder), config, ()))


@pytest.mark.parametrize(
  ('pooling', 'wanted'),
  [
    (_OLD | {'pooling_mode_mean_tokens': True}, 'mean'),
    (_OLD | {'pooling_mode_cls_token': True}, 'first'),
    (_OLD | {'pooling_mode_max_tokens': True}, 'max'),
    (_OLD | {'pooling_mode_lasttoken': True}, 'last'),
    (_OLD, 'mean'),  # As sentence-transformers takes it.
    (_MEAN, 'mean'),
    ({'pooling_mode': 'cls', 'embedding_dimension': 8}, 'first'),
    ({'pooling_mode': ['max']}, 'max'),
    ({'pooling_mode': 'lasttoken'}, 'last'),
  ],
)
def test_the_pooling_of_every_version(tmp_path, pooling, wanted):
  _write(tmp_path, pooling)
  assert _own(tmp_path) == inputs.Own(wanted)


def test_what_else_is_said(tmp_path):
  plain = inputs.Own('last')
  for default in (inputs.FIRST, plain):
    found = checkpoint.Checkpoint(str(tmp_path), tmp_path, ())
    assert sentences.own(found, default) == default
  limits = {'max_seq_length': 5, 'do_lower_case': True}
  prompts = {'prompts': {'query': 'query: '}, 'default_prompt_name': None}
  for i, (more, files, wanted) in enumerate(
    (
      (('Normalize',), {}, {'is_unit': True}),
      (
        (),
        {'sentence_roberta_config': limits},
        {'max_tokens': 5, 'is_lower': True},
      ),
      ((), {'sentence_bert_config': {'do_lower_case': False}}, {}),
      ((), {'config_sentence_transformers': prompts}, {}),
      (
        (),
        {
          'config_sentence_transformers': prompts
          | {'default_prompt_name': 'query'}
        },
        {'prefix': 'query: '},
      ),
    )
  ):
    folder = tmp_path / str(i)
    _write(folder, _MEAN, *more, old=i % 2 == 0, **files)
    assert _own(folder) == inputs.Own('mean', **wanted)


@pytest.mark.parametrize(
  ('pooling', 'more', 'message'),
  [
    (
      _OLD | {'pooling_mode_mean_sqrt_len_tokens': True},
      (),
      'pools by mean_sqrt_len: this',
    ),
    ({'pooling_mode': 'weightedmean'}, (), 'pools by weightedmean: this'),
    (
      _OLD | {'pooling_mode_cls_token': True, 'pooling_mode_max_tokens': True},
      (),
      'pools by cls and max: this',
    ),
    (_MEAN | {'include_prompt': False}, (), "leaves the prompt's tokens out"),
    (
      _MEAN,
      ('Dense', 'Normalize'),
      r'has Transformer, Pooling, Dense, Normalize, not Transformer, Pooling\[',
    ),
  ],
)
def test_what_is_not_supported_leaves_a_way_out(
  tmp_path, pooling, more, message
):
  _write(tmp_path, pooling, *more)
  encoder = encoders.Encoder(None, {}, None, _own(tmp_path))
  settings = {'encoder': 'here', 'layer': 'last', 'pooling': 'own'}
  with pytest.raises(errors.InputError, match=message) as raised:
    extractors.how(encoder, settings)
  assert str(raised.value).endswith("own pooling; give 'first' or 'mean'")
  found = extractors.how(encoder, settings | {'pooling': 'first'})
  assert found == inputs.FIRST


@pytest.mark.parametrize(
  ('files', 'message'),
  [
    ({'modules': {}}, 'modules.json: expected a JSON list'),
    ({'modules': [1]}, 'expected a list of modules with type and path'),
    (
      {'sentence_bert_config': {'max_seq_length': 'long'}},
      "max_seq_length is 'long'",
    ),
    (
      {'config_sentence_transformers': {'default_prompt_name': 'query'}},
      "default_prompt_name is 'query', which prompts lacks",
    ),
  ],
)
def test_damaged_files_are_named(tmp_path, files, message):
  _write(tmp_path, _MEAN, **files)
  with pytest.raises(errors.InputError, match=message):
    _own(tmp_path)


def test_missing_settings_are_named(tmp_path):
  _write(tmp_path, _MEAN)
  (tmp_path / '1_Pooling' / 'config.json').unlink()
  with pytest.raises(errors.InputError, match=r'1_Pooling/config\.json is m'):
    _own(tmp_path)


def test_features_are_as_the_makers_use_it(tmp_path):
  """By hand: a prefix, windows of five tokens, the mean, and the length 1."""
  source = tmp_path / 'source'
  encoder = small_encoders.write('bert', source)
  _write(
    source,
    _MEAN,
    'Normalize',
    sentence_bert_config={'max_seq_length': 5},
    config_sentence_transformers={
      'prompts': {'query': 'see '},
      'default_prompt_name': 'query',
    },
  )
  extractor = extractors.make(
    'text', {'encoder': str(source)}, 10.0, 4, parallel.spread
  )
  record = {'pooling': 'mean', 'is_unit': True, 'prefix': 'see '}
  record['max_tokens'] = 5
  assert record.items() <= extractor.record.items()
  clips = [inputs.Clip('a', 'it was'), inputs.Clip('b', 'it was by the door')]
  found = extractor.compute([extractor.load(clip).rows for clip in clips])
  cls, see, it, was, by, the, door = (
    1,
    *(
      small_encoders.WORDS.index(word) + 3
      for word in ('see', 'it', 'was', 'by', 'the', 'door')
    ),
  )
  windows = [
    [[cls, see, it, was]],
    [[cls, see, it, was, by], [cls, see, the, door]],
  ]
  for got, rows in zip(found, windows, strict=True):
    ids = [np.array([row]) for row in rows]
    states = np.concatenate(
      [encoder(input_ids=x).last_hidden_state[0] for x in ids]
    )
    mean = np.float64(states).mean(0)
    bound = max(rounding.of_encoder(encoder, input_ids=x) for x in ids)
    size = np.linalg.norm(mean)
    np.testing.assert_allclose(got, mean / size, atol=2 * bound / size, rtol=0)
  # What it learns goes into a checkpoint that says the same.
  loaded = encoders.load(source)
  fold_wise.save(loaded, str(source), tmp_path, 'text', 0, {})
  copy = encoders.load(fold_wise.folder(tmp_path, 'text', 0))
  assert (
    copy.own
    == loaded.own
    == dataclasses.replace(
      inputs.MEAN, is_unit=True, prefix='see ', max_tokens=5
    )
  )
