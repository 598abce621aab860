"""The precision of what a program multiplies."""

from typing import Any

import jax


def of(jaxpr: Any) -> list[Any]:
  """That of every matrix product and convolution, also of inner programs."""
  found = []
  for equation in jaxpr.eqns:
    if equation.primitive.name in ('dot_general', 'conv_general_dilated'):
      found.append(equation.params['precision'])
    for inner in jax.tree.leaves(
      list(equation.params.values()),
      is_leaf=lambda x: hasattr(x, 'eqns') or hasattr(x, 'jaxpr'),
    ):
      inner = getattr(inner, 'jaxpr', inner)
      if hasattr(inner, 'eqns'):
        found += of(inner)
  return found
