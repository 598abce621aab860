"""What one member does: pure functions, of one member, to be mapped over many.

Randomness is derived, never stored: a member's key is folded from its seed,
view and fold, and what happens at a step from that key and the step.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

from empathy import named
from empathy.models import fusion, losses
from empathy.training import batches, metrics, optimizers, schedules

Array = jax.Array

BATCH_AXIS = 'batch'
# Standardised features beyond this are cut: one wild value must not rule.
_MAX_ABS_FEATURE = 10.0


@dataclasses.dataclass(frozen=True)
class Recipe:
  """How a member is trained: fields of a config, with one value each.

  See `config_fields.Fields`; but `select` always names a metric, and `balance`
  is whether each class has the same part in the loss.
  """

  num_epochs: int
  batch_size: int
  peak_learning_rate: float
  l2: float
  loss: str = 'cross_entropy'
  optimizer: str = 'one_cycle_adam'
  schedule: str = 'one_cycle'
  select: str = 'accuracy'
  balance: bool = False
  auxiliary: float = 0.0
  keep: str = 'best'

  @property
  def total_epochs(self) -> int:
    """Those of the second training too, if there is one."""
    return self.num_epochs * (2 if self.keep == 'refit' else 1)


class Data(NamedTuple):
  """The corpus on a device, once for all members; N clips.

  Where features are fold-wise, these are all clips once for each fold.

  Attributes:
    values: by modality, (rows, D) float32; a clip has `length` rows from
      `start` on, exactly one if features are pooled. Where a program has a
      source of features, a row of zeros.
    start: by modality, (N,) int32.
    length: by modality, (N,) int32; 0 where the clip lacks the modality.
    targets: (N, C) float32, what the loss compares with.
    labels: (N,) int32.
    weights: (N,) float32, of the clips' losses in training; mean 1.
    scores: (N,) float32, of validation clips at least; None without values.
  """

  values: Mapping[str, Array]
  start: Mapping[str, Array]
  length: Mapping[str, Array]
  targets: Array
  labels: Array
  weights: Array
  scores: Array | None = None


class Member(NamedTuple):
  """What tells one member from another.

  Attributes:
    seed: () int32.
    fold: () int32.
    view: (M,) bool, the modalities that it sees.
    train_rows: (R,) int32, its training clips, then padding.
    num_train: () int32.
    val_rows: (V,) int32, its validation clips, then padding.
    num_val: () int32.
    mean: by modality, (D,) float32, of its training clips.
    scale: by modality, (D,) float32, one over their deviation.
    swept: by field of the config that has several values, as in
      'peak_learning_rate' or 'model.dropout', () float32, the member's own.
  """

  seed: Array
  fold: Array
  view: Array
  train_rows: Array
  num_train: Array
  val_rows: Array
  num_val: Array
  mean: Mapping[str, Array]
  scale: Mapping[str, Array]
  swept: Mapping[str, Array]


class State(NamedTuple):
  """What changes as a member trains; enough to go on from.

  Attributes:
    params: of the network.
    batch_stats: running statistics of BatchNorm.
    opt_state: the optimizer's.
    best_params: of the epoch that is kept, so far.
    best_batch_stats: likewise.
    best_metrics: by name, () float32, what its validation came to; of a second
      training, that of the first one; NaN before the first epoch that counts.
    best_epoch: () int32, -1 likewise.
    failed_epoch: () int32, the first epoch with a loss that is not finite;
      -1 while there is none.
  """

  params: Any
  batch_stats: Any
  opt_state: Any
  best_params: Any
  best_batch_stats: Any
  best_metrics: Mapping[str, Array]
  best_epoch: Array
  failed_epoch: Array


@dataclasses.dataclass(frozen=True)
class Program:
  """The parts of the computation that all members share.

  Attributes:
    network: predicts.
    modalities: M names, in order.
    max_length: steps of the longest sequence by modality; a pooled modality
      is not there.
    recipe: how members are trained.
    axis_name: the devices that share each batch, or None.
    computed: the modalities that the network knows; None for all.
    source: gives the features of rows, where `Data` does not have them.
    eval_rows: rows that a forward pass takes at a time where nothing is
      learned.
    values: of the classes, where they are numbers.
  """

  network: fusion.Network
  modalities: tuple[str, ...]
  max_length: Mapping[str, int]
  recipe: Recipe
  axis_name: str | None = None
  computed: tuple[str, ...] | None = None
  source: Callable[[Array], Mapping[str, Array]] | None = None
  eval_rows: int = batches.EVAL_ROWS
  values: tuple[float, ...] = ()

  @property
  def metrics(self) -> dict[str, metrics.Metric]:
    """What validation measures, by name."""
    return metrics.used(self.recipe.select, bool(self.values))

  @property
  def indices(self) -> dict[str, int]:
    """Of the computed modalities, by name, among all."""
    return {
      modality: index
      for index, modality in enumerate(self.modalities)
      if self.computed is None or modality in self.computed
    }

  def narrowed(self, view: tuple[str, ...]) -> 'Program':
    """The same for members of a view; their states are parts of the whole."""
    return dataclasses.replace(
      self, network=self.network.narrowed(view), computed=view
    )

  def seen(self, data: Data, member: Member) -> tuple[Data, Member]:
    """What there is of the modalities that the network knows."""

    def of(found: Data | Member, *fields: str) -> Data | Member:
      return found._replace(
        **{
          field: {m: getattr(found, field)[m] for m in self.indices}
          for field in fields
        }
      )

    return of(data, 'values', 'start', 'length'), of(member, 'mean', 'scale')


def init(program: Program, data: Data, member: Member) -> State:
  """A member's state before its first step."""
  return begin(program, member, *draw(program, data, member))


