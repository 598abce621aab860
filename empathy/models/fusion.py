"""Fusions: from the features of several modalities to logits.

Every fusion is a Flax module with the fields `num_classes`, C, `modalities`, M
names in order, and `axis_name`, of the devices that share each batch, or None;
with whatever others it wants, and

  __call__(features, present, rows, train) -> Output

where `features` maps each modality to (B, D), `present` maps it to (B,) bool,
`rows` (B,) bool tells real rows from padding, and `train` is a bool. Sequences
are pooled over time before. To see them as they are, a fusion has the class
attribute `sequences = True` (without a type, so that it is no field), and

  __call__(features, steps, present, rows, train) -> Output

where `features` of a sequence are (B, T, D), and `steps` maps the modalities
that are sequences in this corpus, none to all of them, to (B, T) bool: the
first n steps of a clip are its own, n is 0 where it lacks the modality, and
those beyond are zero. T is the longest of a corpus, and may be another one when
new clips are predicted; steps that are not there must not matter.

A clip may lack modalities, which must then not matter: features are zero where
they are not present. A view of fewer modalities is the same module, with the
others never present; where a fusion has a method `narrowed(view)`, it gives a
cheaper module for such a view, of fewer parameters but of the same names,
shapes and draws, or None. Fields whose name ends in `dropout` may be swept, and
are then traced: they go to `layers.Dropout`, which knows such rates, and which
batches that devices share. A fusion of which parts learn from the auxiliary
loss alone has a class attribute `auxiliary`, the weight of that loss to begin
with; without any it is not trained.
"""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
from flax import linen as nn

from empathy import errors, kinds, named
from empathy.models import evidence, heads, layers, timeline
from empathy.models.heads import Output

Array = jax.Array


class GatedAttention(nn.Module):
  """The gated attention fusion of arXiv 2505.13979.

  Each modality is projected, z = BN(W x), and scaled by a gate that sees this
  modality alone, g = sigmoid(u . z + b). In training each gated modality is
  zeroed with probability `modality_dropout`, without rescaling, so that all may
  go. Attention over the modalities, softmax of a . tanh(V z g + c), weighs
  their mean, and an MLP reads it.

  Attributes:
    width: units of each projection.
    attention_width: units of the attention's hidden layer.
    hidden: widths of the MLP's blocks.
    dropout: probability of dropping a hidden unit of the MLP.
    modality_dropout: probability of dropping a modality of a clip.
    join: 'attention', the paper's mean; or, without attention, to see what it
      costs, 'sum', or 'concat', the gated modalities side by side.
  """

  num_classes: int
  modalities: tuple[str, ...]
  width: layers.Size = 256
  attention_width: layers.Size = 128
  hidden: tuple[layers.Size, ...] = (512, 512, 512)
  dropout: float = 0.3
  modality_dropout: float = 0.2
  join: Literal['attention', 'sum', 'concat'] = 'attention'
  axis_name: str | None = None

  @nn.compact
  def __call__(
    self,
    features: Mapping[str, Array],
    present: Mapping[str, Array],
    rows: Array,
    train: bool,
  ) -> Output:
    """Fuses; see the module's docstring."""
    query = self.param(
      'query', nn.initializers.normal(1.0), (self.attention_width,)
    )
    gates, scores, gated = [], [], []
    for modality in self.modalities:
      here = present[modality]
      z = layers.Dense(self.width, name=f'project_{modality}')(
        features[modality]
      )
      z = layers.BatchNorm(
        axis_name=self.axis_name, name=f'normalize_{modality}'
      )(z, rows & here, train)
      gate = nn.sigmoid(layers.Dense(1, name=f'gate_{modality}')(z))
      drop = layers.Dropout(
        self.modality_dropout,
        rescale=False,
        axis_name=self.axis_name,
        name=f'drop_{modality}',
      )
      z = drop(gate, train) * z
      hidden = layers.Dense(self.attention_width, name=f'attend_{modality}')(z)
      gates.append(jnp.where(here, gate[:, 0], 0.0))
      scores.append(jnp.tanh(hidden) @ query)
      gated.append(z)
    mask = jnp.stack([present[modality] for modality in self.modalities], -1)
    attention = heads.masked_softmax(jnp.stack(scores, -1), mask)
    # Added, not multiplied: a product of matrices may be of fewer bits.
    gated = jnp.stack(gated, 1)
    fused = (attention[..., None] * gated).sum(axis=1)
    if self.join == 'sum':
      fused = (mask[..., None] * gated).sum(axis=1)
    elif self.join == 'concat':
      fused = (mask[..., None] * gated).reshape(len(gated), -1)
    logits = heads.MLP(
      self.num_classes, self.hidden, self.dropout, self.axis_name
    )(fused, rows, train)
    return Output(logits, jnp.stack(gates, -1), attention)

  @nn.nowrap
  def narrowed(self, view: tuple[str, ...]) -> nn.Module | None:
    """The fusion of a view; None where its parameters are not of this one."""
    return None if self.join == 'concat' else self.clone(modalities=view)


