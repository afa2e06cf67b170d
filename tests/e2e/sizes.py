"""How large the functions are that were just built, against what they may be.

A cold start loads the whole function, so its size is paid in every one. `sizes.json` has the size of each as it was when
it was last accepted: what grows by more than 5 % has to be looked at, and written there (`tests/e2e/run --accept`).
"""

import io
import shutil
import subprocess
import zipfile

from accepted import Accepted
from aws import CARGO, FUNCTIONS, HOME, architecture
from checks import check, tell

GROWTH = 1.05
# Of an arm64 function, the template's default, and of the larger x86_64. No growth is accepted beyond it.
MOST_BYTES = {"arm64": 3_000_000, "x86_64": 3 * 1024 * 1024}
# Of arm64 only the largest are built, to keep the run short: the others come out in the same order.
LARGEST = ["chain-link", "dialer"]


def zipped(bootstrap):
    """Bytes of what is deployed: the function alone in an archive, deflated as the SAM CLI does."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.write(bootstrap, "bootstrap")
    return len(archive.getvalue())


def compare(architecture, folder, names):
    sizes = Accepted("sizes.json", architecture, slack=GROWTH)
    for name in names:
        whole, size = (folder / name / "bootstrap").stat().st_size, zipped(folder / name / "bootstrap")
        most = min(MOST_BYTES[architecture], sizes.most(name))
        tell(f"{name:16} {whole / 1e6:.2f} MB, zipped {size / 1e6:.2f} MB of at most {most / 1e6:.2f}",
             sizes.measure(name, size) and size <= MOST_BYTES[architecture])
    sizes.finish()
    large = {name: size for name, size in sizes.measured.items() if size > MOST_BYTES[architecture]}
    check(f"none has more than {MOST_BYTES[architecture]:,} bytes", not large, large)


def check_sizes():
    print(f"\n== The functions are small ({architecture()})")
    compare(architecture(), CARGO / "lambda", FUNCTIONS)


def check_arm64_sizes(aws):
    """What is deployed by default, on a machine that does not build it anyway."""
    if architecture() == "arm64":
        return
    print("\n== The functions are small (arm64)", flush=True)
    target = "aarch64-unknown-linux-gnu"
    if shutil.which("rustup") is None or subprocess.run(["rustup", "target", "add", target], check=False).returncode:
        print(f"   not measured: the Rust target {target} is not installed and cannot be", flush=True)
        return
    folder = HOME / "arm64"
    # Together they switch on the features of all ten, so they are what `sam build` makes.
    chosen = [word for name in LARGEST for word in ("--package", name)]
    aws.run("cargo", "lambda", "build", "--release", "--arm64", "--lambda-dir", folder, *chosen)
    compare("arm64", folder, LARGEST)
