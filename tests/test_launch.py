"""The launchers' dry runs, and the configs."""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[1]
SCRIPTS = sorted(
  path
  for path in (ROOT / 'launch').iterdir()
  if path.suffix not in ('.yaml', '.md')
)


def _bash(*arguments, cwd=ROOT, **environment):
  return subprocess.run(
    ['bash', *map(str, arguments)],
    cwd=cwd,
    env=os.environ | environment,
    capture_output=True,
    text=True,
    check=False,
  )


def _commands(output: str) -> list[str]:
  """The commands a dry run shows, but those that install."""
  return [
    line.strip()
    for line in output.splitlines()
    if '-m venv' not in line and '-m pip' not in line
  ]


def test_local_dry_run_shows_the_study():
  result = _bash('launch/local.sh', '--dry-run')
  assert result.returncode == 0, result.stderr
  commands = [
    line
    for line in _commands(result.stdout)
    if '-m empathy.prepare' not in line
  ]
  assert commands == [
    '.venv/bin/python -m empathy.train --config=configs/mixed_signals.py '
    '--config.corpus=runs/simulated --workdir=runs/mixed_signals-simulated',
    '.venv/bin/python -m empathy.evaluate '
    '--workdir=runs/mixed_signals-simulated',
    f'The report: {ROOT}/runs/mixed_signals-simulated/study/report.html',
  ]


def test_local_takes_a_corpus_from_any_folder(tmp_path):
  (tmp_path / 'mine' / 'features').mkdir(parents=True)
  result = _bash(ROOT / 'launch/local.sh', 'mine', '--dry-run', cwd=tmp_path)
  assert result.returncode == 0, result.stderr
  assert f'--config.corpus={tmp_path}/mine ' in result.stdout
  (tmp_path / 'mine' / 'features').rmdir()
  result = _bash(ROOT / 'launch/local.sh', 'mine', '--dry-run', cwd=tmp_path)
  assert (result.returncode, result.stdout) == (2, '')
  assert 'mine: has neither features nor votes' in result.stderr
  (tmp_path / 'mine' / 'votes.csv').touch()
  result = _bash(ROOT / 'launch/local.sh', 'mine', '--dry-run', cwd=tmp_path)
  assert 'empathy.train' not in result.stdout
  assert f'empathy.evaluate --corpus={tmp_path}/mine ' in result.stdout


def test_local_begins_with_the_media(tmp_path):
  (tmp_path / 'mine').mkdir()
  config = 'configs/mixed_signals_media.py:concat'
  result = _bash(
    'launch/local.sh', tmp_path / 'mine', '--dry-run', CONFIG=config
  )
  assert result.returncode == 0, result.stderr
  workdir = 'runs/mixed_signals_media-concat-mine'
  corpus = f'{tmp_path}/mine'
  assert [line.split(' ', 2)[2] for line in _commands(result.stdout)] == [
    f'empathy.finetune --corpus={corpus} --config={config} '
    f'--workdir={workdir}/encoders',
    f'empathy.extract_features --corpus={corpus} --config={config} '
    f'--finetuned={workdir}/encoders',
    f'empathy.train --config={config} --config.corpus={corpus} '
    f'--workdir={workdir}',
    f'empathy.evaluate --workdir={workdir}',
    f'{ROOT}/{workdir}/study/report.html',
  ]


# What is installed already; the demo is a small one.
_SMALL_DEMO = f"""#!/bin/sh
case "$*" in
  "-m empathy demo --output=runs/sample --more") exec {sys.executable} -c "
import pathlib
from empathy import tour
from empathy.corpora import simulate
from empathy.training import configuration
config = configuration.default_config('concat')
config.num_epochs, config.num_seeds, config.num_folds = 1, 1, 3
config.model.hidden = (4,)
parameters = simulate.Parameters(num_clips=60, num_groups=9, width=6)
tour.run(pathlib.Path('runs/sample'), parameters, config)" ;;
esac
"""


