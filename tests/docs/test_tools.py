"""What people work with: the hooks that look at a commit, and the kernel that opens the notebooks."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import start_new_kernel
from ruamel.yaml import YAML

from semdf.pipeline import ROOT

CONFIGURATION = ROOT / ".pre-commit-config.yaml"
REPOSITORIES = YAML(typ="safe").load(CONFIGURATION)["repos"]
HOOKS = {hook["id"]: hook for repository in REPOSITORIES for hook in repository["hooks"]}
SCRIPTS = Path(sys.executable).parent


def run(words: list[str], **options) -> subprocess.CompletedProcess:
    return subprocess.run([str(SCRIPTS / words[0]), *words[1:]], capture_output=True, text=True, **options)


def test_hooks_are_local_and_need_no_network():
    assert {repository["repo"] for repository in REPOSITORIES} == {"local"}
    assert {hook["language"] for hook in HOOKS.values()} == {"system"}
    assert {"nbstripout", "ruff", "ruff-format"} == set(HOOKS)
    done = run(["pre-commit", "validate-config", str(CONFIGURATION)])
    assert done.returncode == 0, done.stdout


def test_the_notebook_hook_leaves_the_sources_as_they_are(tmp_path):
    sources = sorted((ROOT / "notebooks").glob("*.ipynb"))
    copies = [shutil.copyfile(path, tmp_path / path.name) for path in sources]
    done = run([*shlex.split(HOOKS["nbstripout"]["entry"]), *map(str, copies)])
    assert done.returncode == 0, done.stderr
    changed = [a.name for a, b in zip(sources, copies, strict=True) if a.read_bytes() != b.read_bytes()]
    assert not changed


@pytest.mark.parametrize("name", ["ruff", "ruff-format"])
def test_the_style_hooks_tell_good_code_from_bad(name, tmp_path):
    """On the whole tree `make lint` runs them."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for code, status in (('"""Good."""\n\nx = 1\n', 0), ('"""Bad."""\n\nimport os\nx=[ 1]\n', 1)):
        (tmp_path / "a.py").write_text(code)
        done = run([*shlex.split(HOOKS[name]["entry"]), "a.py"], cwd=tmp_path)
        assert done.returncode == status, done.stdout


def test_the_lab_is_there_and_its_kernel_is_this_python():
    assert run(["jupyter", "lab", "--version"]).stdout[:1].isdigit()
    assert Path(KernelSpecManager().get_kernel_spec("python3").argv[0]).name.startswith("python")
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(ROOT / "notebooks"), startup_timeout=120)
    try:
        said = []
        client.execute_interactive(
            "import sys, semdf.pipeline; print(sys.prefix, semdf.pipeline.ROOT, sep='\\n')",
            timeout=120,
            output_hook=lambda m: said.append(m["content"].get("text", "")),
        )
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert "".join(said).split() == [sys.prefix, str(ROOT)]
