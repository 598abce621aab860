"""Fusions: from the features of several modalities to logits.

Every fusion is a Flax module with the fields `num_classes`, `modalities` and
`axis_name`, whatever others it wants, and

  __call__(features, present, rows, train) -> Output

where `features` maps each modality to (B, D), `present` maps it to (B,) bool,
`rows` (B,) bool tells real rows from padding, and `train` is a bool. A clip may
lack modalities, which must then not matter: features are zero where they are
not present. A view of fewer modalities is the same module, with the others
never present; where a fusion has a method `narrowed(view)`, it gives a cheaper
module for such a view, of fewer parameters but of the same names, shapes and
draws, or None. Fields whose name ends in `dropout` may be swept, and are then
traced: they go to `layers.Dropout`, which knows such rates.
"""

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from empathy import errors
from empathy.models import evidence, heads, layers
from empathy.models.output import Output

Array = jax.Array

JOINS = ('attention', 'sum', 'concat')


class GatedAttention(nn.Module):
  """The gated attention fusion of arXiv 2505.13979.

  Each modality is projected, z = BN(W x), and scaled by a gate that sees this
  modality alone, g = sigmoid(u . z + b). In training each gated modality is
  zeroed with probability `modality_dropout`, without rescaling, so that all may
  go. Attention over the modalities, softmax of a . tanh(V z g + c), weighs
  their mean, and an MLP reads it.

  Attributes:
    num_classes: C.
    modalities: M names, in order.
    width: units of each projection.
    attention_width: units of the attention's hidden layer.
    hidden: widths of the MLP's blocks.
    dropout: probability of dropping a hidden unit of the MLP.
    modality_dropout: probability of dropping a modality of a clip.
    join: 'attention', the paper's mean; or, without attention, to see what it
      costs, 'sum', or 'concat', the gated modalities side by side.
    axis_name: the devices that share the batch, if they do.
  """

  num_classes: int
  modalities: tuple[str, ...]
  width: int = 256
  attention_width: int = 128
  hidden: tuple[int, ...] = (512, 512, 512)
  dropout: float = 0.3
  modality_dropout: float = 0.2
  join: str = 'attention'
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
    fused = jnp.einsum('bm,bmd->bd', attention, jnp.stack(gated, 1))
    if self.join == 'sum':
      fused = jnp.einsum(
        'bm,bmd->bd', mask.astype(fused.dtype), jnp.stack(gated, 1)
      )
    elif self.join == 'concat':
      kept = jnp.stack(gated, 1) * mask[..., None]
      fused = kept.reshape(len(kept), -1)
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
    num_classes: C.
    modalities: M names, in order.
    hidden: widths of the MLP's blocks.
    dropout: probability of dropping a hidden unit of the MLP.
    axis_name: the devices that share the batch, if they do.
  """

  num_classes: int
  modalities: tuple[str, ...]
  hidden: tuple[int, ...] = (256,)
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
  """Pools sequences of features, then fuses.

  Attributes:
    fusion: the module that fuses pooled features.
  """

  fusion: nn.Module

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
    pooled = {}
    for modality, x in features.items():
      if modality in steps:
        x = heads.AttentionPooling(name=f'pool_{modality}')(x, steps[modality])
      pooled[modality] = x
    return self.fusion(pooled, present, rows, train)

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
    return fusion and Network(fusion)

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
}


def build(
  name: str,
  num_classes: int,
  modalities: tuple[str, ...],
  axis_name: str | None = None,
  **fields: Any,
) -> Network:
  """Builds a network by the name of its fusion.

  Args:
    name: one of `FUSIONS`, or the import path of a class of your own, such as
      `my_fusion.MyFusion`.
    num_classes: C.
    modalities: in the order in which views name them.
    axis_name: the devices that share a batch, if they do.
    **fields: other fields of the fusion.

  Returns:
    The network.

  Raises:
    InputError: there is no such fusion, or it has no such field.
  """
  fusion = FUSIONS.get(name)
  if fusion is None:
    module, _, attribute = name.rpartition('.')
    try:
      fusion = getattr(importlib.import_module(module), attribute)
    except (AttributeError, ImportError, ValueError) as error:
      reason = 'which is module.Class'
      if module:
        reason = f'{error}; is the folder of the module on PYTHONPATH?'
      raise errors.InputError(
        f'config.model.fusion: {name!r} is not one of {", ".join(FUSIONS)}, '
        f'nor the import path of a class ({reason})'
      ) from None
  if not (inspect.isclass(fusion) and issubclass(fusion, nn.Module)):
    raise errors.InputError(
      f'config.model.fusion: {name!r} is not a class of Flax modules'
    )
  known = [
    field
    for field in inspect.signature(fusion).parameters
    if field not in ('num_classes', 'modalities', 'axis_name', 'parent', 'name')
  ]
  for field in fields:
    if field not in known:
      raise errors.InputError(
        f'config.model.{field}: {name} has no such field; it has '
        f'{", ".join(known)}'
      )
  return Network(
    fusion(
      num_classes=num_classes,
      modalities=modalities,
      axis_name=axis_name,
      **fields,
    )
  )
