"""An encoder with a classifier on it, of which only the last layers learn.

The layers before those that learn are frozen: they drop nothing, no gradient
goes through them, and what they make of a clip never changes. So it is computed
once, and training starts from these *states*: `forward` runs the encoder's own
module, but hands the first layer that learns the states in place of what the
frozen ones would give it; those are then dead code to the compiler.

With adapters (LoRA) the layers that would learn are frozen, too. What is added
to their projections is a product of two small matrices, which learn: `merge`
adds it, for each step and once more for good.
"""

import contextlib
import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from flax import traverse_util
from jax import lax

from empathy import encoders
from empathy.encoders import inputs, pooling
from empathy.models import losses
from empathy.training import finetune_recipe, step

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
    layer: whose state is classified: 'last', or N, which differs from it where
      the encoder normalises after its last layer.
    pooling: from the states to the embedding; see `pooling.pool`.
    num_classes: C.
    input_name: of the encoder's main input, `pixel_values`.
    input_shape: of it beyond B and S.
    recipe: how it learns.
  """

  module: nn.Module
  num_layers: int
  layer: int | str
  pooling: str
  num_classes: int
  input_name: str
  input_shape: tuple[int, ...]
  recipe: finetune_recipe.Recipe

  @property
  def kind(self) -> inputs.Input:
    """What the encoder takes."""
    return encoders.input_of(self.module.config)

  @property
  def first(self) -> int | None:
    """The first layer that learns; None where everything does."""
    count = self.recipe.trained_layers
    return self.num_layers - count if count else None

  @property
  def optimizer(self) -> optax.GradientTransformation:
    """See `finetune_recipe.optimizer`."""
    config = self.module.config
    # The encoders that normalise what goes into a block do so in the end, too.
    is_last = self.kind.modality == 'video' or getattr(
      config, 'do_stable_layer_norm', False
    )
    return finetune_recipe.optimizer(
      self.recipe,
      self.num_layers,
      ('final_norm', 'head', *('norm',) * is_last),
    )


class Batch(NamedTuple):
  """Clips to learn from.

  Attributes:
    values: (B, T, D) states that go into the first layer that learns, or where
      everything learns the main input (B, S, ...), its length in front.
    mask: (B, S) bool, which of the main input is not padding.
    targets: (B, C) float32, a distribution over classes each.
    weights: (B,) float32, how much each row counts; 0 for those that fill up
      the batch.
  """

  values: Array
  mask: Array
  targets: Array
  weights: Array


class State(NamedTuple):
  """What changes in training.

  Attributes:
    params: {'encoder': what learns of it, or adapters, 'classifier': kernel and
      bias}.
    opt_state: of the optimizer, for these alone.
  """

  params: Params
  opt_state: Any


def split(program: Program, params: Params) -> tuple[dict, dict]:
  """Divides an encoder's parameters into those that learn and the frozen.

  With adapters the first are those that get them, and all are frozen.
  """
  first = program.first
  names = {f'layer_{i}' for i in range(first or 0, program.num_layers)}
  if first is None:
    # Layers beyond the state that is classified have no part in it.
    names |= {name for name in params if not re.fullmatch(r'layer_\d+', name)}
    names -= set(getattr(program.module.config, 'NEVER_LEARN', ()))
  has_adapters = program.recipe.lora.rank > 0
  return (
    {name: params[name] for name in params if name in names},
    {
      name: params[name] for name in params if has_adapters or name not in names
    },
  )


def projections(trained: Params) -> list[str]:
  """The names of the projections among parameters, for `Lora.targets`."""
  return sorted(
    {
      path[-2]
      for path, value in traverse_util.flatten_dict(trained).items()
      if path[-1] == 'kernel' and value.ndim == 2
    }
  )


def init(program: Program, trained: Params, width: int, key: Array) -> State:
  """The state before the first step.

  Args:
    program: what does not change.
    trained: the parameters of the encoder that learn, or get adapters.
    width: D, of the encoder's hidden states.
    key: for the classifier's kernel, and A of adapters as PyTorch initialises
      layers; the classifier's bias and B start at 0.
  """
  shape = (width, program.num_classes)
  encoder, lora = trained, program.recipe.lora
  if lora.rank:
    adapters = {}
    flat = traverse_util.flatten_dict(trained)
    for number, (path, value) in enumerate(sorted(flat.items())):
      if path[-1] == 'kernel' and path[-2] in lora.targets and value.ndim == 2:
        rows, columns = value.shape
        own = jax.random.fold_in(key, number)
        limit = rows**-0.5
        adapters[path] = {
          'a': jax.random.uniform(own, (rows, lora.rank), None, -limit, limit),
          'b': jnp.zeros((lora.rank, columns)),
        }
    encoder = traverse_util.unflatten_dict(adapters)
  params = {
    'encoder': encoder,
    'classifier': {
      'kernel': _INIT_DEVIATION * jax.random.normal(key, shape),
      'bias': jnp.zeros(program.num_classes),
    },
  }
  return State(params, program.optimizer.init(params))


def merge(program: Program, frozen: Params, encoder: Params) -> dict:
  """The whole encoder's parameters.

  Args:
    program: what does not change.
    frozen: as `split` gives them.
    encoder: what learns of it, as in `State`.
  """
  lora = program.recipe.lora
  if not lora.rank:
    return {**frozen, **encoder}
  flat = traverse_util.flatten_dict(frozen)
  adapters = traverse_util.flatten_dict(encoder)
  with encoders.full_precision():
    for path in {path[:-1] for path in adapters}:
      change = jnp.matmul(adapters[*path, 'a'], adapters[*path, 'b'])
      flat[path] = flat[path] + lora.alpha / lora.rank * change
  return traverse_util.unflatten_dict(flat)


def forward(
  program: Program,
  params: Params,
  frozen: Params,
  batch: Batch,
  dropout_key: Array | None = None,
) -> Array:
  """The logits of a batch, (B, C) float32.

  A clip is classified by its embedding, pooled as features are; products of
  float32 matrices are in full float32.

  Args:
    program: what does not change.
    params: as in `State`.
    frozen: the other parameters of the encoder.
    batch: the clips.
    dropout_key: drops units of what learns; None: nothing is dropped.
  """
  variables = {'params': merge(program, frozen, params['encoder'])}
  options: dict[str, Any] = {'deterministic': dropout_key is None}
  if dropout_key is not None:
    options['rngs'] = {'dropout': dropout_key}
  with encoders.full_precision():
    values, started = batch.values, contextlib.nullcontext()
    if program.first is not None:
      states = values.astype(program.module.dtype)
      started = nn.intercept_methods(_start_from(program.first, states))
      kind = jnp.int32 if program.input_name == 'input_ids' else jnp.float32
      values = jnp.zeros((*batch.mask.shape, *program.input_shape), kind)
    axis = 1 + program.kind.axis
    arrays = {program.input_name: jnp.moveaxis(values, 1, axis)}
    if program.kind.modality != 'video':  # Pictures have no mask.
      arrays['attention_mask'] = batch.mask.astype(jnp.int32)
    with started:
      output = program.module.apply(variables, **arrays, **options)
    embedding = pooling.pool(
      program.module.config,
      output,
      program.layer,
      program.pooling,
      arrays.get('attention_mask'),
    )
    head = params['classifier']
    return embedding @ head['kernel'] + head['bias']


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
    each = finetune_recipe.find_loss(program.recipe)(logits, batch.targets)
    return losses.total(each, batch.weights) / num_real

  return jax.value_and_grad(loss_function)(params)


def train_step(
  program: Program,
  frozen: Params,
  state: State,
  batch: Batch,
  key: Array,
  share: Array,
) -> tuple[State, Array]:
  """One step of AdamW; to be pmapped, each device with its share of the batch.

  Args:
    program: what does not change.
    frozen: the parameters of the encoder that do not learn.
    state: before the step.
    batch: this device's share; where gradients are accumulated, it is computed
      in so many parts, which have to divide it.
    key: of the step; what is dropped depends on it and on the device.
    share: () float32, how much of its highest value every rate has.

  Returns:
    The state, and the batch's mean loss before the step.
  """
  key = jax.random.fold_in(key, lax.axis_index(step.BATCH_AXIS))
  num_real = lax.psum((batch.weights > 0).sum(), step.BATCH_AXIS)
  count = program.recipe.accumulate
  if count == 1:
    found = gradients(program, state.params, frozen, batch, num_real, key)
  else:
    parts = jax.tree.map(lambda x: x.reshape(count, -1, *x.shape[1:]), batch)

    def add(total, part):
      number, some = part
      own = jax.random.fold_in(key, number)
      more = gradients(program, state.params, frozen, some, num_real, own)
      return jax.tree.map(jnp.add, total, more), None

    nothing = jnp.float32(0), jax.tree.map(jnp.zeros_like, state.params)
    found, _ = lax.scan(add, nothing, (jnp.arange(count), parts))
  loss, gradient = lax.psum(found, step.BATCH_AXIS)
  updates, opt_state = program.optimizer.update(
    gradient, state.opt_state, state.params
  )
  updates = jax.tree.map(lambda x: share * x, updates)
  return State(optax.apply_updates(state.params, updates), opt_state), loss