@pytest.mark.long
def test_the_sample_is_a_site(tmp_path):
  for name in ('launch', 'setup.py'):
    (tmp_path / name).symlink_to(ROOT / name)
  folder = tmp_path / '.venv' / 'bin'
  folder.mkdir(parents=True)
  (folder / 'python').write_text(_SMALL_DEMO)
  (folder / 'python').chmod(0o755)
  script = tmp_path / 'launch/sample.sh', 'site', '--more'
  result = _bash(*script, cwd=tmp_path, PYTHONPATH=str(ROOT))
  assert result.returncode == 0, result.stderr
  assert result.stdout.startswith('Views ')
  assert result.stdout.endswith(f'The site: {tmp_path}/site\n')
  site = tmp_path / 'site'
  page = (site / 'index.html').read_text()
  assert 'That sounds hard.' in page  # The words of clips.
  assert (site / 'study.json').exists()
  assert (site / 'tables' / 'views.csv').exists()
  assert sum(x.stat().st_size for x in site.rglob('*') if x.is_file()) < 1e6
  # The same once more is not trained again.
  trained = tmp_path / 'runs/sample/run/metrics.jsonl'
  before = trained.stat().st_mtime_ns
  assert _bash(*script, cwd=tmp_path, PYTHONPATH=str(ROOT)).returncode == 0
  assert trained.stat().st_mtime_ns == before


@pytest.mark.parametrize('name', ['tests.yml', 'sample.yml'])
def test_workflows_run_what_is_there(name):
  text = (ROOT / '.github/workflows' / name).read_text()
  jobs = yaml.safe_load(text)['jobs']
  scripts = [
    step['run'].split()
    for job in jobs.values()
    for step in job['steps']
    if 'run' in step
  ]
  for command, script, *_ in scripts:
    assert command == 'bash'
    assert (ROOT / script).exists()
  assert len(scripts) == 1


@pytest.mark.parametrize('argument', ['no_such_corpus', '--no_such_flag'])
def test_local_refuses_what_it_does_not_know(argument, tmp_path):
  result = _bash(ROOT / 'launch/local.sh', argument, cwd=tmp_path)
  assert result.returncode == 2
  assert argument in result.stderr
  assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
  ('arguments', 'marks'),
  [
    (('--dry-run',), 'not\\ long'),
    (('--dry-run', '--all'), "''"),
    (('--all', '--dry-run'), "''"),
  ],
)
def test_test_dry_run(arguments, marks):
  result = _bash('launch/test.sh', *arguments, '-k', 'alpha')
  assert result.returncode == 0, result.stderr
  assert _commands(result.stdout) == [
    '.venv/bin/python -m ruff check .',
    '.venv/bin/python -m ruff format --check .',
    '.venv/bin/python -m pytest -q -n auto --dist loadfile '
    '--no-loadscope-reorder --durations=10 --strict-markers '
    f'-m {marks} tests -k alpha',
  ]


def test_what_lands_has_passed_all_tests():
  assert 'launch/test.sh --all\n' in (ROOT / '.ci/run').read_text()


_NAME = 'mixed_signals-simulated'
_AT = '--project=mine --zone=us-west4-a'
_TPU = 'empathy-mixed-signals-simulated'


def _shown(*arguments, **kw) -> list[str]:
  """The commands of a dry run, without quotes."""
  result = _bash(*arguments, '--dry-run', **kw)
  assert result.returncode == 0, result.stderr
  assert result.stderr == ''
  return [' '.join(shlex.split(line)) for line in result.stdout.splitlines()]


_UV = (
  'python3 -m pip install --quiet uv && ([ -d .venv ] || python3 -m uv venv '
  '--quiet --seed --python 3.12 .venv)'
)


