"""The GitHub action and the pre-commit hook, run as their hosts would run them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.data import digit_folders
from tests.support.paths import ROOT, SAMPLE

BIN = Path(sys.executable).parent
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
(HOOK,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("GIT", "PRE_COMMIT"))} | {
    "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    "GIT_CONFIG_GLOBAL": os.devnull,
}

needs_command = pytest.mark.skipif(not (BIN / "labelaudit").exists(), reason="needs labelaudit to be installed")


def call(*command: object, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command], cwd=folder, env=ENVIRONMENT | variables, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def checked_out(tmp_path_factory) -> Path:
    """A folder with a dataset of two digits and its baseline."""
    folder = tmp_path_factory.mktemp("repository")
    digit_folders(folder / "data", "01", 40)
    made = call("labelaudit", "baseline", "data", "--model", "lr", "-q", folder=folder)
    assert made.returncode == 0, made.stderr
    return folder


@pytest.fixture
def repository(checked_out, tmp_path) -> Path:
    return shutil.copytree(checked_out, tmp_path / "repository")


def add_wrong_label(repository: Path, name: str) -> None:
    shutil.copy(sorted((SAMPLE / "test" / "1").iterdir())[0], repository / "data" / "0" / name)


def test_action_and_hook_are_valid():
    valid = call(
        sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-actions", "action.yml", folder=ROOT
    )
    assert valid.returncode == 0, valid.stdout
    valid = call(sys.executable, "-m", "pre_commit", "validate-manifest", ".pre-commit-hooks.yaml", folder=ROOT)
    assert valid.returncode == 0, valid.stdout


def test_action_puts_no_text_into_scripts():
    used = set()
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
        used |= set(re.findall(r"\${{ inputs\.([a-z-]+) }}", json.dumps(step)))
    assert used == set(ACTION["inputs"])
    for output in ACTION["outputs"].values():
        assert re.fullmatch(r"\${{ steps\.check\.outputs\.[a-z]+ }}", output["value"])


def run_action(repository: Path, **inputs: str) -> tuple[subprocess.CompletedProcess[str], dict[str, str], str]:
    """The action's check as the runner runs it; returns its outputs and summary, too."""
    (step,) = (step for step in ACTION["runs"]["steps"] if step.get("id") == "check")
    given = {
        name: inputs.pop(name.replace("-", "_"), value.get("default", "")) for name, value in ACTION["inputs"].items()
    }
    assert not inputs
    variables = {
        name: given[re.fullmatch(r"\${{ inputs\.([a-z-]+) }}", value)[1]] for name, value in step["env"].items()
    }
    files = {name: repository.parent / name.lower() for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    script = repository.parent / "script.sh"
    script.write_text(step["run"])
    for file in files.values():
        file.write_text("")
    done = call(
        "bash",
        "--noprofile",
        "--norc",
        "-eo",
        "pipefail",
        script,
        folder=repository,
        **variables,
        **{name: str(file) for name, file in files.items()},
    )
    text = files["GITHUB_OUTPUT"].read_text()
    outputs = dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))
    outputs |= {
        name: value for name, _, value in re.findall(r"^(\w+)<<(\w+)\n(.*?)\n\2$", text, re.MULTILINE | re.DOTALL)
    }
    return done, outputs, files["GITHUB_STEP_SUMMARY"].read_text()


@needs_command
def test_action_passes(repository):
    done, outputs, summary = run_action(repository, source="data")
    assert done.returncode == 0, done.stderr
    assert outputs == {"verdict": "passed", "suspects": "0"}
    assert done.stdout == (
        "::notice title=labelaudit check passed::data against labelaudit-baseline: 80 rows, 80 unchanged, 0 added, "
        "0 changed, 0 relabelled, 0 removed\n"
    )
    assert summary.startswith("### ✅ labelaudit check passed\n")


@needs_command
def test_action_fails_on_a_new_wrong_label(repository):
    add_wrong_label(repository, "wrong, new.png")
    done, outputs, summary = run_action(repository, source="data", sarif="out/check.sarif")
    assert done.returncode == 1, done.stderr
    assert outputs == {"verdict": "failed", "suspects": "1", "sarif": "out/check.sarif"}
    assert done.stdout.splitlines()[0] == "::error title=labelaudit check failed::1 new suspect, 0 allowed"
    assert done.stdout.splitlines()[1].startswith(
        "::error file=data/0/wrong%2C new.png,title=Suspect label 0::0/wrong, new.png: labelled 0, more probably 1 ("
    )
    assert "#### 1 new suspect (score above" in summary
    (result,) = json.loads((repository / "out" / "check.sarif").read_text())["runs"][0]["results"]
    assert result["level"] == "error"
    assert result["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "data/0/wrong%2C%20new.png"}

    (repository / "fine.txt").write_text("0/wrong, new.png\n")
    done, outputs, _ = run_action(
        repository,
        source="data",
        accepted="fine.txt",
        max_new_suspects="0",
        max_new_share="0.5",
        fail_on_relabelled="true",
    )
    assert (done.returncode, outputs) == (0, {"verdict": "passed", "suspects": "0"})


@needs_command
@pytest.mark.parametrize(
    "inputs",
    [
        {"source": "$(touch pwned) `touch pwned` \"; touch pwned; \" 'touch pwned' no such\nfolder"},
        {"source": "--help"},
        {"source": "data", "baseline": '$(touch pwned)" || touch pwned || "'},
    ],
)
def test_action_takes_inputs_for_what_they_are(repository, inputs):
    before = sorted(path.name for path in repository.iterdir())
    done, outputs, _ = run_action(repository, **inputs)
    assert (done.returncode, outputs) == (2, {"verdict": "error"})
    assert "does not exist" in done.stderr
    assert sorted(path.name for path in repository.iterdir()) == before


@needs_command
def test_hook(repository, tmp_path):
    assert {name: HOOK[name] for name in ("language", "pass_filenames")} == {
        "language": "python",
        "pass_filenames": False,
    }
    hook = HOOK | {"language": "system", "args": ["data", "--baseline", "labelaudit-baseline"]}
    del hook["minimum_pre_commit_version"]  # of manifests only
    config = {"repos": [{"repo": "local", "hooks": [hook]}]}
    (repository / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    home = {"PRE_COMMIT_HOME": str(tmp_path / "home")}

    def commit():
        call("git", "add", "data", ".pre-commit-config.yaml", folder=repository)
        author = ("-c", "user.name=A", "-c", "user.email=a@example.com")
        return call("git", *author, "commit", "-m", "data", folder=repository, **home)

    call("git", "init", "-q", folder=repository)
    installed = call(sys.executable, "-m", "pre_commit", "install", folder=repository, **home)
    assert installed.returncode == 0, installed.stderr
    fine = commit()
    assert fine.returncode == 0, fine.stderr
    assert "labelaudit check passed" in fine.stderr
    add_wrong_label(repository, "wrong.png")
    refused = commit()
    assert refused.returncode == 1
    assert re.search(r"1\.000 +0 +1 +added +0/wrong\.png", refused.stderr)