def states_like(program: Program, data: Data, members: Member) -> State:
  """The shapes of members' states, (members, ...); nothing is computed.

  Args:
    program: what they share.
    data: the corpus, arrays or their shapes.
    members: likewise, (members, ...).
  """
  states = jax.vmap(functools.partial(init, program), in_axes=(None, 0))
  return jax.eval_shape(states, data, members)


def draw(program: Program, data: Data, member: Member) -> tuple[Any, Any]:
  """The parameters that a member begins with, and its statistics."""
  rows = jnp.zeros((program.recipe.batch_size,), jnp.int32)
  inputs = _inputs(program, data, member, rows)
  variables = program.network.init(
    _key(member, 0), *inputs, jnp.ones(rows.shape, bool), False
  )
  return variables['params'], variables.get('batch_stats', {})


def part(whole: Any, like: Any) -> Any:
  """What a narrow network has of what the whole one has.

  Args:
    whole: a tree that has all paths of the other one.
    like: of a narrow network.
  """
  found = dict(jax.tree_util.tree_leaves_with_path(whole))
  return jax.tree_util.tree_map_with_path(lambda path, _: found[path], like)


def begin(
  program: Program, member: Member, params: Any, batch_stats: Any
) -> State:
  """The state before the first step, with the parameters that were drawn."""
  return State(
    params=params,
    batch_stats=batch_stats,
    opt_state=_optimizer(program.recipe, member).init(params),
    best_params=jax.tree.map(jnp.copy, params),
    best_batch_stats=jax.tree.map(jnp.copy, batch_stats),
    best_metrics={name: jnp.float32(jnp.nan) for name in program.metrics},
    best_epoch=jnp.int32(-1),
    failed_epoch=jnp.int32(-1),
  )


