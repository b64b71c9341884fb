#!/usr/bin/env python3
"""Bound computations alone beside the recorded ones of auto_LiRPA, on the same boxes: a Markdown table on standard output.

    cargo build --release -p engine --example bounds
    bench/bounds.py target/release/examples/bounds ../shared [--runs 31] [--only mnist1,oval1,res1]

The second argument is the shared data folder: boxes and their bounds are in `data/peers/bounds`, their times in `facts/peers.md`
(one thread for single inputs; for batches only two threads are recorded, whose CPU time is up to twice that of one, so both are shown
with their number of threads). Ours are medians of CPU time of one thread: bounds of neurons in the precision named, rows of
the objective in f64 with all rounding paid. Their binary32 bounds are not rounded outward. Margins are the lowest of the nine rows, mean over the
inputs. `share` is what the matrix products of CROWN reach of this machine's peak over the whole time of the method.
"""

import argparse
import re
import subprocess
from pathlib import Path


def recorded(facts):
    """CPU ms by (case, method, dtype): of one thread where that was measured, else of two; and the number of threads."""
    times, threads = {}, 0
    for line in facts.read_text().splitlines():
        threads = {"### One thread": 1, "### Two threads": 2}.get(line, threads)
        cells = [c.strip() for c in line.strip("|").split("|")]
        if len(cells) == 9 and "/" in cells[2]:
            method, mode, dtype = (c.strip() for c in cells[2].split("/"))
            if mode == "patches":
                times.setdefault((cells[0], method, dtype.replace("float", "f")), (float(cells[3]), threads))
    return times


def measured(example, data, arguments):
    """The peaks in GFLOP/s by type, and rows as dictionaries."""
    command = [example, str(data / "data/peers"), "--runs", str(arguments.runs)]
    command += ["--only", arguments.only] if arguments.only else []
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    peaks = dict(zip(("f32", "f64"), re.findall(r"[\d.]+ ", lines[0].replace("f32", "").replace("f64", "") + " ")))
    keys = ("ms", "margin", "theirs", "gflop", "share")
    rows = []
    for words in (line.split() for line in lines[1:]):
        row = dict(zip(("case", "ours", "method", "precision"), words))
        rows.append(row | {k: float(words[words.index(k, 4) + 1]) for k in keys})
    return peaks, rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("example")
    parser.add_argument("shared", type=Path)
    parser.add_argument("--runs", type=int, default=31)
    parser.add_argument("--only")
    arguments = parser.parse_args()
    theirs = recorded(arguments.shared / "facts/peers.md")
    peaks, rows = measured(arguments.example, arguments.shared, arguments)
    print(f"Peak of matrix products, one core: {peaks['f32'].strip()} GFLOP/s in f32, {peaks['f64'].strip()} in f64.\n")
    print("| case | method | precision | ours, ms | theirs, ms (threads) | times faster | margin | theirs | GFLOP | share of peak |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        known = theirs.get((row["case"], row["method"], row["precision"]))
        their_ms, ratio = (f"{known[0]:.2f} ({known[1]})", f"{known[0] / row['ms']:.1f}") if known else ("-", "-")
        share = f"{row['gflop']:.3f} | {100 * row['share']:.0f} %" if row["gflop"] else "- | -"
        print(
            f"| {row['case']} | {row['method']} | {row['precision']} | {row['ms']:.2f} | {their_ms} | {ratio} "
            f"| {row['margin']:.6g} | {row['theirs']:.6g} | {share} |"
        )


if __name__ == "__main__":
    main()
