"""An encoder with a classifier on it, of which only the last layers learn.

The layers before those that learn are frozen: they drop nothing, no gradient
goes through them, and what they make of a clip never changes. So it is computed
once, and training starts from these *states*: `forward` runs the encoder's own
module, but hands the first layer that learns the states in place of what the
frozen ones would give it; those are then dead code to the compiler.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from jax import lax

from empathy import encoders
from empathy.encoders import pooling
from empathy.models import losses
from empathy.training import step

Array = jax.Array
Params = Mapping[str, Any]

# Of the classifier's kernel, as Transformers initialises its heads.
_INIT_DEVIATION = 0.02


@dataclasses.dataclass(frozen=True)
class Program:
  """What does not change while an encoder learns.

  Attributes:
    module: of the encoder; its layers are `layer_0`, `layer_1`, ...
    num_layers: N, of the layers that the classified hidden state comes out of.
    num_trained: how many of the last of these learn; 0 for everything, the
      embeddings too.
    layer: whose state is classified: 'last', or N, which differs from it where
      the encoder normalises after its last layer.
    pooling: from the states to the embedding, 'first' or 'mean'.
    num_classes: C.
    input_name: of the encoder's main input, `pixel_values`.
    input_shape: of it beyond (B, S).
    learning_rate: of AdamW.
    weight_decay: of AdamW, on every parameter that learns.
  """

  module: nn.Module
  num_layers: int
  num_trained: int
  layer: int | str
  pooling: str
  num_classes: int
  input_name: str
  input_shape: tuple[int, ...]
  learning_rate: float
  weight_decay: float

  @property
  def first(self) -> int | None:
    """The first layer that learns; None where everything does."""
    return self.num_layers - self.num_trained if self.num_trained else None

  @property
  def optimizer(self) -> optax.GradientTransformation:
    """AdamW (arXiv 1711.05101) as PyTorch has it, at a constant rate."""
    return optax.adamw(self.learning_rate, weight_decay=self.weight_decay)


class Batch(NamedTuple):
  """Clips to learn from.

  Attributes:
    values: (B, T, D) states that go into the first layer that learns, or where
      everything learns the main input (B, S, ...).
    mask: (B, S) bool, which of the main input is not padding.
    labels: (B,) int32.
    real: (B,) bool; other rows fill up the batch.
  """

  values: Array
  mask: Array
  labels: Array
  real: Array


class State(NamedTuple):
  """What changes in training.

  Attributes:
    params: {'encoder': what learns of it, 'classifier': kernel and bias}.
    opt_state: of the optimizer, for these alone.
  """

  params: Params
  opt_state: Any


def split(program: Program, params: Params) -> tuple[dict, dict]:
  """Divides an encoder's parameters into those that learn and the frozen."""
  first = program.first
  names = {f'layer_{i}' for i in range(first or 0, program.num_layers)}
  if first is None:
    # Layers beyond the state that is classified have no part in it.
    names |= {name for name in params if not re.fullmatch(r'layer_\d+', name)}
  return (
    {name: params[name] for name in params if name in names},
    {name: params[name] for name in params if name not in names},
  )


def init(program: Program, trained: Params, width: int, key: Array) -> State:
  """The state before the first step.

  Args:
    program: what does not change.
    trained: the parameters of the encoder that learn.
    width: D, of the encoder's hidden states.
    key: for the classifier's kernel; its bias starts at 0.
  """
  shape = (width, program.num_classes)
  params = {
    'encoder': trained,
    'classifier': {
      'kernel': _INIT_DEVIATION * jax.random.normal(key, shape),
      'bias': jnp.zeros(program.num_classes),
    },
  }
  return State(params, program.optimizer.init(params))