class Concat(nn.Module):
  """An MLP on the modalities' features side by side.

  Attributes:
    hidden: widths of the MLP's blocks.
    dropout: probability of dropping a hidden unit of the MLP.
  """

  num_classes: int
  modalities: tuple[str, ...]
  hidden: tuple[layers.Size, ...] = (256,)
  dropout: float = 0.3
  axis_name: str | None = None

  @nn.compact
  def __call__(
    self,
    features: Mapping[str, Array],
    present: Mapping[str, Array],
    rows: Array,
    train: bool,
  ) -> Output:
    """Fuses; see the module's docstring."""
    del present  # Absent features are zero already.
    joined = jnp.concatenate([features[m] for m in self.modalities], axis=-1)
    return Output(
      heads.MLP(self.num_classes, self.hidden, self.dropout, self.axis_name)(
        joined, rows, train
      )
    )


class Network(nn.Module):
  """Pools sequences of features, unless the fusion asks for them, and fuses.

  Attributes:
    fusion: the module that fuses.
    pooling: of sequences, as a config names it; see `find_pooling`.
  """

  fusion: nn.Module
  pooling: str = 'attention'

  @nn.compact
  def __call__(
    self,
    features: Mapping[str, Array],
    steps: Mapping[str, Array],
    present: Mapping[str, Array],
    rows: Array,
    train: bool,
  ) -> Output:
    """Predicts.

    Args:
      features: by modality, (B, D), or (B, T, D) for sequences.
      steps: by modality that is a sequence, (B, T) bool: the steps there are.
      present: by modality, (B,) bool.
      rows: (B,) bool, real rows rather than padding.
      train: normalise by the batch, and drop.

    Returns:
      The fusion's output.
    """
    if sees_sequences(self.fusion):
      return self._fuse(features, steps, present, rows, train)
    pooled, mixes = {}, {}
    for modality, x in features.items():
      if modality in steps:
        x, weights = self._pool(modality, x, steps[modality])
        if weights is not None:
          mixes[modality] = weights
      pooled[modality] = x
    output = self._fuse(pooled, present, rows, train)
    return output._replace(layers=mixes or None)

  def _fuse(self, *inputs: Any) -> Output:
    """What the fusion gives, if it is what it should be."""
    name, what = _name(type(self.fusion)), 'config.model.fusion'
    with named.blaming(what, name):
      output = self.fusion(*inputs)
    if not isinstance(output, Output):
      raise errors.InputError(
        f'{what}: {name} gives a {type(output).__name__}; expected an Output'
      )
    rows = inputs[-2]
    expected = (*rows.shape, self.fusion.num_classes)
    if output.logits.shape != expected:
      raise errors.InputError(
        f'{what}: the logits of {name} are of the shape {output.logits.shape}; '
        f'expected {expected}, clips and classes'
      )
    return output

  def _pool(
    self, modality: str, x: Array, steps: Array
  ) -> tuple[Array, Array | None]:
    """A modality's pooled features, and the weights of its layers, if any."""
    pool, what = find_pooling(self.pooling), 'config.model.pooling'
    with named.blaming(what, self.pooling):
      if inspect.isclass(getattr(pool, 'func', pool)):
        pool = pool(name=f'pool_{modality}')
      pooled = pool(x, steps)
    expected = (x.shape[0], x.shape[2])
    if jnp.shape(pooled) != expected:
      raise errors.InputError(
        f'{what}: {self.pooling} gives the shape {jnp.shape(pooled)}; expected '
        f'{expected}, clips and features'
      )
    mixes = isinstance(pool, heads.LayerMix)
    return pooled, pool.weights(steps) if mixes else None

  @nn.nowrap
  def narrowed(self, view: tuple[str, ...]) -> 'Network | None':
    """What this network is to clips that have no modalities but a view's.

    Its parameters and what it draws at random are of this one's, by the same
    names, so that a member may be trained by it and predict by this one.

    Args:
      view: some of the modalities, in order.

    Returns:
      The network; None where the fusion has no such network.
    """
    if not hasattr(self.fusion, 'narrowed'):
      return None
    fusion = self.fusion.narrowed(view)
    return fusion and self.clone(fusion=fusion)

  @property
  def mixes_layers(self) -> bool:
    """Whether what is a sequence has to be the layers of an encoder."""
    return mixes_layers(self.pooling) and not sees_sequences(self.fusion)

  @property
  def calibrates(self) -> bool:
    """Whether the fusion has something to fit to validation clips."""
    return hasattr(self.fusion, 'calibrate')

  def calibrate(self, alone: Array, rows: Array, targets: Array) -> None:
    """As the fusion does it; see `evidence.GatedEvidence.calibrate`."""
    self.fusion.calibrate(alone, rows, targets)


FUSIONS = {
  'gated_attention': GatedAttention,
  'concat': Concat,
  'gated_evidence': evidence.GatedEvidence,
  'timed_evidence': timeline.TimedEvidence,
}


# Fields of every fusion, which a config does not say.
_COMMON = ('num_classes', 'modalities', 'axis_name', 'parent', 'name')
# What a config's `model` says besides a fusion's fields.
_BESIDES = ('fusion', 'pooling')
_POOLING = 'attention'
_DROPOUT = Annotated[tuple, kinds.Several(kinds.Share)]


