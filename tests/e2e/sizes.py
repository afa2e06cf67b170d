"""How large the functions are that were just built, against what they may be.

A cold start loads the whole function, so its size is paid in every one. `sizes.json` has the size of each as it was when
it was last accepted: what grows by more than 5 % has to be looked at, and written there.
"""

import io
import json
import zipfile

from aws import CARGO, FUNCTIONS, ROOT
from checks import check

MOST_BYTES = 3 * 1024 * 1024
# Templates, YAML and the documents' types weigh 0.9 MB in the one function that needs them.
LARGER = {"chain-link": 4 * 1024 * 1024}
GROWTH = 1.05
ACCEPTED = ROOT / "tests/e2e/sizes.json"


def zipped(name):
    """Bytes of what is deployed: the function alone in an archive, deflated as the SAM CLI does."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.write(CARGO / "lambda" / name / "bootstrap", "bootstrap")
    return len(archive.getvalue())


def check_sizes():
    print("\n== The functions are small")
    accepted = json.loads(ACCEPTED.read_text(encoding="utf-8"))
    sizes = {name: zipped(name) for name in FUNCTIONS}
    for name, size in sizes.items():
        most = min(LARGER.get(name, MOST_BYTES), accepted.get(name, 0) * GROWTH)
        whole = (CARGO / "lambda" / name / "bootstrap").stat().st_size
        check(f"{name:16} {whole / 1e6:.2f} MB, zipped {size / 1e6:.2f} MB of at most {most / 1e6:.2f}", size <= most,
              {"tests/e2e/sizes.json would be": sizes})
