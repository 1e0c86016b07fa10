from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from models.cli.main import app
from models.shipped import WEIGHTS


def test_only_networks_of_one_kind_are_averaged(tmp_path: Path) -> None:
    (tmp_path / "cut.onnx").write_bytes(WEIGHTS.read_bytes()[:1000])
    (tmp_path / "empty.onnx").touch()
    others = ("cut.onnx", "empty.onnx", "none.onnx", str(WEIGHTS.with_name("second_look.onnx")))
    for other in others:
        to = tmp_path / "to.onnx"
        ended = CliRunner().invoke(app, ["blend", str(WEIGHTS), str(tmp_path / other), str(to)])
        assert (ended.exit_code, type(ended.exception)) == (2, SystemExit), other
        assert not to.exists()
