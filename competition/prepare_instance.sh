#!/usr/bin/env bash
# VNN-COMP: prepare_instance.sh v1 CATEGORY ONNX VNNLIB. Nothing is prepared; the files and the binary must be there.
set -euo pipefail
[ "${1:-}" = v1 ] && [ $# -ge 4 ] || { echo "usage: prepare_instance.sh v1 CATEGORY ONNX VNNLIB" >&2; exit 1; }

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
"${IRONBOUND:-$here/target/release/ironbound}" --version > /dev/null
# A list such as [('f','onnx/a.onnx'),('g','onnx/b.onnx')] names several networks; the second of each pair is a file.
case "$3" in
    \[*) files=$(grep -o "'[^']*'" <<< "$3" | sed -n "n;s/^'//;s/'\$//;p") ;;
    *) files=$3 ;;
esac
while IFS= read -r file; do
    [ -r "$file" ] || { echo "prepare_instance.sh: $file cannot be read" >&2; exit 1; }
done <<< "$files"$'\n'"$4"