def test_tpu_vm_dry_run():
  found = _shown(
    'launch/tpu_vm.sh',
    '--project=mine',
    '--zone=us-west4-a',
    '--bucket=gs://bucket/',
    '--type=v5litepod-16',
  )
  ssh = f'gcloud compute tpus tpu-vm ssh {_TPU} {_AT} --worker=all '
  assert found == [
    'tar -czf empathy.tar.gz --exclude=.git --exclude=.venv --exclude=./runs .',
    'mkdir -p runs',
    f'gcloud compute tpus tpu-vm create {_TPU} {_AT} '
    '--accelerator-type=v5litepod-16 --version=v2-alpha-tpuv5-lite --spot',
    f'gcloud compute tpus tpu-vm scp empathy.tar.gz {_TPU}: {_AT} --worker=all',
    f'{ssh}--command=mkdir -p empathy && tar -xzf empathy.tar.gz -C empathy && '
    f'cd empathy && {_UV}',
    f'{ssh}--command=cd empathy && EXTRA=tpu INDEX=${{HOSTNAME##*-w-}} '
    f'CONFIG=configs/mixed_signals.py WORKDIR=gs://bucket/{_NAME} '
    'bash launch/local.sh --distributed',
    f'gcloud compute tpus tpu-vm delete {_TPU} {_AT} --quiet',
    f'mkdir -p runs/{_NAME}',
    f'gcloud storage rsync --recursive gs://bucket/{_NAME} runs/{_NAME}',
    f'The report: {ROOT}/runs/{_NAME}/study/report.html',
  ]


def test_tpu_vm_takes_a_corpus_and_other_capacity(tmp_path):
  (tmp_path / 'mine' / 'features').mkdir(parents=True)
  found = _shown(
    ROOT / 'launch/tpu_vm.sh',
    *('--project=p', '--zone=z', '--bucket=gs://b', '--type=v6e-4'),
    *('--corpus=mine', '--on_demand', '--config=configs/ravdess.py:gmu'),
    cwd=tmp_path,
  )
  assert (
    f'gcloud storage rsync --recursive {tmp_path}/mine gs://b/corpora/mine'
    in found
  )
  create = next(line for line in found if ' create ' in line)
  assert create.endswith('--version=v2-alpha-tpuv6e')
  (study,) = (line for line in found if 'launch/local.sh' in line)
  assert study.endswith(
    'CONFIG=configs/ravdess.py:gmu WORKDIR=gs://b/ravdess-gmu-mine bash '
    'launch/local.sh gs://b/corpora/mine --distributed'
  )


def test_each_machine_works_in_the_bucket():
  given = {'EXTRA': 'tpu', 'WORKDIR': 'gs://b/run', 'INDEX': '1'}
  local = 'launch/local.sh', 'gs://b/corpora/mine', '--distributed'
  train = (
    '.venv/bin/python -m empathy.train --distributed '
    '--config=configs/mixed_signals.py --config.corpus=gs://b/corpora/mine '
    '--workdir=gs://b/run'
  )
  found = [line for line in _shown(*local, **given) if 'venv .' not in line]
  assert found == [
    '.venv/bin/python -m pip install --quiet --editable .[tpu,gs]',
    train,
  ]
  # The first one judges, too.
  assert _shown(*local, **given | {'INDEX': '0'})[-3:] == [
    train,
    '.venv/bin/python -m empathy.evaluate --workdir=gs://b/run',
    'The report: gs://b/run/study/report.html',
  ]


# Training that saves its work when it is told to end, and a quick rest.
_PYTHON = r"""#!/bin/bash
echo "$*" >> calls
case "$*" in
  *empathy.train*)
    trap 'echo saved >> calls; exit 143' TERM
    echo ready
    while :; do sleep 0.01; done ;;
esac
"""


# A step of SLURM, which the batch script cannot tell by a signal to itself.
_SLURM = {
  'srun': 'echo $$ > step; shift 2; exec "$@"',
  'scancel': '[ "$*" = "--signal=TERM 7" ] && kill -TERM "$(cat step)"',
  'scontrol': 'echo "scontrol $*" >> calls',
}


