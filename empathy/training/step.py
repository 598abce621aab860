"""What one member does: pure functions, of one member, to be mapped over many.

Randomness is derived, never stored: a member's key is folded from its seed,
view and fold, and what happens at a step from that key and the step.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from empathy.models import fusion, losses

Array = jax.Array

BATCH_AXIS = 'batch'
KEEP = ('best', 'last', 'refit')
SELECT = ('accuracy', 'ccc')
# Standardised features beyond this are cut: one wild value must not rule.
_MAX_ABS_FEATURE = 10.0
# Rows that a forward pass takes at a time where nothing is learned, if they are
# pooled; see `eval_rows`.
_EVAL_ROWS = 256


@dataclasses.dataclass(frozen=True)
class Recipe:
  """How a member is trained.

  Attributes:
    num_epochs: passes over the training rows.
    batch_size: clips a step, on all devices together.
    peak_learning_rate: of the one-cycle schedule.
    l2: times the parameters, added to the gradient.
    auxiliary: weight of the loss of what each modality says alone, where the
      fusion tells.
    keep: one of `KEEP`: the epoch that does best on the validation clips, the
      last one, or the last one of a second training, from the beginning, on the
      training and the validation clips.
    select: one of `SELECT`, what is best: accuracy, or the concordance of
      expected and given scores, which needs `Program.values`.
  """

  num_epochs: int
  batch_size: int
  peak_learning_rate: float
  l2: float
  auxiliary: float = 0.0
  keep: str = 'best'
  select: str = 'accuracy'

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


class AdamState(NamedTuple):
  """Adam's memory.

  Attributes:
    count: () int32, the steps made.
    mean: like the parameters, the gradient's running mean.
    square: likewise, of its square.
  """

  count: Array
  mean: Any
  square: Any


class State(NamedTuple):
  """What changes as a member trains; enough to go on from.

  Attributes:
    params: of the network.
    batch_stats: running statistics of BatchNorm.
    opt_state: Adam's.
    best_params: of the epoch that is kept, so far.
    best_batch_stats: likewise.
    best_accuracy: () float32, its validation accuracy; of a second training,
      that of the first one; -1 before the first epoch that counts.
    best_score: () float32, likewise, what it was selected by; -2 before.
    best_loss: () float32, its validation loss in nats, likewise; infinite
      before the first epoch that counts.
    best_epoch: () int32, -1 likewise.
    failed_epoch: () int32, the first epoch with a loss that is not finite;
      -1 while there is none.
  """

  params: Any
  batch_stats: Any
  opt_state: AdamState
  best_params: Any
  best_batch_stats: Any
  best_accuracy: Array
  best_score: Array
  best_loss: Array
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
  eval_rows: int = _EVAL_ROWS
  values: tuple[float, ...] = ()

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


def eval_rows(max_length: Mapping[str, int], num_learned: int) -> int:
  """Rows that a forward pass can take at a time where nothing is learned.

  In lockstep a device holds their steps of all members at once. So they are no
  more than in so many pooled rows, or than a step of the optimizer takes, which
  needs the gradients' room too.

  Args:
    max_length: steps of the longest sequence by modality.
    num_learned: rows of a step of the optimizer, on a device.
  """
  longest = max(max_length.values(), default=1)
  return min(max(_EVAL_ROWS // longest, num_learned, 1), _EVAL_ROWS)


def one_cycle(step: Array, num_steps: Array, peak: float) -> tuple:
  """The one-cycle schedule (arXiv 1708.07120), with PyTorch's defaults.

  The learning rate goes from peak/25 to the peak in the first 30 % of the
  steps and on to peak/250,000 by cosines; Adam's beta1 goes 0.95, 0.85, 0.95.

  Args:
    step: () int, from 0.
    num_steps: () int.
    peak: the highest learning rate.

  Returns:
    The learning rate and beta1.
  """
  num_steps = jnp.asarray(num_steps, jnp.float32)
  turn = 0.3 * num_steps - 1.0
  last = num_steps - 1.0
  rising = step <= turn
  up = step / jnp.where(turn > 0, turn, 1.0)
  down = (step - turn) / jnp.maximum(last - turn, 1e-6)

  def cosine(start, end, share):
    return end + (start - end) / 2 * (1 + jnp.cos(math.pi * share))

  rate = jnp.where(
    rising, cosine(peak / 25, peak, up), cosine(peak, peak / 25e4, down)
  )
  beta1 = jnp.where(rising, cosine(0.95, 0.85, up), cosine(0.85, 0.95, down))
  return rate, beta1


def adam(
  params: Any,
  state: AdamState,
  gradients: Any,
  rate: Array,
  beta1: Array,
  l2: float,
  active: Array,
) -> tuple[Any, AdamState]:
  """A step of Adam (arXiv 1412.6980), with L2 and a beta1 that may move.

  Bias is corrected by the beta1 of this step, as PyTorch does.

  Args:
    params: a tree of arrays.
    state: before the step.
    gradients: like `params`.
    rate: () the learning rate.
    beta1: () of the running mean; beta2 is 0.999.
    l2: times the parameters, added to the gradient.
    active: () bool; otherwise nothing changes.

  Returns:
    The parameters and the state.
  """
  beta2, epsilon = 0.999, 1e-8
  count = state.count + active
  mean_scale = -rate / (1 - beta1**count)
  square_scale = 1 / (1 - beta2**count)

  def moments(m, v, g, p):
    mean = beta1 * m + (1 - beta1) * g + (1 - beta1) * l2 * p
    square = beta2 * v + (1 - beta2) * (g + l2 * p) ** 2
    return jnp.where(active, mean, m), jnp.where(active, square, v)

  def update(p, m, v, g):
    mean, square = moments(m, v, g, p)
    change = mean_scale * mean / (jnp.sqrt(square_scale * square) + epsilon)
    new = jnp.where(active, p + change, p)
    # Computed once more: of results that need none of each other, a compiler
    # makes one loop, which reads and writes every array once.
    return new, *moments(*lax.optimization_barrier((m, v, g, p)))

  updated = jax.tree.map(update, params, state.mean, state.square, gradients)
  params, mean, square = jax.tree.transpose(
    jax.tree.structure(params), jax.tree.structure((0, 0, 0)), updated
  )
  return params, AdamState(count, mean, square)


def init(program: Program, data: Data, member: Member) -> State:
  """A member's state before its first step."""
  rows = jnp.zeros((program.recipe.batch_size,), jnp.int32)
  inputs = _inputs(program, data, member, member.view, rows)
  variables = program.network.init(
    _key(member, 0), *inputs, jnp.ones(rows.shape, bool), False
  )
  params, batch_stats = variables['params'], variables.get('batch_stats', {})
  return State(
    params=params,
    batch_stats=batch_stats,
    opt_state=AdamState(
      jnp.int32(0),
      jax.tree.map(jnp.zeros_like, params),
      jax.tree.map(jnp.zeros_like, params),
    ),
    best_params=jax.tree.map(jnp.copy, params),
    best_batch_stats=jax.tree.map(jnp.copy, batch_stats),
    best_accuracy=jnp.float32(-1),
    best_score=jnp.float32(-2),
    best_loss=jnp.float32(jnp.inf),
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
    The state, and metrics, each a scalar: 'train/loss', 'val/loss' in nats and
    'val/accuracy', with values 'val/ccc' and 'val/mae' too, NaN in the second
    training, whose clips they would be; and 'finite', whether the losses are.
  """
  recipe = program.recipe
  learner, order = batches(recipe, member, epoch)
  again = jnp.bool_(False)
  if recipe.keep == 'refit':
    again = epoch >= recipe.num_epochs
    state = lax.cond(
      epoch == recipe.num_epochs,
      lambda: _begin_again(program, data, member, state),
      lambda: state,
    )
  size = recipe.batch_size
  num_steps = -(-learner.num_train // size)

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
    )

  state, loss_sums = lax.scan(body, state, jnp.arange(len(order)))
  metrics = {'train/loss': loss_sums.sum() / learner.num_train}
  validation, state = _validate(program, data, member, state, again)
  finite = jnp.isfinite(metrics['train/loss'])
  finite &= again | jnp.isfinite(validation['val/loss'])
  accuracy = jnp.where(again, state.best_accuracy, validation['val/accuracy'])
  score = validation[f'val/{recipe.select}']
  score = jnp.where(again, state.best_score, score)
  loss = jnp.where(again, state.best_loss, validation['val/loss'])
  metrics |= {k: jnp.where(again, jnp.nan, v) for k, v in validation.items()}
  better = finite
  if recipe.keep == 'best':
    better &= score > state.best_score

  def choose(new, old):
    return jax.tree.map(lambda x, y: jnp.where(better, x, y), new, old)

  state = state._replace(
    best_params=choose(state.params, state.best_params),
    best_batch_stats=choose(state.batch_stats, state.best_batch_stats),
    best_accuracy=choose(accuracy, state.best_accuracy),
    best_score=choose(score, state.best_score),
    best_loss=choose(loss, state.best_loss),
    best_epoch=choose(epoch, state.best_epoch),
    failed_epoch=jnp.where(
      finite | (state.failed_epoch >= 0), state.failed_epoch, epoch
    ),
  )
  return state, metrics | {'finite': finite}


def predict(
  program: Program,
  data: Data,
  given: Array,
  rows: Array,
  member: Member,
  params: Any,
  batch_stats: Any,
) -> fusion.Output:
  """Predicts clips from the modalities shown.

  Args:
    program: what members share.
    data: the corpus.
    given: (M,) bool, shown besides being in the member's view.
    rows: (H,) int32, the clips.
    member: which one.
    params: of the network.
    batch_stats: of the network.

  Returns:
    The network's output for the H clips.
  """
  variables = {'params': params, 'batch_stats': batch_stats}

  def forward(block: Array) -> fusion.Output:
    inputs = _inputs(program, data, member, member.view & given, block)
    real = jnp.ones(block.shape, bool)
    return program.network.apply(variables, *inputs, real, False)

  output = lax.map(forward, blocks(rows, program.eval_rows))
  return jax.tree.map(
    lambda x: x.reshape(-1, *x.shape[2:])[: rows.shape[0]], output
  )


def batches(
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
    member = _with_val_rows(member, epoch >= recipe.num_epochs)
  num_batches = -(-member.train_rows.shape[0] // recipe.batch_size)
  order = _shuffle(member, epoch, num_batches * recipe.batch_size)
  return member, order.reshape(num_batches, recipe.batch_size)


def blocks(rows: Array, most: int) -> Array:
  """Rows as they go through a forward pass, padded: (blocks, size).

  Args:
    rows: (R,) int.
    most: the size at most.
  """
  count = -(-rows.shape[0] // most)
  size = -(-rows.shape[0] // count)
  padded = jnp.pad(rows, (0, count * size - rows.shape[0]))
  return padded.reshape(count, size)


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


def _key(member: Member, stream: int) -> Array:
  code = jnp.sum(member.view * 2 ** jnp.arange(member.view.shape[0]))
  key = jax.random.key(member.seed)
  for number in (code, member.fold, stream):
    key = jax.random.fold_in(key, number)
  return key


def _shuffle(member: Member, epoch: Array, size: int) -> Array:
  """Training rows in the order of this epoch, padded to `size`: (size,)."""
  num_rows = member.train_rows.shape[0]
  draws = jax.random.uniform(
    jax.random.fold_in(_key(member, 1), epoch), (num_rows,)
  )
  draws = jnp.where(jnp.arange(num_rows) < member.num_train, draws, 2.0)
  order = member.train_rows[jnp.argsort(draws)]
  return jnp.pad(order, (0, size - num_rows))


def _with_val_rows(member: Member, again: Array) -> Member:
  """The member with room for its validation clips, which it learns if `again`.

  Padding moves to the end, where it does not count.
  """
  rows = jnp.concatenate([member.train_rows, member.val_rows])
  at = jnp.arange(rows.shape[0])
  first = member.train_rows.shape[0]
  is_val = (at >= first) & (at < first + member.num_val)
  own = (at < member.num_train) | (is_val & again)
  return member._replace(
    train_rows=rows[jnp.argsort(~own)], num_train=own.sum(dtype=jnp.int32)
  )


def _begin_again(
  program: Program, data: Data, member: Member, state: State
) -> State:
  """Forgets what was learned, but not what is kept, nor the statistics.

  So a calibration stays, and BatchNorm's statistics are soon the new ones.
  """
  fresh = init(program, data, member)
  return state._replace(params=fresh.params, opt_state=fresh.opt_state)


def _inputs(
  program: Program, data: Data, member: Member, shown: Array, rows: Array
) -> tuple[dict[str, Array], dict[str, Array], dict[str, Array]]:
  """Standardised features, the steps there are, and presence, of some clips."""
  features, steps, present = {}, {}, {}
  streamed = None if program.source is None else program.source(rows)
  for modality, index in program.indices.items():
    start, length = data.start[modality][rows], data.length[modality][rows]
    here = (length > 0) & shown[index]
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
) -> tuple[State, Array]:
  """One optimizer step on `rows`, of which those that are `real` count.

  Returns:
    The state and the summed loss; unchanged and 0 if not `active`.
  """
  program = _with_own_values(program, member)
  recipe = program.recipe
  inputs = _inputs(program, data, member, member.view, rows)
  present = inputs[2]
  num_real = _total(program, real.sum())

  def loss_function(params):
    output, updates = program.network.apply(
      {'params': params, 'batch_stats': state.batch_stats},
      *inputs,
      real,
      True,
      rngs={'dropout': jax.random.fold_in(_key(member, 2), step)},
      mutable=['batch_stats'],
    )
    weights = jnp.where(real, data.weights[rows], 0.0)
    total = losses.cross_entropy(output.logits, data.targets[rows], weights)
    loss = total
    if recipe.auxiliary and output.alone is not None:
      for index, modality in enumerate(program.indices):
        loss += recipe.auxiliary * losses.cross_entropy(
          output.alone[:, index],
          data.targets[rows],
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
  num_steps = recipe.num_epochs * -(-member.num_train // recipe.batch_size)
  # A second training has steps of its own, and the same schedule.
  rate, beta1 = one_cycle(
    step % num_steps, num_steps, recipe.peak_learning_rate
  )
  params, opt_state = adam(
    state.params, state.opt_state, gradients, rate, beta1, recipe.l2, active
  )
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
    given = jnp.ones(member.view.shape, bool)
    return predict(
      program, data, given, rows, member, state.params, batch_stats
    )

  if program.network.calibrates:
    there = jnp.stack(
      [data.length[modality][rows] > 0 for modality in program.indices], 1
    )
    seen = member.view[np.array(list(program.indices.values()))]
    _, updates = program.network.apply(
      {'params': state.params, 'batch_stats': state.batch_stats},
      run(state.batch_stats).alone,
      real[:, None] & there & seen,
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
  right = jnp.argmax(logits, -1) == data.labels[rows]
  metrics = {
    'val/loss': losses.cross_entropy(logits, targets, real) / member.num_val,
    'val/accuracy': jnp.sum(right & real) / member.num_val,
  }
  if program.values:
    expected = jax.nn.softmax(logits) @ jnp.array(program.values)
    metrics |= _agreement(expected, data.scores[rows], real)
  return metrics, state


def _agreement(expected: Array, scores: Array, real: Array) -> dict[str, Array]:
  """How near expected scores are to the given ones.

  Args:
    expected: (V,) float32.
    scores: (V,) float32.
    real: (V,) bool, those that count.

  Returns:
    'val/ccc', Lin's coefficient of concordance (Biometrics 1989), 0 where
    neither differs, and 'val/mae', the mean absolute difference.
  """

  def mean(x: Array) -> Array:
    return jnp.sum(jnp.where(real, x, 0.0)) / real.sum()

  centre = mean(scores)
  x, y = expected - centre, scores - centre  # Or digits would be lost.
  shift = mean(x)
  product = mean((x - shift) * y)
  total = mean((x - shift) ** 2) + mean(y**2) + shift**2
  return {
    'val/ccc': 2 * product / jnp.where(total > 0, total, 1.0),
    'val/mae': mean(jnp.abs(expected - scores)),
  }
