#!/usr/bin/env bash
# VNN-COMP: install_tool.sh v1. Builds the one binary; fetches a Rust toolchain where none is there.
set -euo pipefail
[ "${1:-}" = v1 ] || { echo "usage: install_tool.sh v1" >&2; exit 1; }

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if ! command -v cargo > /dev/null && [ ! -x "$HOME/.cargo/bin/cargo" ]; then
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal
fi
PATH="$HOME/.cargo/bin:$PATH"
cargo build --release --locked --manifest-path "$here/Cargo.toml"
"$here/target/release/ironbound" --version