@pytest.mark.parametrize(
  ('script', 'end'),
  [('local.sh', 'saved\n'), ('slurm.sbatch', 'saved\nscontrol requeue 7\n')],
)
def test_training_hears_that_its_script_is_to_end(tmp_path, script, end):
  for name in ('launch', 'configs'):
    shutil.copytree(ROOT / name, tmp_path / name)
  shutil.copy(ROOT / 'setup.py', tmp_path)
  folder = tmp_path / '.venv' / 'bin'
  folder.mkdir(parents=True)
  (folder / 'python').write_text(_PYTHON)
  for name, text in _SLURM.items():
    (folder / name).write_text(f'#!/bin/bash\n{text}\n')
  for path in folder.iterdir():
    path.chmod(0o755)
  path = f'{folder}:{os.environ["PATH"]}'
  process = subprocess.Popen(
    ['bash', f'launch/{script}'],
    cwd=tmp_path,
    env=os.environ | {'PATH': path, 'PYTHON': 'python3', 'SLURM_JOB_ID': '7'},
    stdout=subprocess.PIPE,
    text=True,
  )
  assert process.stdout.readline() == 'ready\n'
  process.terminate()
  assert process.wait() == 143
  process.stdout.close()
  calls = (tmp_path / 'calls').read_text()
  assert calls.endswith(end)
  assert 'empathy.evaluate' not in calls


# What a pretended gcloud does: fails to train once, as the machine goes.
_GCLOUD = """#!/bin/bash
echo "$*" >> calls
case "$*" in
  *describe*) [ ! -e machine ] || cat machine ;;
  *" create "*) echo READY > machine ;;
  *" delete "*) rm machine ;;
  *launch/local.sh*)
    if [ ! -e tried ]; then touch tried; echo PREEMPTED > machine; exit 255; fi
    echo trained ;;
esac
"""


def test_a_tpu_that_is_taken_away_is_made_anew(tmp_path):
  for name in ('launch', 'configs'):
    shutil.copytree(ROOT / name, tmp_path / name)
  (tmp_path / 'bin').mkdir()
  for name, text in (('gcloud', _GCLOUD), ('sleep', '#!/bin/sh\n')):
    (tmp_path / 'bin' / name).write_text(text)
    (tmp_path / 'bin' / name).chmod(0o755)
  result = subprocess.run(
    [
      *('bash', 'launch/tpu_vm.sh', '--project=p', '--zone=z'),
      '--bucket=gs://b',
    ],
    cwd=tmp_path,
    env=os.environ | {'PATH': f'{tmp_path}/bin:{os.environ["PATH"]}'},
    capture_output=True,
    text=True,
    check=False,
  )
  assert result.returncode == 0, result.stderr
  calls = (tmp_path / 'calls').read_text()
  assert calls.count(' create ') == calls.count(' delete ') == 2
  assert calls.count('launch/local.sh') == 2
  assert 'storage rsync --recursive gs://b/' in calls
  assert not (tmp_path / 'machine').exists()
  assert 'trained' in (tmp_path / 'runs' / f'{_NAME}.log').read_text()


_GKE = ('--cluster=c', '--location=us-east5-b', '--project=p')


def test_gke_dry_run():
  found = _shown('launch/gke.sh', *_GKE, '--bucket=gs://b/')
  assert found == [
    'mkdir -p context/study',
    'cp -R LICENSE README.md configs empathy launch setup.py context/study',
    'gcluster job submit --project p --cluster c --location us-east5-b --name '
    'empathy-mixed-signal-4000357 --compute-type v5litepod-8 --base-image '
    'python:3.12 --build-context context --restarts 20 '
    '--restart-on-exit-codes 1,134,137,143 --grace-period 2m '
    '--await-job-completion --command cd /study; EXTRA=tpu '
    'INDEX=${JOB_COMPLETION_INDEX:-0} exec env CONFIG=configs/mixed_signals.py '
    f'WORKDIR=gs://b/{_NAME} bash launch/local.sh --distributed',
    f'mkdir -p runs/{_NAME}',
    f'gcloud storage rsync --recursive gs://b/{_NAME} runs/{_NAME}',
    f'The report: {ROOT}/runs/{_NAME}/study/report.html',
  ]


