"""The encoders against PyTorch Transformers itself, where it is installed."""

import jax
import numpy as np
import pytest

from empathy import encoders
from empathy.encoders import checkpoint, deberta

torch = pytest.importorskip('torch', reason='needs the extra `parity`')
import cases  # noqa: E402

_SEED = 1_000


@pytest.mark.parametrize('name', cases.CASES)
def test_states_and_gradients(name, tmp_path):
  case = cases.CASES[name]
  model = cases.make(case, _SEED)
  cases.write(case, model, tmp_path)
  encoder = encoders.load(tmp_path)
  random = np.random.default_rng(_SEED)
  base = cases.encoder(case, model)
  for i, make in enumerate(case.inputs):
    arrays = make(random)
    base.zero_grad()
    theirs = cases.run(base, arrays)
    ours = encoder(**arrays)
    for a, b in zip(
      (*ours.hidden_states, ours.last_hidden_state),
      (*theirs.hidden_states, theirs.last_hidden_state),
      strict=True,
    ):
      np.testing.assert_allclose(a, b.detach(), atol=1e-5, rtol=0)
    if i:
      continue  # Once is enough for gradients, which take long to compile.
    weights = random.normal(size=theirs.last_hidden_state.shape)
    (theirs.last_hidden_state * torch.tensor(weights)).mean().backward()

    def loss(params, arrays=arrays, weights=weights):
      last = encoder.module.apply(params, **arrays).last_hidden_state
      return (last * weights).mean()

    table = encoders.ARCHITECTURES[encoder.config.model_type].table(
      encoder.config
    )
    gradients = checkpoint.to_tensors(
      table, jax.jit(jax.grad(loss))(encoder.params)['params']
    )
    wanted = {
      key: np.zeros(value.shape) if value.grad is None else value.grad.numpy()
      for key, value in base.named_parameters()
    }
    for key, value in gradients.items():
      for part in ('query', 'value'):  # The published name of VideoMAE.
        if key.endswith(f'attention.{part[0]}_bias'):
          key = key.replace(f'{part[0]}_bias', f'{part}.bias')
      module = base.get_submodule(key.rpartition('.')[0])
      if getattr(module, 'padding_idx', None) is not None:
        value[module.padding_idx] = 0  # PyTorch holds it as it is.
      np.testing.assert_allclose(value, wanted[key], atol=1e-4, err_msg=key)


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
