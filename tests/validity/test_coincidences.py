"""When things happen is learned, where what happens says nothing."""

import os
import subprocess
import sys

import coincidences
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from empathy.models import fusion, losses


@pytest.mark.long
def test_timed_evidence_learns_what_pooled_fusions_cannot():
  # By good machine code, which trains four times as fast as that of tests.
  done = subprocess.run(
    [
      *(sys.executable, coincidences.__file__),
      *('--clips=1200', '--folds=3', '--seeds=1'),
    ],
    env={k: v for k, v in os.environ.items() if k != 'XLA_FLAGS'},
    capture_output=True,
    text=True,
    check=True,
  )
  lines = (line.split(': ') for line in done.stdout.splitlines())
  found = {name: float(share.removesuffix('%')) for name, share in lines}
  assert found.pop('timed_evidence') >= 90
  # Of 1,200 clips, 4 standard errors are 5.8 points.
  assert len(found) == 3
  assert max(found.values()) <= 55.8, found


def test_a_little_training_suffices_where_events_are_large():
  made = coincidences.corpus(num_clips=600, width=4, size=8)
  features, steps = {}, {}
  for name, x in made.features.items():
    steps[name] = np.arange(x.length.max()) < x.length[:, None]
    features[name] = np.zeros((*steps[name].shape, 4), 'f4')
    features[name][steps[name]] = x.values
  real = np.ones(600, bool)
  every = features, steps, dict.fromkeys(steps, real), real
  held_out = np.arange(600) % 40 < 10  # By speaker.
  labels = jnp.asarray(made.labels)
  # Heads without hidden units: a timeline has to tell it all.
  network = fusion.build(
    'timed_evidence', 2, tuple(steps), hidden=(), places=8, width=16
  )
  optimizer = optax.adam(optax.cosine_decay_schedule(0.02, 60))

  def batch(rows):
    return jax.tree.map(lambda x: jnp.asarray(x)[rows], every)

  @jax.jit
  def predicted():
    variables = network.init(jax.random.key(0), *batch(np.arange(2)), False)
    params, rest = variables['params'], variables['batch_stats']

    def step(state, key):
      rows = jax.random.choice(key, np.flatnonzero(~held_out), (48,))

      def loss(params):
        output = network.apply(
          {'params': params, 'batch_stats': rest},
          *batch(rows),
          True,
          rngs={'dropout': key},
        )
        targets = jnp.eye(2)[labels[rows]]
        return losses.cross_entropy(output.logits, targets).mean()

      updates, memory = optimizer.update(jax.grad(loss)(state[0]), state[1])
      return (optax.apply_updates(state[0], updates), memory), None

    keys = jax.random.split(jax.random.key(1), 60)
    start = params, optimizer.init(params)
    (params, _), _ = jax.lax.scan(step, start, keys)
    return network.apply(
      {'params': params, 'batch_stats': rest},
      *batch(np.flatnonzero(held_out)),
      False,
    ).logits.argmax(axis=1)

  right = np.asarray(predicted()) == made.labels[held_out]
  assert right.mean() >= 0.9


def test_each_modality_alone_says_nothing():
  made = coincidences.corpus(num_clips=2000, width=2, seed=1)
  together = made.labels == 1
  for found in made.features.values():
    # When an event is, and how much there is in all, are alike in both classes.
    first = np.cumsum(found.length) - found.length
    size = np.abs(found.values).sum(axis=1)
    peak = [
      np.argmax(size[a : a + n]) / n
      for a, n in zip(first, found.length, strict=True)
    ]
    total = np.add.reduceat(size, first) / found.length
    for values in (np.array(peak), total):
      sides = values[together], values[~together]
      gap = abs(sides[0].mean() - sides[1].mean())
      error = np.sqrt(sum(x.var() / len(x) for x in sides))
      assert gap < 4 * error