def test_gke_takes_a_corpus_and_a_gpu(tmp_path):
  (tmp_path / 'mine' / 'features').mkdir(parents=True)
  found = _shown(
    ROOT / 'launch/gke.sh',
    *(*_GKE, '--bucket=gs://b', '--corpus=mine', '--compute=l4-1'),
    '--service_account=reader',
    cwd=tmp_path,
  )
  assert found[0] == (
    f'gcloud storage rsync --recursive {tmp_path}/mine gs://b/corpora/mine'
  )
  (job,) = (line for line in found if line.startswith('gcluster'))
  assert ' --service-account reader ' in job
  script = job.partition(' --command ')[2]
  assert script == (
    'cd /study; EXTRA=cuda INDEX=${JOB_COMPLETION_INDEX:-0} exec env '
    'CONFIG=configs/mixed_signals.py WORKDIR=gs://b/mixed_signals-mine bash '
    'launch/local.sh gs://b/corpora/mine'
  )


def test_slurm_dry_run():
  found = _shown('launch/slurm.sbatch')
  assert [line for line in found if '-m venv' not in line] == [
    '.venv/bin/python -m pip install --quiet --editable .[cuda]',
    '.venv/bin/python -m empathy.prepare --importer=simulated '
    '--output=runs/simulated',
    'srun --kill-on-bad-exit=1 --cpus-per-task=8 .venv/bin/python -m '
    'empathy.train --distributed --config=configs/mixed_signals.py '
    '--config.corpus=runs/simulated '
    f'--workdir=runs/{_NAME}',
    f'.venv/bin/python -m empathy.evaluate --workdir=runs/{_NAME}',
    f'The report: {ROOT}/runs/{_NAME}/study/report.html',
  ]
  text = (ROOT / 'launch/slurm.sbatch').read_text()
  for option in ('requeue', 'signal=B:TERM@120', 'open-mode=append'):
    assert f'\n#SBATCH --{option}\n' in text


def test_skypilot_dry_run(tmp_path):
  (tmp_path / 'mine' / 'features').mkdir(parents=True)
  found = _shown(
    ROOT / 'launch/skypilot.sh',
    *('--bucket=s3://b', '--corpus=mine', '--infra=k8s', '--on_demand'),
    cwd=tmp_path,
  )
  assert found == [
    f'aws s3 sync --no-progress {tmp_path}/mine s3://b/corpora/mine',
    'sky jobs launch --yes --infra k8s --no-use-spot --name '
    'empathy-mixed-signals-mine --env STUDY=CONFIG=configs/mixed_signals.py '
    'WORKDIR=s3://b/mixed_signals-mine bash launch/local.sh '
    's3://b/corpora/mine launch/skypilot.yaml',
    'mkdir -p runs/mixed_signals-mine',
    'aws s3 sync --no-progress s3://b/mixed_signals-mine '
    'runs/mixed_signals-mine',
    f'The report: {ROOT}/runs/mixed_signals-mine/study/report.html',
  ]


def test_the_job_of_skypilot_asks_for_what_the_script_gives():
  job = yaml.safe_load((ROOT / 'launch/skypilot.yaml').read_text())
  assert set(job['envs']) == {'EXTRA', 'STUDY'}
  assert job['resources']['use_spot'] is True
  assert job['resources']['job_recovery']['recover_on_exit_codes'] == [143]
  for part in ('setup', 'run'):
    result = subprocess.run(
      ['bash', '-n'], input=job[part], text=True, check=False
    )
    assert result.returncode == 0


_VARIANTS = (
  ('configs/mixed_signals.py', 'mixed_signals-mine'),
  ('configs/mixed_signals.py:concat', 'mixed_signals-concat-mine'),
  ('there/x.py:my_fusion.Mine', 'x-my_fusion.Mine-mine'),
)


