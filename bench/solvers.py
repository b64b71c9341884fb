#!/usr/bin/env python3
"""Ironbound beside Bitwuzla and Boolector on exported queries of the AAAI 2021 benchmark: a Markdown table on standard output.

    bench/solvers.py IRONBOUND DATA [--limit SECONDS] [DATASET:ID:EPS ...]

DATA holds weights and images, as for `ironbound quantized --data`. Needs `pip install bitwuzla pyboolector`. Seconds are CPU time of
whole processes; the limit is CPU time as well.
"""

import argparse
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

QUERIES = ["mnist:1:1", "mnist:7:1", "fashion-mnist:1:1", "fashion-mnist:73:1", "mnist:104:2", "mnist:115:2", "mnist:119:2", "fashion-mnist:338:4"]

BITWUZLA = """
import sys, bitwuzla
manager, options = bitwuzla.TermManager(), bitwuzla.Options()
parser = bitwuzla.Parser(manager, options)
parser.parse(sys.argv[1], False, True)
print(str(parser.bitwuzla().check_sat()).lower().split(".")[-1])
"""
BOOLECTOR = """
import sys, pyboolector
solver = pyboolector.Boolector()
solver.Parse(sys.argv[1])
print({solver.SAT: "sat", solver.UNSAT: "unsat"}.get(solver.Sat(), "unknown"))
"""


def timed(command, folder, limit):
    """(standard output, CPU seconds) of a process, or (None, seconds) where it was ended by its limit."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ends = lambda: resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, preexec_fn=ends)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if done.returncode < 0 and seconds >= 0.9 * limit:
        return None, seconds
    if done.returncode not in (0, 1):
        sys.exit(f"{command}: {done.stderr or done.returncode}")
    return done.stdout, seconds


def cell(folder, program, text, limit, expected):
    """What a solver says about a query, and its seconds."""
    path = Path(folder, "solver.smt2")
    path.write_text(text)
    output, seconds = timed([sys.executable, "-c", program, str(path)], folder, limit)
    if output is None:
        return f"> {limit}"
    answer = output.split()[0] if output.split() else "no answer"
    if answer not in (expected, "unknown"):
        sys.exit(f"CONTRADICTION: {answer}, but expected {expected}")
    return f"{answer}, {seconds:.2f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ironbound", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--limit", type=int, default=60, metavar="SECONDS")
    parser.add_argument("queries", nargs="*", default=QUERIES, metavar="DATASET:ID:EPS")
    args = parser.parse_intermixed_args()
    print("| query | Ironbound | Bitwuzla | Boolector |\n|---|---|---|---|")
    for query in args.queries:
        dataset, sample, eps = query.split(":")
        ask = [args.ironbound.resolve(), "quantized", "--data", args.data.resolve(), "--dataset", dataset, "--sample-id", sample, "--eps", eps]
        with tempfile.TemporaryDirectory() as folder:
            output, seconds = timed(ask, folder, args.limit)
            verdict = output.split()[0]
            timed([*ask, "--export"], folder, args.limit)
            text = re.sub(r"\(check-sat\)|\(exit\)", "", next(Path(folder, "smt2").iterdir()).read_text())
            expected = {"robust": "unsat", "vulnerable": "sat"}[verdict]
            others = [cell(folder, program, text, args.limit, expected) for program in (BITWUZLA, BOOLECTOR)]
        print(f"| {dataset} {sample}, eps {eps} | {verdict}, {seconds:.2f} | {others[0]} | {others[1]} |", flush=True)


if __name__ == "__main__":
    main()
