"""What is not needed is not waited for: torch, and the datasets library."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.support.paths import SAMPLE

TRAIN, TEST, TRUTH = (str(SAMPLE / name) for name in ("train", "test", "truth.csv"))


def test_help_does_not_wait_for_torch():
    code = "import sys; from labelaudit.cli.app import app; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_not_hugging_faces_does_not_wait_for_its_library():
    code = """if True:
        import sys
        from labelaudit import check, load_dataset, scan
        from labelaudit.commands.apply import apply_decisions
        load_dataset(sys.argv[1])
        sys.exit("datasets" in sys.modules)
    """
    subprocess.run([sys.executable, "-c", code, TRAIN], check=True)


def test_wrong_names_do_not_wait_for_torch(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there.txt").write_text("")
    commands = {
        "scan nowhere": "error: nowhere does not exist",
        "scan there.txt": "error: there.txt is neither a folder of images nor a table",
        "scan there --resume --overwrite": "give one of them",
        "scan there --out there.txt": "is a file, not a folder",
        "scan there --momentum 2": "--momentum: input should be less than 1",
        "baseline nowhere": "error: nowhere does not exist",
        "flip-test there": "give either --rate",
        "flip-test there --rate 0.7": "--rate 0.7 is outside (0, 0.5]",
        "check nowhere": "error: nowhere does not exist",
        "check there --baseline gone": "--baseline: gone does not exist; make one with",
        "check there --baseline there": "--baseline: there holds no baseline; make one with",
        "apply gone --decisions d.csv --out o": "error: gone does not exist: give a report.parquet",
        "apply gone --decisions d.csv": "give --out for a corrected copy",
        "report there": "error: there/report.parquet does not exist",
        "reproduce table9": "there is no recipe 'table9'",
    }
    code = """if True:
        import json, sys
        from typer.testing import CliRunner
        from labelaudit.cli.app import app
        results = [CliRunner().invoke(app, command.split()) for command in json.load(sys.stdin)]
        print(json.dumps([[result.exit_code, result.stderr, "torch" in sys.modules] for result in results]))
    """
    done = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps([*commands]), cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for (command, message), (code, stderr, torch) in zip(commands.items(), json.loads(done.stdout), strict=True):
        assert (code, torch) == (2, False), command
        assert message in stderr, command
