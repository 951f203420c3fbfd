#!/usr/bin/env bash
# A Raspberry Pi 4 with 64-bit Debian 12, as far as a program can see one, under QEMU's user emulation.
#
#     tests/emulated_pi.sh FOLDER WHEEL
#
# Makes FOLDER/python, the Pi's Python 3.11 with the wheel and what it depends on. Needs mmdebstrap,
# qemu-user-static and the network; neither root nor binfmt. Nothing timed under it means anything.
set -euo pipefail

folder=$(realpath -m "$1")
wheel=$(realpath "$2")
here=$(cd "$(dirname "$0")/.." && pwd)
pip=${PIP:-"$here/.venv/bin/python -m pip"}

for program in mmdebstrap qemu-aarch64-static; do
    command -v "$program" >/dev/null || { echo "emulated Pi: $program is not installed" >&2; exit 1; }
done
rm -rf "$folder"
mkdir -p "$folder/with"

packages=python3-minimal,libpython3.11-stdlib,libstdc++6,libgcc-s1,zlib1g,libbz2-1.0,liblzma5,libffi8
packages+=,libssl3,libsqlite3-0,libexpat1,libc-bin
mmdebstrap --quiet --variant=extract --architectures=arm64 --include="$packages" bookworm "$folder/tree"

# What XNNPACK asks the system about the processor: without it, it is silently left out.
mkdir -p "$folder/tree/sys/devices/system/cpu" "$folder/tree/proc"
echo 0-3 >"$folder/tree/sys/devices/system/cpu/possible"
echo 0-3 >"$folder/tree/sys/devices/system/cpu/present"
for core in 0 1 2 3; do
    printf 'processor\t: %d\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd evtstrm crc32 cpuid\n' "$core"
    printf 'CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd08\n'
    printf 'CPU revision\t: 3\n\n'
done >"$folder/tree/proc/cpuinfo"
printf 'Revision\t: c03115\nModel\t\t: Raspberry Pi 4 Model B Rev 1.5\n' >>"$folder/tree/proc/cpuinfo"

platforms=()
for minor in $(seq 17 36); do # Debian 12 has glibc 2.36
    platforms+=(--platform "manylinux_2_${minor}_aarch64")
done
$pip install --disable-pip-version-check --quiet --target "$folder/site" "${platforms[@]}" \
    --python-version 3.11 --implementation cp --only-binary=:all: -c "$here/constraints.txt" "$wheel"

# A program of the Pi cannot start another one without binfmt: what starts Python starts this.
cat >"$folder/python" <<SCRIPT
#!/bin/sh
unset LD_LIBRARY_PATH PYTHONPATH PYTHONHOME
exec env QEMU_CPU=cortex-a72 qemu-aarch64-static -L "$folder/tree" -E PYTHONHOME="$folder/tree/usr" \\
    -E PYTHONPATH="$folder/with:$folder/site" -E PYTHONSAFEPATH=1 \\
    "$folder/tree/usr/bin/python3.11" "\$@"
SCRIPT
chmod +x "$folder/python"
printf 'import sys\n\nsys.executable = "%s"\n' "$folder/python" >"$folder/with/sitecustomize.py"
"$folder/python" -c "import platform; print('emulated:', platform.machine(), platform.python_version())"
