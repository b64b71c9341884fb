"""What a call costs beside the engine's own work."""

import subprocess
import sys
import time

import ironbound
import numpy as np
from conftest import dense
from ironbound import y


def overhead(net, region, wish, calls):
    """Least time that a call took beside the engine's own, in seconds."""
    least = float("inf")
    for _ in range(calls):
        began = time.perf_counter()
        result = ironbound.verify(net, region, wish, threads=1)
        least = min(least, time.perf_counter() - began - result.engine_seconds)
    return least


def test_a_call_costs_less_than_a_millisecond_beside_the_engine():
    # The shape of the ACAS Xu networks.
    net = ironbound.Network(dense([5, 50, 50, 50, 50, 50, 50, 5])[0])
    region = [(0.1, 0.1001)] * 5
    assert overhead(net, region, y.argmin() != 0, 50) < 1e-3
    assert overhead(net, region, y[0] < 1e3, 50) < 1e-3


def test_a_thousand_queries_share_the_network():
    net = ironbound.Network(dense([64, 32, 10])[0])
    images = np.random.default_rng(0).uniform(0, 1, (1000, 64))
    began = time.perf_counter()
    table = ironbound.certify_dataset(net, images, np.argmax(net(images), axis=1), 0.001, workers=2)
    assert len(table) == 1000 and table.nominal == 1 and table.certified > 0.9
    # Some milliseconds per image on an idle core; machines of continuous integration are busy.
    assert time.perf_counter() - began < 120


def test_the_import_is_quick():
    program = "import numpy, time; t = time.process_time(); import ironbound; print(time.process_time() - t)"
    best = min(float(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout) for _ in range(5))
    # CPU time beside NumPy's own import (12 ms here): the wall clock of a busy machine says nothing.
    assert best < 0.05