def find(name: str) -> type[nn.Module]:
  """The class of a fusion.

  Args:
    name: one of `FUSIONS`, or the import path of a class of your own, such as
      `my_fusion.MyFusion`.

  Raises:
    InputError: there is no such fusion.
  """
  found = named.find(name, FUSIONS, 'config.model.fusion')
  if not (inspect.isclass(found) and issubclass(found, nn.Module)):
    raise errors.InputError(
      f'config.model.fusion: {name!r} is not a class of Flax modules'
    )
  return found


def fields(name: str) -> dict[str, Any]:
  """What `model` in a config holds: a fusion's name, and all its fields.

  Args:
    name: as for `find`.

  Returns:
    The name as 'fusion', 'pooling', unless it sees sequences, and the default
    of each field that has one; of those that may be swept as a tuple of one
    value.
  """
  fusion, result = find(name), {'fusion': name}
  if not sees_sequences(fusion):
    result['pooling'] = _POOLING
  for field in _own_fields(fusion):
    if field.default is not dataclasses.MISSING:
      is_swept = field.name.endswith('dropout')
      result[field.name] = (field.default,) if is_swept else field.default
  return result


def sees_sequences(fusion: nn.Module | type[nn.Module]) -> bool:
  """Whether a fusion gets sequences as they are; see the module."""
  return getattr(fusion, 'sequences', False)


def auxiliary(name: str) -> float:
  """The weight of the auxiliary loss that a fusion needs; 0 if it needs none.

  Args:
    name: as for `find`.
  """
  return getattr(find(name), 'auxiliary', 0.0)


def find_pooling(text: str) -> Callable:
  """What pools sequences: a function, or a class of Flax modules.

  It takes (B, T, D) and (B, T) bool, the steps that there are, and gives
  (B, D), zeros where no step is.

  Args:
    text: one of `heads.POOLING`, or an import path; see `named`.

  Raises:
    InputError: there is no such pooling.
  """
  return named.resolve(text, heads.POOLING, 'config.model.pooling')


def mixes_layers(pooling: str) -> bool:
  """Whether a pooling, as a config names it or not, is for layers alone."""
  found = find_pooling(pooling or _POOLING)
  found = getattr(found, 'func', found)
  return inspect.isclass(found) and issubclass(found, heads.LayerMix)


def check(model: Mapping[str, Any]) -> None:
  """Makes sure that the fields of a config's model are right.

  Args:
    model: 'fusion', the name of one, and its fields.

  Raises:
    InputError: one fault or more, a line each.
  """
  name = model.get('fusion', None)
  if name is None:
    raise errors.InputError('config.model.fusion: is missing')
  fusion = find(name)
  pooling = model.get('pooling', _POOLING)
  find_pooling(pooling)
  if sees_sequences(fusion) and pooling != _POOLING:
    raise errors.InputError(
      f'config.model.pooling: {pooling!r}, but {name} sees sequences as they '
      'are; leave it out'
    )
  own = {field.name: field for field in _own_fields(fusion)}
  given = {key: value for key, value in model.items() if key not in _BESIDES}
  unknown = [field for field in given if field not in own]
  if unknown:
    raise errors.InputError(
      f'config.model.{", ".join(unknown)}: {name} has no such field; it has '
      f'{", ".join(own) or "none"}; choose a fusion where its fields are made, '
      f"by default_config('{name}') in the config file, or after its colon"
    )
  missing = [
    f'config.model.{field.name}: is missing; {name} has no default for it'
    for field in own.values()
    if field.default is dataclasses.MISSING
    and field.default_factory is dataclasses.MISSING
    and field.name not in given
  ]
  types = kinds.of(fusion)
  types = {field: types.get(field, Any) for field in own} | {
    field: _DROPOUT for field in own if field.endswith('dropout')
  }
  errors.raise_faults(missing + kinds.faults(types, given, 'config.model'))


def _name(fusion: type[nn.Module]) -> str:
  """How a config names a fusion."""
  for name, shipped in FUSIONS.items():
    if shipped is fusion:
      return name
  return f'{fusion.__module__}:{fusion.__qualname__}'


def _own_fields(fusion: type[nn.Module]) -> list[dataclasses.Field]:
  return [x for x in dataclasses.fields(fusion) if x.name not in _COMMON]


def build(
  name: str,
  num_classes: int,
  modalities: tuple[str, ...],
  axis_name: str | None = None,
  pooling: str = 'attention',
  **given: Any,
) -> Network:
  """Builds a network by the name of its fusion.

  Args:
    name: as for `find`.
    num_classes: C.
    modalities: in the order in which views name them.
    axis_name: the devices that share a batch, if they do.
    pooling: as for `find_pooling`.
    **given: other fields of the fusion.

  Returns:
    The network.

  Raises:
    InputError: there is no such fusion, or a field is at fault.
  """
  check({'fusion': name, 'pooling': pooling, **given})
  return Network(
    find(name)(
      num_classes=num_classes,
      modalities=modalities,
      axis_name=axis_name,
      **given,
    ),
    pooling,
  )
