"""Checks the sizes of the functions that were just built against their limits.

A cold start loads the whole function, so every cold start pays for its size. `sizes.json` has the accepted size of each
function. If a function grows by more than 5 %, review it, and accept its new size (`tests/e2e/run --accept`).
"""

import io
import shutil
import subprocess
import zipfile

from accepted import Accepted
from aws import CARGO, FUNCTIONS, HOME, architecture
from checks import check, report

GROWTH = 1.05
# Absolute limits for arm64, the default of the template, and for x86_64, which is larger. --accept does not lift them.
MAX_BYTES = {"arm64": 3_000_000, "x86_64": 3 * 1024 * 1024}
# The functions of the bot contain all time zones and the tables that compare texts in any language: their documents need
# both. No caller waits for them to start: the platform gives a webhook 5 s, and the responder consumes a queue.
MAX_BYTES_WITH_BOTS = 5 * 1024 * 1024
BOTS = ["bot", "responder"]
# Of arm64 only the largest two are built, to keep the run short: the order by size is the same on both architectures.
LARGEST = ["chain-link", "dialer"]


def zipped(bootstrap):
    """Size in bytes of the deployed archive: the function only, deflated as by the SAM CLI."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.write(bootstrap, "bootstrap")
    return len(archive.getvalue())


def maximum(architecture, name):
    return MAX_BYTES_WITH_BOTS if name in BOTS else MAX_BYTES[architecture]


def compare(architecture, folder, names):
    sizes = Accepted("sizes.json", architecture, slack=GROWTH)
    for name in names:
        unzipped, size = (folder / name / "bootstrap").stat().st_size, zipped(folder / name / "bootstrap")
        limit = min(maximum(architecture, name), sizes.limit(name))
        report(f"{name:16} {unzipped / 1e6:.2f} MB, zipped {size / 1e6:.2f} MB of at most {limit / 1e6:.2f}",
             sizes.measure(name, size) and size <= maximum(architecture, name))
    sizes.finish()
    large = {name: size for name, size in sizes.measured.items() if size > maximum(architecture, name)}
    check(f"no function has more than {MAX_BYTES[architecture]:,} bytes, and none with bots more than "
          f"{MAX_BYTES_WITH_BOTS:,}", not large, large)


def check_sizes():
    print(f"\n== Sizes of the functions ({architecture()})")
    compare(architecture(), CARGO / "lambda", FUNCTIONS)


def check_arm64_sizes(aws):
    """Checks the default architecture of a deployment, if this machine has another one."""
    if architecture() == "arm64":
        return
    print("\n== Sizes of the functions (arm64)", flush=True)
    target = "aarch64-unknown-linux-gnu"
    if shutil.which("rustup") is None or subprocess.run(["rustup", "target", "add", target], check=False).returncode:
        print(f"   not measured: the Rust target {target} is not installed and cannot be", flush=True)
        return
    folder = HOME / "arm64"
    # Together they enable the features of all functions, so they are the same as after `sam build`.
    packages = [word for name in LARGEST for word in ("--package", name)]
    aws.run("cargo", "lambda", "build", "--release", "--arm64", "--lambda-dir", folder, *packages)
    compare("arm64", folder, LARGEST)
