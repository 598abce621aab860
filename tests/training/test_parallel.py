"""Layouts agree with a plain loop, on forced host devices, in a subprocess."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from empathy.training import parallel

_NUM_STEPS = 5


def _run(folder: pathlib.Path, *layouts: str) -> dict:
  path = os.pathsep.join(str(p) for p in sys.path if p)
  result = subprocess.run(
    [sys.executable, __file__, str(folder), *layouts],
    env=os.environ
    | {
      'XLA_FLAGS': os.environ['XLA_FLAGS']
      + ' --xla_force_host_platform_device_count=2',
      'PYTHONPATH': path,
    },
    capture_output=True,
    text=True,
    check=False,
  )
  assert result.returncode == 0, result.stderr[-3000:]
  return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture(scope='module')
def found(tmp_path_factory):
  return _run(tmp_path_factory.mktemp('parallel'), 'members 2', 'batch 2')


@pytest.mark.parametrize('layout', ['members 2', 'batch 2'])
def test_a_layout_agrees_with_a_plain_loop(found, layout):
  assert found[layout] <= 1
  # The bound is far below how far the parameters go.
  assert found['moved'] >= 20


# Of one device a batch is whole: that is the layout of members.
@pytest.mark.long
def test_one_device_agrees_with_a_plain_loop(tmp_path):
  assert _run(tmp_path, 'members 1')['members 1'] <= 1


@pytest.mark.parametrize(
  ('gpus', 'tasks', 'local', 'seen', 'own'),
  [
    ('8', '1', '0', None, [*range(8)]),  # One process has them all,
    ('8', '8(x4)', '3', None, [3]),  # or each one,
    ('8', '2', '1', '0,1,2,3,4,5,6,7', [4, 5, 6, 7]),  # or a share.
    ('8', '8', '5', '5', [0]),  # SLURM shows each its own alone.
    ('8', '2(x2),1', '0', '0,1,2,3', [0, 1, 2, 3]),
    ('2', '4', '3', None, None),  # More processes than GPUs: JAX tells.
    ('', '4', '3', None, None),  # A job without GPUs.
  ],
)
def test_a_process_of_slurm_takes_its_share_of_the_gpus(
  gpus, tasks, local, seen, own
):
  environment = {
    'SLURM_STEP_TASKS_PER_NODE': tasks,
    'SLURM_GPUS_ON_NODE': gpus,
    'SLURM_LOCALID': local,
  }
  if seen is not None:
    environment['CUDA_VISIBLE_DEVICES'] = seen
  assert parallel.slurm_devices(environment) == own
  assert parallel.slurm_devices({}) is None


def test_gpus_that_nobody_uses_are_told(caplog):
  environment = {
    'SLURM_NTASKS_PER_NODE': '3',
    'SLURM_GPUS_ON_NODE': '8',
    'SLURM_LOCALID': '1',
  }
  assert parallel.slurm_devices(environment) == [2, 3]
  assert caplog.messages == [
    'SLURM: 3 processes do not divide 8 GPUs of a node: 2 are not used'
  ]


@pytest.mark.parametrize('precision', parallel.PRECISIONS)
def test_all_that_is_compiled_for_a_layout_has_its_precision(precision):
  import jax

  layout = parallel.Layout('members', jax.local_devices()[:1], precision)
  found = []

  def function(shared, own, *state):
    found.append(jax.config.jax_default_matmul_precision)
    return (*state, shared * own)

  one = layout.replicate(np.float32(2))
  members, state = layout.shard((np.ones(2, np.float32),) * 2)
  layout.map(lambda *x: function(*x)[0], 1)(one, members)
  layout.update(function, 1)(one, members, layout.map(abs)(state))
  layout.over_batch(lambda x: function(x, x)[0])(one)
  assert set(found) == {precision}
  before = jax.config.jax_default_matmul_precision
  assert before in (None, 'default')


def test_what_is_spread_is_of_full_precision():
  import jax

  found = []

  def function(constants, batch):
    found.append(jax.config.jax_default_matmul_precision)
    return constants * batch

  run = parallel.spread(function, np.float32(3))
  batch = np.ones((run.num_devices, 2), np.float32)
  np.testing.assert_array_equal(run(batch), 3 * batch)
  assert set(found) == {'float32'}


def _main(folder: pathlib.Path, *layouts: str) -> None:
  """Prints the largest differences from the plain loop, as JSON.

  In units of how far float32 results of the plain loop may be off.
  """
  import functools

  import jax
  import jax.numpy as jnp
  import numpy as np
  import optax
  import rounding
  from test_step import Setting

  from empathy.training import configuration, parallel, schedules, step

  setting = Setting(folder)

  program, data = setting.program, setting.device_data()

  def adam(rate, beta1):
    return optax.chain(
      optax.add_decayed_weights(program.recipe.l2),
      optax.scale_by_adam(b1=beta1),
      optax.scale(-rate),
    )

  size = program.recipe.batch_size

  @jax.jit
  def change(data, member, variables, opt_state, rows, num_real, number):
    inputs = step._inputs(program, data, member, rows)
    real = jnp.arange(size) < num_real
    per_epoch = -(-member.num_train // size)
    total = per_epoch * program.recipe.num_epochs

    def loss(params):
      output, updates = program.network.apply(
        variables | {'params': params},
        *inputs,
        real,
        True,
        rngs={'dropout': jax.random.fold_in(step._key(member, 2), number)},
        mutable=['batch_stats'],
      )
      each = optax.softmax_cross_entropy(output.logits, data.targets[rows])
      return (each * real).sum() / num_real, updates

    params = variables['params']
    gradients, updates = jax.grad(loss, has_aux=True)(params)
    rate = schedules.one_cycle(1e-3, total)(number)
    beta1 = schedules.cycle(total, 0.95, 0.85, 0.95)(number)
    changes, opt_state = adam(rate, beta1).update(gradients, opt_state, params)
    return updates | {'params': optax.apply_updates(params, changes)}, opt_state

  init = jax.jit(functools.partial(step.init, program))
  learned = jax.jit(functools.partial(step.learned_rows, program.recipe))

  def plain(data, index):
    """Each step by itself: no map, no scan, the loss of the real rows."""
    member = setting.member(index)
    num_train = int(member.num_train)
    per_epoch = -(-num_train // size)
    state = init(data, member)
    variables = {'params': state.params, 'batch_stats': state.batch_stats}
    opt_state = adam(0.0, 0.0).init(state.params)
    for number in range(_NUM_STEPS):
      epoch, slot = divmod(number, per_epoch)
      order = learned(member, np.int32(epoch))[1].ravel()[:num_train]
      rows = order[slot * size : (slot + 1) * size]
      padded = jnp.pad(rows, (0, size - len(rows)))
      variables, opt_state = change(
        data, member, variables, opt_state, padded, len(rows), number
      )
    return variables

  def laid_out(mode, num_devices):
    """The same steps, by `step.train_epoch` in the layout."""
    layout = parallel.Layout(mode, jax.devices()[:num_devices])
    program = configuration.make_program(
      setting.config,
      setting.corpus.classes,
      setting.program.modalities,
      setting.max_length,
      layout,
    )
    chosen = jax.tree.map(lambda x: x[np.array(indices)], setting.members)
    data, chunk = layout.replicate(setting.data), layout.shard(chosen)
    state = layout.shard(jax.tree.map(lambda *x: np.stack(x), *starts))

    def some_steps(data, member, state):
      size = program.recipe.batch_size
      per_epoch = -(-member.num_train // size)
      share = size // num_devices if program.axis_name else size

      def one(state, number):
        epoch, slot = number // per_epoch, number % per_epoch
        order = step.learned_rows(program.recipe, member, epoch)[1].ravel()
        places = slot * size + jnp.arange(share)
        if program.axis_name is not None:
          places += jax.lax.axis_index(program.axis_name) * share
        real = places < member.num_train
        state, loss = step._train_step(
          program, data, member, state, order[places], real, number, True
        )
        return state, loss

      return jax.lax.scan(one, state, jnp.arange(_NUM_STEPS))

    state, _ = layout.update(some_steps, 1)(data, chunk, state)
    state = layout.gather(state, len(indices))
    return {'params': state.params, 'batch_stats': state.batch_stats}

  indices = [0, 11, 41]  # On two devices one is repeated.
  starts = [init(data, setting.member(index)) for index in indices]
  expected = [plain(data, index) for index in indices]
  bounds = [
    rounding.trained(functools.partial(plain, index=index), data, rate=4e-5)
    for index in indices
  ]
  result = {}

  def excess(got, at, index):
    got = jax.tree.map(lambda x: x[at], got)
    return rounding.excess(got, expected[index], bounds[index])

  for name in layouts:
    mode, num_devices = name.split()
    got = laid_out(mode, int(num_devices))
    result[name] = max(excess(got, i, i) for i in range(len(indices)))
  result['moved'] = rounding.excess(
    starts[0].params, expected[0]['params'], bounds[0]['params']
  )

  print(json.dumps(result))


if __name__ == '__main__':
  _main(pathlib.Path(sys.argv[1]), *sys.argv[2:])
