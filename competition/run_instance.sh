#!/usr/bin/env bash
# VNN-COMP: run_instance.sh v1 CATEGORY ONNX VNNLIB RESULT TIMEOUT.
# Writes sat (with the assignment), unsat, unknown, timeout or error to RESULT; exit code 0 whenever that file is written.
set -uo pipefail
[ "${1:-}" = v1 ] && [ $# -ge 6 ] || { echo "usage: run_instance.sh v1 CATEGORY ONNX VNNLIB RESULT TIMEOUT" >&2; exit 1; }
onnx=$3 vnnlib=$4 result=$5 limit=$6

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
ironbound=${IRONBOUND:-$here/target/release/ironbound}
memory=$(awk '/MemAvailable/ { print int(0.7 * $2) "K" }' /proc/meminfo 2> /dev/null)

# A list such as [('f','onnx/a.onnx'),('g','onnx/b.onnx')] names several networks.
networks=()
case "$onnx" in
    \[*) while read -r name && read -r file; do networks+=(--network "$name=$file"); done < <(grep -o "'[^']*'" <<< "$onnx" | tr -d "'") ;;
    *) networks=(--network "$onnx") ;;
esac

# Written first: whoever ends this script from outside finds what it means.
echo timeout > "$result" || exit 1
"$ironbound" verify "$vnnlib" "${networks[@]}" --timeout "$limit" --max-memory "${memory:-4G}" --words competition > "$result.part"
code=$?
[ "$code" -le 2 ] && [ -s "$result.part" ] || echo error > "$result.part"
mv "$result.part" "$result"