def forward(
  program: Program,
  params: Params,
  frozen: Params,
  batch: Batch,
  dropout_key: Array | None = None,
) -> Array:
  """The logits of a batch, (B, C) float32.

  A clip is classified by its embedding, pooled as features are, by matrix
  products in full float32.

  Args:
    program: what does not change.
    params: as in `State`.
    frozen: the other parameters of the encoder.
    batch: the clips.
    dropout_key: drops units of what learns; None: nothing is dropped.
  """
  variables = {'params': {**frozen, **params['encoder']}}
  options: dict[str, Any] = {'deterministic': dropout_key is None}
  if dropout_key is not None:
    options['rngs'] = {'dropout': dropout_key}
  with encoders.full_precision():
    if program.first is None:
      inputs = _inputs(program, batch.values, batch.mask)
      output = program.module.apply(variables, **inputs, **options)
    else:
      shape = (*batch.mask.shape, *program.input_shape)
      kind = jnp.int32 if program.input_name == 'input_ids' else jnp.float32
      inputs = _inputs(program, jnp.zeros(shape, kind), batch.mask)
      with nn.intercept_methods(_start_from(program.first, batch.values)):
        output = program.module.apply(variables, **inputs, **options)
    embedding = pooling.pool(
      program.module.config,
      output,
      program.layer,
      program.pooling,
      inputs.get('attention_mask'),
    )
    head = params['classifier']
    return embedding @ head['kernel'] + head['bias']


def _inputs(program: Program, values: Array, mask: Array) -> dict[str, Array]:
  """The encoder's arguments; pictures have no mask."""
  inputs = {program.input_name: values}
  if not program.input_shape:
    inputs['attention_mask'] = mask.astype(jnp.int32)
  return inputs


def _start_from(first: int, values: Array) -> Callable:
  """Replaces what goes into `layer_<first>`; the layers before do nothing."""
  skipped = {f'layer_{i}' for i in range(first)}

  def interceptor(next_function, args, kwargs, context):
    name = context.module.name
    if context.method_name == '__call__' and len(context.module.path) == 1:
      if name in skipped:
        return args[0]
      if name == f'layer_{first}':
        args = (values, *args[1:])
    return next_function(*args, **kwargs)

  return interceptor


def gradients(
  program: Program,
  params: Params,
  frozen: Params,
  batch: Batch,
  num_real: Array,
  dropout_key: Array | None,
) -> tuple[Array, Params]:
  """The loss that this device adds to a batch's mean, and its gradient.

  Args:
    program: what does not change.
    params: as in `State`.
    frozen: the other parameters of the encoder.
    batch: this device's share of it.
    num_real: clips of the whole batch.
    dropout_key: as for `forward`.

  Returns:
    () float32 cross-entropy in nats, and a tree like `params`.
  """

  def loss_function(params):
    logits = forward(program, params, frozen, batch, dropout_key)
    targets = jax.nn.one_hot(batch.labels, program.num_classes)
    return (
      losses.total(losses.cross_entropy(logits, targets), batch.real) / num_real
    )

  return jax.value_and_grad(loss_function)(params)


def train_step(
  program: Program, frozen: Params, state: State, batch: Batch, key: Array
) -> tuple[State, Array]:
  """One step of AdamW; to be pmapped, each device with its share of the batch.

  Args:
    program: what does not change.
    frozen: the parameters of the encoder that do not learn.
    state: before the step.
    batch: this device's share.
    key: of the step; what is dropped depends on it and on the device.

  Returns:
    The state, and the batch's mean loss before the step.
  """
  key = jax.random.fold_in(key, lax.axis_index(step.BATCH_AXIS))
  num_real = lax.psum(batch.real.sum(), step.BATCH_AXIS)
  found = gradients(program, state.params, frozen, batch, num_real, key)
  loss, gradient = lax.psum(found, step.BATCH_AXIS)
  updates, opt_state = program.optimizer.update(
    gradient, state.opt_state, state.params
  )
  return State(optax.apply_updates(state.params, updates), opt_state), loss


def accuracy_and_loss(
  logits: np.ndarray, labels: np.ndarray
) -> tuple[float, float]:
  """The share of labels that are right, and the mean loss in nats.

  Args:
    logits: (V, C).
    labels: (V,) int.
  """
  logits = logits.astype(np.float64)
  top = logits.max(axis=1)
  log_sum = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
  loss = log_sum - logits[np.arange(len(labels)), labels]
  return float((logits.argmax(axis=1) == labels).mean()), float(loss.mean())