def train_epoch(
  program: Program, data: Data, epoch: Array, member: Member, state: State
) -> tuple[State, dict[str, Array]]:
  """Trains a member for one epoch and validates it.

  The short last batch is kept, and a member with fewer training clips than
  others has fewer steps: it rests in those that are not its own.

  Args:
    program: what members share.
    data: the corpus.
    epoch: () int32, from 0; from `num_epochs` on, of the second training.
    member: which one.
    state: after the epochs before.

  Returns:
    The state, and metrics, each a scalar: 'train/loss', and as in 'val/loss'
    what `metrics.measure` gives of the validation clips, NaN in the second
    training, which learns them; and 'finite', whether the losses are.
  """
  recipe = program.recipe
  learner, order = learned_rows(recipe, member, epoch)
  again = jnp.bool_(False)
  if recipe.keep == 'refit':
    again = epoch >= recipe.num_epochs

    def begin_again(state):
      # What is kept stays, and the statistics, with a calibration: those of
      # BatchNorm are soon the new ones.
      new = init(program, data, member)
      return state._replace(params=new.params, opt_state=new.opt_state)

    state = lax.cond(
      epoch == recipe.num_epochs, begin_again, lambda state: state, state
    )
  size = recipe.batch_size
  num_steps = -(-learner.num_train // size)
  balance = None
  if recipe.balance:
    rows = learner.train_rows
    is_own = jnp.arange(rows.shape[0]) < learner.num_train
    weights = jnp.where(is_own, data.weights[rows], 0.0)
    balance = losses.class_weights(data.targets[rows], weights)

  def body(state: State, slot: Array):
    at = slot * size + jnp.arange(size)
    if program.axis_name is not None:
      share = size // lax.axis_size(program.axis_name)
      first = lax.axis_index(program.axis_name) * share
      at = lax.dynamic_slice_in_dim(at, first, share)
    step = epoch * num_steps + slot
    active = slot < num_steps
    return _train_step(
      program,
      data,
      learner,
      state,
      order.ravel()[at],
      at < learner.num_train,
      step,
      active,
      balance,
    )

  state, loss_sums = lax.scan(body, state, jnp.arange(len(order)))
  found = {'train/loss': loss_sums.sum() / learner.num_train}
  validation, state = _validate(program, data, member, state, again)
  finite = jnp.isfinite(found['train/loss'])
  finite &= again | jnp.isfinite(validation['loss'])
  told = {f'val/{name}': x for name, x in validation.items()}
  found |= {k: jnp.where(again, jnp.nan, v) for k, v in told.items()}
  # Of a second training, the first one's stay.
  validation = jax.tree.map(
    lambda new, old: jnp.where(again, old, new), validation, state.best_metrics
  )
  better = finite
  if recipe.keep == 'best':
    better &= _is_better(program, validation, state)

  def choose(new, old):
    return jax.tree.map(lambda x, y: jnp.where(better, x, y), new, old)

  state = state._replace(
    best_params=choose(state.params, state.best_params),
    best_batch_stats=choose(state.batch_stats, state.best_batch_stats),
    best_metrics=choose(validation, state.best_metrics),
    best_epoch=choose(epoch, state.best_epoch),
    failed_epoch=jnp.where(
      finite | (state.failed_epoch >= 0), state.failed_epoch, epoch
    ),
  )
  return state, found | {'finite': finite}


def _is_better(
  program: Program, validation: Mapping[str, Array], state: State
) -> Array:
  """Whether an epoch does better than the best one so far, if there is one."""
  name = named.label(program.recipe.select)
  metric = program.metrics[name]
  new = validation[name]
  better = metric.is_better(new, state.best_metrics[name])
  return better | ((state.best_epoch < 0) & ~jnp.isnan(new))


def predict(
  program: Program,
  data: Data,
  given: Array | None,
  rows: Array,
  member: Member,
  params: Any,
  batch_stats: Any,
) -> fusion.Output:
  """Predicts clips from the modalities shown.

  Args:
    program: what members share.
    data: the corpus.
    given: (M,) bool, shown besides being in the member's view; None for all.
    rows: (H,) int32, the clips.
    member: which one.
    params: of the network.
    batch_stats: of the network.

  Returns:
    The network's output for the H clips.
  """
  variables = {'params': params, 'batch_stats': batch_stats}

  def forward(block: Array) -> fusion.Output:
    inputs = _inputs(program, data, member, block, given)
    real = jnp.ones(block.shape, bool)
    return program.network.apply(variables, *inputs, real, False)

  output = lax.map(forward, batches.blocks(rows, program.eval_rows))
  return jax.tree.map(
    lambda x: x.reshape(-1, *x.shape[2:])[: rows.shape[0]], output
  )


def learned_rows(
  recipe: Recipe, member: Member, epoch: Array
) -> tuple[Member, Array]:
  """What a member learns in an epoch.

  Args:
    recipe: how members are trained.
    member: which one.
    epoch: () int32, from 0; from `num_epochs` on, of the second training.

  Returns:
    The member, in a second training with its validation clips among those that
    it learns; and the rows of each batch, padded, (batches, batch size) int32.
  """
  if recipe.keep == 'refit':
    again = epoch >= recipe.num_epochs
    rows, num = batches.joined(
      member.train_rows,
      member.num_train,
      member.val_rows,
      jnp.where(again, member.num_val, 0),
    )
    member = member._replace(train_rows=rows, num_train=num)
  num_batches = -(-member.train_rows.shape[0] // recipe.batch_size)
  order = batches.shuffled(
    _key(member, 1, epoch),
    member.train_rows,
    member.num_train,
    num_batches * recipe.batch_size,
  )
  return member, order.reshape(num_batches, recipe.batch_size)


def _with_own_values(program: Program, member: Member) -> Program:
  """The program with the member's values of the fields that are swept."""
  if not member.swept:
    return program
  recipe, model = {}, {}
  for name, value in member.swept.items():
    fields = model if name.startswith('model.') else recipe
    fields[name.removeprefix('model.')] = value
  network = program.network
  return dataclasses.replace(
    program,
    network=network.clone(fusion=network.fusion.clone(**model)),
    recipe=dataclasses.replace(program.recipe, **recipe),
  )


def _key(member: Member, *stream: int | Array) -> Array:
  code = jnp.sum(member.view * 2 ** jnp.arange(member.view.shape[0]))
  numbers = [jnp.int32(x) for x in (code, member.fold, *stream)]
  # In a loop, which is compiled once for all of them.
  key, _ = lax.scan(
    lambda key, number: (jax.random.fold_in(key, number), None),
    jax.random.key(member.seed),
    jnp.stack(numbers),
  )
  return key


def _inputs(
  program: Program,
  data: Data,
  member: Member,
  rows: Array,
  given: Array | None = None,
) -> tuple[dict[str, Array], dict[str, Array], dict[str, Array]]:
  """Standardised features, the steps there are, and presence, of some clips.

  Of the member's view, those shown that are `given`, (M,) bool, by default all.
  """
  shown = member.view if given is None else member.view & given
  features, steps, present = {}, {}, {}
  streamed = None if program.source is None else program.source(rows)
  for modality, index in program.indices.items():
    start, length = data.start[modality][rows], data.length[modality][rows]
    here = length > 0
    # A narrow network's members all see what it knows.
    if given is not None or program.computed is None:
      here &= shown[index]
    mask = here[:, None]
    if modality in program.max_length:
      offset = jnp.arange(program.max_length[modality])
      steps[modality] = here[:, None] & (offset < length[:, None])
      start = start[:, None] + jnp.minimum(offset, length[:, None] - 1)
      mask = steps[modality][..., None]
    if streamed is None:
      values = data.values[modality][start]
    else:
      values = streamed[modality]
    values = (values - member.mean[modality]) * member.scale[modality]
    values = jnp.clip(values, -_MAX_ABS_FEATURE, _MAX_ABS_FEATURE)
    features[modality] = jnp.where(mask, values, 0.0)
    present[modality] = here
  return features, steps, present


def _train_step(
  program: Program,
  data: Data,
  member: Member,
  state: State,
  rows: Array,
  real: Array,
  step: Array,
  active: Array,
  balance: Array | None = None,
) -> tuple[State, Array]:
  """One optimizer step on `rows`, of which those that are `real` count.

  `balance` has the weights of classes, where classes are weighted.

  Returns:
    The state and the summed loss; unchanged and 0 if not `active`.
  """
  program = _with_own_values(program, member)
  recipe = program.recipe
  inputs = _inputs(program, data, member, rows)
  present = inputs[2]
  num_real = _total(program, real.sum())
  loss_of = losses.find(recipe.loss)
  targets = data.targets[rows]
  weights = data.weights[rows]
  if balance is not None:
    weights = weights * (targets @ balance)
  weights = jnp.where(real, weights, 0.0)

  def loss_function(params):
    output, updates = program.network.apply(
      {'params': params, 'batch_stats': state.batch_stats},
      *inputs,
      real,
      True,
      rngs={'dropout': _key(member, 2, step)},
      mutable=['batch_stats'],
    )
    total = losses.weighed(loss_of, output.logits, targets, weights)
    loss = total
    if recipe.auxiliary and output.alone is not None:
      for index, modality in enumerate(program.indices):
        loss += recipe.auxiliary * losses.weighed(
          loss_of,
          output.alone[:, index],
          targets,
          jnp.where(present[modality], weights, 0.0),
        )
    return loss / jnp.maximum(num_real, 1), (
      total,
      updates.get('batch_stats', {}),
    )

  gradients, (total, batch_stats) = jax.grad(loss_function, has_aux=True)(
    state.params
  )
  gradients = _total(program, gradients)
  changes, opt_state = _optimizer(recipe, member).update(
    gradients, state.opt_state, state.params, active=active
  )
  params = optax.apply_updates(state.params, changes)
  state = state._replace(
    params=params,
    batch_stats=jax.tree.map(
      lambda new, old: jnp.where(active, new, old),
      batch_stats,
      state.batch_stats,
    ),
    opt_state=opt_state,
  )
  return state, jnp.where(active, _total(program, total), 0.0)


def learning_rate(recipe: Recipe, member: Member, epoch: Array) -> Array:
  """What the schedule says at the last step of an epoch, () float32.

  Args:
    recipe: how members are trained.
    member: which one.
    epoch: () int32, from 0; from `num_epochs` on, of the second training.
  """
  own = {k: x for k, x in member.swept.items() if not k.startswith('model.')}
  recipe = dataclasses.replace(recipe, **own)
  learner, _ = learned_rows(recipe, member, epoch)
  steps = -(-learner.num_train // recipe.batch_size)
  rate, _ = _rate(recipe, learner)
  return jnp.float32(rate((epoch % recipe.num_epochs + 1) * steps - 1))


def _optimizer(
  recipe: Recipe, member: Member
) -> optax.GradientTransformationExtraArgs:
  """A member's own; a second training has as many steps as it needs, too."""
  rate, num_steps = _rate(recipe, member)
  return optimizers.make(recipe.optimizer, rate, recipe.l2, num_steps)


def _rate(
  recipe: Recipe, member: Member
) -> tuple[Callable[[Array], Array], Array]:
  """A member's learning rate by the count of its steps, and their number."""
  num_steps = recipe.num_epochs * -(-member.num_train // recipe.batch_size)
  most = recipe.num_epochs * -(-member.train_rows.shape[0] // recipe.batch_size)
  rate = schedules.make(
    recipe.schedule, recipe.peak_learning_rate, num_steps, most
  )
  return rate, num_steps


def _total(program: Program, tree: Any) -> Any:
  """Sums over the devices that share the batch."""
  if program.axis_name is None:
    return tree
  return lax.psum(tree, program.axis_name)


def _validate(
  program: Program, data: Data, member: Member, state: State, again: Array
) -> tuple[dict[str, Array], State]:
  """Calibrates, if the fusion does and unless `again`, and validates."""
  rows = member.val_rows
  real = jnp.arange(rows.shape[0]) < member.num_val
  targets = data.targets[rows]

  def run(batch_stats: Any) -> fusion.Output:
    return predict(program, data, None, rows, member, state.params, batch_stats)

  if program.network.calibrates:
    there = jnp.stack(
      [data.length[modality][rows] > 0 for modality in program.indices], 1
    )
    if program.computed is None:
      there &= member.view
    _, updates = program.network.apply(
      {'params': state.params, 'batch_stats': state.batch_stats},
      run(state.batch_stats).alone,
      real[:, None] & there,
      # As sure as it is right, also where votes are what is learned.
      jax.nn.one_hot(data.labels[rows], targets.shape[1]),
      method='calibrate',
      mutable=['batch_stats'],
    )
    fitted = jax.tree.map(
      lambda old, new: jnp.where(again, old, new),
      state.batch_stats,
      updates['batch_stats'],
    )
    state = state._replace(batch_stats=fitted)
  logits = run(state.batch_stats).logits
  found = metrics.measure(
    program.metrics,
    metrics.Rows(
      logits=logits,
      losses=losses.find(program.recipe.loss)(logits, targets),
      labels=data.labels[rows],
      real=real,
      scores=data.scores[rows] if program.values else None,
      values=jnp.array(program.values) if program.values else None,
    ),
  )
  return found, state
