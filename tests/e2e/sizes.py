"""Checks the sizes of the functions that were just built against their limits.

A cold start loads the whole function, so every cold start pays for its size. `sizes.json` has the accepted size of each
function. If a function grows by more than 5 %, review it, and accept its new size (`tests/e2e/run --accept`).
"""

import contextlib
import io
import pathlib
import shutil
import subprocess
import zipfile

from accepted import Accepted
from aws import CARGO, FUNCTIONS, HOME, architecture
from checks import check, report, stage

GROWTH = 1.05
# Absolute limits for arm64, the default of the template, and for x86_64, which is larger. --accept does not lift them.
MAX_BYTES = {"arm64": 3_000_000, "x86_64": 3 * 1024 * 1024}
# These contain all time zones, for hours in documents; those of the bot also the tables that compare texts in any language.
# No caller waits for them to start: the platform gives a webhook 5 s, and the others consume queues.
MAX_BYTES_WITH_ZONES = 5 * 1024 * 1024
WITH_ZONES = ["bot", "messenger", "responder"]
# Of arm64 only the largest two of the others are built, to keep the run short: the order by size is the same on both
# architectures.
LARGEST = ["chain-link", "dialer"]


def zipped(bootstrap):
    """Size in bytes of the deployed archive: the function only, deflated as by the SAM CLI."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.write(bootstrap, "bootstrap")
    return len(archive.getvalue())


def maximum(architecture, name):
    return MAX_BYTES_WITH_ZONES if name in WITH_ZONES else MAX_BYTES[architecture]


def compare(architecture, folder, names):
    sizes = Accepted("sizes.json", architecture, slack=GROWTH)
    for name in names:
        unzipped, size = (folder / name / "bootstrap").stat().st_size, zipped(folder / name / "bootstrap")
        limit = min(maximum(architecture, name), sizes.limit(name))
        report(f"{name:16} {unzipped / 1e6:.2f} MB, zipped {size / 1e6:.2f} MB of at most {limit / 1e6:.2f}",
             sizes.measure(name, size) and size <= maximum(architecture, name))
    sizes.finish()
    large = {name: size for name, size in sizes.measured.items() if size > maximum(architecture, name)}
    check(f"no function has more than {MAX_BYTES[architecture]:,} bytes, and none with time zones more than "
          f"{MAX_BYTES_WITH_ZONES:,}", not large, large)


def check_sizes():
    stage(f"Sizes of the functions ({architecture()})")
    compare(architecture(), CARGO / "lambda", FUNCTIONS)


@contextlib.contextmanager
def arm64_build(aws):
    """Builds the largest functions for arm64 while the `with` block runs. Yields a check of their sizes, which waits for
    the build."""
    target, folder, log = "aarch64-unknown-linux-gnu", HOME / "arm64", HOME / "arm64.log"
    if architecture() == "arm64":
        yield lambda: None
        return
    stage("Build of the largest functions for arm64, in the background of the following checks")
    if shutil.which("rustup") is None or subprocess.run(["rustup", "target", "add", target], check=False).returncode:
        yield lambda: print(f"\n== arm64 was not built: the Rust target {target} is not installed and cannot be", flush=True)
        return
    log.unlink(missing_ok=True)
    # Together they enable the features of all functions, so they are the same as after `sam build`.
    packages = [word for name in LARGEST for word in ("--package", name)]
    # With the lowest priority: the functions that run meanwhile must not wait for it.
    build = ("nice", "-n", "19", "cargo", "lambda", "build", "--release", "--arm64", "--lambda-dir", folder, *packages)
    with aws.start(log, *build) as running:
        # Where Linux shares the processor between sessions, the priority of a process counts only within its own.
        with contextlib.suppress(OSError):
            pathlib.Path(f"/proc/{running.process.pid}/autogroup").write_text("19", encoding="utf-8")

        def check_sizes_of_arm64():
            stage("Sizes of the functions (arm64)")
            running.wait()
            compare("arm64", folder, LARGEST)

        yield check_sizes_of_arm64