@pytest.mark.parametrize(
  ('script', 'flags'),
  [
    ('local.sh', None),
    ('slurm.sbatch', None),
    ('skypilot.sh', ('--bucket=gs://b',)),
    ('tpu_vm.sh', ('--project=p', '--zone=z', '--bucket=gs://b')),
    ('gke.sh', (*_GKE, '--bucket=gs://b')),
  ],
)
def test_variants_of_a_config_have_folders_of_their_own(
  script, flags, tmp_path
):
  corpus = tmp_path / 'mine'
  (corpus / 'features').mkdir(parents=True)
  machines = set()
  for config, name in _VARIANTS:
    if flags is None:
      found = _shown(f'launch/{script}', corpus, CONFIG=config)
      assert any(f'--workdir=runs/{name} ' in f'{line} ' for line in found)
    else:
      given = (*flags, f'--corpus={corpus}', f'--config={config}')
      found = _shown(f'launch/{script}', *given)
      # As Google and Kubernetes want names of machines.
      machine = name.lower().replace('_', '-').replace('.', '-')
      if script == 'gke.sh':
        (machine,) = re.findall('--name empathy-(\\S+) ', ' '.join(found))
        assert len(f'empathy-{machine}') <= 28
        machines.add(machine)
      for text in (f'gs://b/{name}', f'runs/{name}', f'empathy-{machine}'):
        assert any(f' {text} ' in f'{line} ' for line in found), text
    asked = re.compile(f'(config|CONFIG)={re.escape(config)} ')
    assert any(asked.search(line) for line in found)
  assert script != 'gke.sh' or len(machines) == len(_VARIANTS)


def test_media_are_found_out_however_a_config_says_so(tmp_path):
  (tmp_path / 'mine' / 'features').mkdir(parents=True)
  for text, is_media in (
    ('def get_config():\n    c.features = {}\n', True),
    ('def get_config():\n  c.features=dict(a=1)\n', True),
    ('def get_config():\n  "Sets config.features = {}."\n', False),
    ('def get_config():\n  # c.features = {}\n  return c.features\n', False),
  ):
    (tmp_path / 'some.py').write_text(text)
    found = _shown(
      'launch/local.sh', tmp_path / 'mine', CONFIG=f'{tmp_path}/some.py:x'
    )
    assert any('empathy.finetune' in line for line in found) == is_media
    assert any('.[media]' in line for line in found) == is_media


@pytest.mark.parametrize(
  ('script', 'arguments', 'says'),
  [
    ('tpu_vm.sh', ('--project=p', '--zone=z'), '--bucket'),
    ('tpu_vm.sh', ('--speed=all',), '--speed=all'),
    ('slurm.sbatch', ('nowhere',), 'nowhere'),
    ('slurm.sbatch', ('--nodes=2',), '--nodes=2'),
    ('gke.sh', _GKE, '--bucket'),
    ('gke.sh', (*_GKE, '--bucket=s3://b'), '--bucket=s3://b'),
    ('skypilot.sh', (), '--bucket'),
    ('skypilot.sh', ('--bucket=b',), '--bucket=b'),
  ],
)
def test_launchers_refuse_what_they_do_not_know(script, arguments, says):
  result = _bash(f'launch/{script}', *arguments)
  assert result.returncode == 2
  assert says in result.stderr
  assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize('script', SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_clean(script):
  if shutil.which('shellcheck') is None:
    pytest.skip('shellcheck is not installed')
  result = subprocess.run(
    ['shellcheck', '-x', script],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=False,
  )
  assert result.returncode == 0, result.stdout


def test_every_config_is_whole():
  from empathy.training import configuration

  names = set()
  for path in sorted((ROOT / 'configs').glob('*.py')):
    space = {}
    exec(compile(path.read_text(), path, 'exec'), space)
    config = space['get_config']()
    config.corpus = 'CORPUS'
    configuration.check(config)
    assert f'--config=configs/{path.name}' in space['__doc__']
    names.add(path.name)
  assert {'mixed_signals.py', 'ravdess.py'} <= names
