"""The programs that the benches measure: optimised, static, and installed.

Installed, that is copied: as cargo install and a package would. What the linker has just written lies in the page cache in
single pages, what was copied or read from the disk in larger pieces, and those are mapped faster: 0.2 ms of a start. The
peers' programs are of the second kind.
"""

import os
import shutil
import subprocess
from pathlib import Path

HOUSE = Path(__file__).resolve().parent.parent


def installed(folder, *packages):
    """Builds these packages, and puts their programs into the folder. BENCH_BUILT=1: doesn't build them anew."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", HOUSE / "target"))
    host = next(line.split()[1] for line in subprocess.run(
        ["rustc", "-vV"], check=True, capture_output=True, text=True).stdout.splitlines() if line.startswith("host:"))
    if "BENCH_BUILT" not in os.environ:
        words = [word for package in packages for word in ("-p", package)]
        subprocess.run(["cargo", "static", "-q", *words], check=True, cwd=HOUSE)
    for package in packages:
        shutil.copy(target / host / "release" / package, folder)
    return Path(folder)


def compiled(folder, name):
    """A floor in C, static."""
    program = Path(folder, name)
    subprocess.run(["cc", "-O2", "-static", "-o", program, HOUSE / f"benches/{name}.c"], check=True)
    return program
