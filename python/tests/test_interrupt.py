"""Ctrl-C ends a verification at once, with KeyboardInterrupt."""

import signal
import subprocess
import sys
import time

# What runs in the background may have been told to ignore Ctrl-C, and hands that on.
PROGRAM = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, {tests!r})
import ironbound
from test_verify import hard
net, box, wish = hard()
print("started", flush=True)
begun = time.monotonic()
try:
    ironbound.verify(net, box, wish, timeout=60, progress=False)
except KeyboardInterrupt:
    print(f"interrupted after {{time.monotonic() - begun:.1f}}", flush=True)
    result = ironbound.verify(net, [(0, 0)] * 12, wish)
    print(result.verdict)
"""


def test_ctrl_c_interrupts_and_the_interpreter_goes_on():
    import os

    program = PROGRAM.format(tests=os.path.dirname(__file__))
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "started\n"
    time.sleep(1.0)
    sent = time.monotonic()
    child.send_signal(signal.SIGINT)
    output, _ = child.communicate(timeout=30)
    assert "interrupted after" in output and output.endswith("holds\n"), output
    assert time.monotonic() - sent < 6
