"""The command line that comes with the wheel."""

import json
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import ironbound
from conftest import absolute

PROGRAM = Path(sys.executable).with_name("ironbound")


def run(*arguments, **options):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, **options)


def files(folder):
    (folder / "network.onnx").write_bytes(absolute())
    (folder / "holds.vnnlib").write_text(ironbound.to_vnnlib([(-1, 1)], [[-0.51, 0.51]], 1, 1))
    (folder / "fails.vnnlib").write_text(ironbound.to_vnnlib([(-1, 1)], [[-0.5, 0.25]], 1, 1))


def test_it_is_on_the_path():
    assert PROGRAM.exists() and run("--version").stdout.strip() == ironbound.__version__
    assert shutil.which("ironbound", path=PROGRAM.parent)


def test_it_verifies_with_the_exit_codes_of_the_program(tmp_path):
    files(tmp_path)
    holds = run("verify", tmp_path / "network.onnx", tmp_path / "holds.vnnlib")
    assert (holds.returncode, holds.stdout.split()[0]) == (0, "unsat")
    fails = run("verify", tmp_path / "network.onnx", tmp_path / "fails.vnnlib", "--json")
    assert fails.returncode == 1 and json.loads(fails.stdout)["verdict"] == "sat"
    error = run("verify", tmp_path / "none.onnx", tmp_path / "holds.vnnlib")
    assert (error.returncode, error.stdout) == (3, "") and "none.onnx" in error.stderr
    assert run("--help").returncode == 0 and run("nonsense").returncode == 3


def test_bench_starts_itself_again(tmp_path):
    files(tmp_path)
    (tmp_path / "instances.csv").write_text("network.onnx,holds.vnnlib,20\nnetwork.onnx,fails.vnnlib,20\n")
    done = run("bench", tmp_path / "instances.csv", "--out", tmp_path / "results.jsonl")
    assert done.returncode == 0, done.stderr
    results = [json.loads(line)["result"] for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert sorted(results) == ["sat", "unsat"]


def test_it_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "ironbound", "--name"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "ironbound\n")


def test_the_licences_are_in_the_wheel_and_the_metadata_say_what_it_is():
    about = metadata.distribution("ironbound")
    names = {Path(str(file)).name for file in about.files if "dist-info" in str(file)}
    assert {"LICENSE-MIT", "LICENSE-APACHE"} <= names
    for name, words in [("LICENSE-MIT", "Permission is hereby granted"), ("LICENSE-APACHE", "Apache License")]:
        (file,) = [file for file in about.files if Path(str(file)).name == name]
        assert words in file.read_text()
    assert about.metadata["License-Expression"] == "MIT OR Apache-2.0" and about.metadata["Summary"]
    assert {"torch", "onnx", "plot", "progress", "table", "ray"} == set(about.metadata.get_all("Provides-Extra"))
    assert [line for line in about.requires if "extra" not in line] == ["numpy>=1.24"]
