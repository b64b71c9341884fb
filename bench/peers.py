#!/usr/bin/env python3
"""CPU seconds of Ironbound beside the recorded ones of its peers, on the same instances.

    bench/peers.py IRONBOUND PEERS_FOLDER [--only acas] [--runs 5]

PEERS_FOLDER holds `figures.csv` (instance, tool, cores, result, cpu_s, ...) and `instances/`. Every instance is run
`--runs` times on one thread; the median of user plus system time of the whole process counts. A peer that did not solve
an instance counts with the CPU time it was given, so its ratio is a lower bound (marked >).
"""

import argparse
import csv
import math
import os
import resource
import statistics
import subprocess
from pathlib import Path


def measure(command):
    """The first word printed and the CPU seconds of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    out = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return out.split("\n", 1)[0], after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ironbound")
    parser.add_argument("peers", type=Path)
    parser.add_argument("--only", default="acas")
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    rows = [r for r in csv.DictReader(open(args.peers / "figures.csv")) if r["instance"].startswith(args.only) and r["cores"] == "1"]
    tools = ["nnenum", "abcrown", "abcrown-cpu", "marabou", "neuralsat"]
    logs = {t: [] for t in tools}
    print(f"{'instance':16} {'answer':7} {'cpu s':>8} " + " ".join(f"{t:>12}" for t in tools))
    for name in dict.fromkeys(r["instance"] for r in rows):
        mine = [r for r in rows if r["instance"] == name]
        onnx, vnnlib = (args.peers / mine[0][k] for k in ("onnx", "vnnlib"))
        command = [args.ironbound, "verify", os.fspath(onnx), os.fspath(vnnlib), "--threads", "1", "--timeout", mine[0]["timeout_s"]]
        results = [measure(command) for _ in range(args.runs)]
        own = max(statistics.median(cpu for _, cpu in results), 1e-3)
        cells = []
        for tool in tools:
            row = next((r for r in mine if r["tool"] == tool and r["cpu_s"]), None)
            # Time spent without an answer is no figure.
            if row is None or results[0][0] not in ("sat", "unsat"):
                cells.append("-")
                continue
            solved = row["result"] in ("sat", "unsat")
            logs[tool].append(math.log(float(row["cpu_s"]) / own))
            cells.append(f"{'' if solved else '>'}{float(row['cpu_s']) / own:.0f}x")
        print(f"{name:16} {results[0][0]:7} {own:8.3f} " + " ".join(f"{c:>12}" for c in cells))
    means = {t: f"{math.exp(statistics.fmean(v)):.0f}x ({len(v)})" if v else "-" for t, v in logs.items()}
    print(f"{'geometric mean':33} " + " ".join(f"{means[t]:>12}" for t in tools))


if __name__ == "__main__":
    main()
