"""The encoders against PyTorch Transformers itself, where it is installed.

PyTorch in float64 judges. Of random wav2vec 2.0 with layer norm, whose
convolutions normalise six channels of little variance, a few inputs lose more
than 1e-5 to rounding, in PyTorch's own float32 too; the bounds know.
"""

import dataclasses

import jax
import numpy as np
import pytest
import rounding

from empathy import encoders
from empathy.encoders import checkpoint
from empathy.encoders.architectures import deberta, mpnet, wavlm

torch = pytest.importorskip('torch', reason='needs the extra `parity`')
import cases  # noqa: E402

_SEED = 1_000


def _states(output, arrays, is_pooled):
  """All hidden states, the last one and what is made of it, as float64."""
  rows = len(next(iter(arrays.values())))
  states = [*output.hidden_states, output.last_hidden_state]
  if is_pooled:
    kind = 'pooler_output' if hasattr(output, 'pooler_output') else 'pooled'
    states.append(getattr(output, kind))
  return [
    np.float64(
      x.detach().numpy() if isinstance(x, torch.Tensor) else x
    ).reshape(rows, -1, x.shape[-1])
    for x in states
  ]


@pytest.mark.parametrize('name', cases.CASES)
def test_states_and_gradients(name, tmp_path, caplog):
  case = cases.CASES[name]
  model = cases.make(case, _SEED)
  cases.write(case, model, tmp_path)
  caplog.clear()  # Of what Transformers says of its configs.
  encoder = encoders.load(tmp_path, modality=case.modality)
  assert not caplog.records  # Every tensor is used, or knowingly dropped.
  random = np.random.default_rng(_SEED)
  base = cases.encoder(case, model)
  for i, make in enumerate(case.inputs):
    arrays = make(random)
    base.zero_grad()
    theirs = cases.run(base, arrays)

    def states(params, arrays):
      moved = dataclasses.replace(encoder, params=params)
      return _states(moved(**arrays), arrays, case.is_pooled)

    bound = rounding.bounds(states, encoder.params, arrays)
    found = states(encoder.params, arrays)
    wanted = _states(theirs, arrays, case.is_pooled)
    assert rounding.excess(found, wanted, bound) <= 1
    if i:
      continue  # Once is enough for gradients, which take long to compile.
    weights = random.normal(size=theirs.last_hidden_state.shape)
    # Padding means nothing, nor do its gradients.
    if 'input_ids' in arrays and 'attention_mask' in arrays:
      weights *= arrays['attention_mask'][..., None]
    total = (theirs.last_hidden_state * torch.tensor(weights)).sum()
    if case.is_pooled:
      total = total + theirs.pooler_output.sum()
    total.backward()

    def loss(params, arrays=arrays, weights=weights):
      output = encoder.module.apply(params, **arrays)
      last = output.last_hidden_state
      total = (last * weights.reshape(last.shape)).sum()
      return total + output.pooled.sum() if case.is_pooled else total

    architecture = encoders.ARCHITECTURES[encoder.config.model_type]
    table = architecture.table(encoder.config)
    gradient = jax.jit(jax.grad(loss))

    def tensors(params, gradient=gradient, table=table):
      return checkpoint.to_tensors(table, gradient(params)['params'])

    gradients = tensors(encoder.params)
    bounds = rounding.of_gradients(tensors, encoder.params)
    wanted = cases.published(
      base,
      {
        key: torch.zeros_like(value) if value.grad is None else value.grad
        for key, value in base.named_parameters()
      }
      | {key: torch.zeros_like(value) for key, value in base.named_buffers()},
    )
    modules = dict(base.named_modules())
    for key, value in gradients.items():
      bound = bounds[key]
      # Some encoders are written with a prefix even where they are alone.
      spellings = [key, *(prefix + key for prefix in architecture.PREFIXES)]
      key = next(name for name in spellings if name in wanted)
      module = modules.get(key.rpartition('.')[0])
      if getattr(module, 'padding_idx', None) is not None:
        value[module.padding_idx] = 0  # PyTorch holds it as it is.
      excess = rounding.excess(value, wanted[key].numpy(), bound)
      assert excess <= 1, key


def test_buckets_of_every_distance():
  from transformers.models.deberta_v2 import modeling_deberta_v2 as theirs

  for size, farthest in ((256, 512), (32, 128), (6, 16)):
    distances = np.arange(-3 * farthest, 3 * farthest)
    wanted = theirs.make_log_bucket_position(
      torch.tensor(distances), size, farthest
    )
    config = deberta.Config(
      position_buckets=size, max_position_embeddings=farthest
    )
    np.testing.assert_array_equal(
      deberta.buckets(config, distances),
      np.clip(wanted.long().numpy() + size, 0, 2 * size - 1),
    )


def test_buckets_of_mpnet():
  from transformers.models.mpnet import modeling_mpnet as theirs

  distances = np.arange(-300, 300)
  wanted = theirs.MPNetEncoder.relative_position_bucket(torch.tensor(distances))
  np.testing.assert_array_equal(mpnet.buckets(distances), wanted)


@pytest.mark.parametrize(('size', 'farthest'), [(320, 800), (32, 128), (8, 9)])
def test_ranges_of_every_distance(size, farthest):
  theirs = cases.tf.models.wavlm.modeling_wavlm.WavLMAttention(
    8, 2, num_buckets=size, max_distance=farthest
  )
  distances = np.arange(-3 * farthest, 3 * farthest)
  wanted = theirs._relative_positions_bucket(torch.tensor(distances))
  config = wavlm.Config(num_buckets=size, max_bucket_distance=farthest)
  np.testing.assert_array_equal(wavlm.buckets(config, distances), wanted)


# What people publish on top of an encoder of sound; None: emotions, as by
# audeering, which Transformers does not have.
_HEADS = (
  *('ForCTC', 'ForSequenceClassification', 'ForAudioFrameClassification'),
  *('ForXVector', 'ForPreTraining', None),
)


@pytest.mark.parametrize(
  'family', ['Wav2Vec2', 'Hubert', 'WavLM', 'UniSpeechSat', 'Data2VecAudio']
)
def test_heads_of_sound_are_dropped_knowingly(family, tmp_path, caplog):
  config = getattr(cases.tf, f'{family}Config')(
    **cases.SHORT_SOUND, **cases.SMALL_HEADS
  )
  encoder = getattr(cases.tf, f'{family}Model')(config)
  of_encoder = set(encoder.state_dict())
  for head in _HEADS:
    if head and not hasattr(cases.tf, family + head):
      continue
    if head:
      model = getattr(cases.tf, family + head)(config)
    else:
      model = torch.nn.Module()
      model.config = config
      model.classifier = torch.nn.ModuleDict(
        {'dense': torch.nn.Linear(8, 8), 'out_proj': torch.nn.Linear(8, 3)}
      )
    setattr(model, encoder.base_model_prefix, encoder)
    extra = {
      name
      for name in model.state_dict()
      if name.removeprefix(f'{encoder.base_model_prefix}.') not in of_encoder
    }
    assert extra, head
    case = cases.Case(type(model), '', ())
    cases.write(case, model, tmp_path / str(head))
    loaded = encoders.load(tmp_path / str(head))
    kernel = encoder.feature_projection.projection.weight.detach().numpy().T
    np.testing.assert_array_equal(
      loaded.params['params']['project']['kernel'], kernel
    )
  assert not caplog.records
