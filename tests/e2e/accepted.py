"""Accepted measurements of each function, as the baseline of its limits.

They are stored in `sizes.json` and `counts.json`, by architecture. A measurement over its limit fails the run, which
then prints the new content of the file; `tests/e2e/run --accept` writes it.
"""

import json

from aws import ROOT
from checks import check

# Set by --accept: every measurement is accepted.
options = {"accept": False}


class Accepted:
    """One table of a file: a figure for each function. A figure may exceed its baseline by the factor `slack`."""

    def __init__(self, file, *keys, slack):
        self.path, self.keys, self.slack = ROOT / "tests/e2e" / file, keys, slack
        self.figures, self.measured = self.table(self.document()), {}

    def document(self):
        return json.loads(self.path.read_text(encoding="utf-8")) if self.path.exists() else {}

    def table(self, document):
        for key in self.keys:
            document = document.setdefault(key, {})
        return document

    def limit(self, name):
        """Limit of `name`; 0 if nothing has been accepted yet."""
        return self.figures.get(name, 0) * self.slack

    def measure(self, name, figure):
        """Records a figure. Returns whether it is within its limit; if not, `finish` fails."""
        self.measured[name] = figure
        return options["accept"] or figure <= self.limit(name)

    def finish(self):
        if options["accept"]:
            document = self.document()
            self.table(document).update(self.measured)
            self.path.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", encoding="utf-8")
            return
        over = [name for name, figure in self.measured.items() if figure > self.limit(name)]
        where = f"tests/e2e/{self.path.name}, {', '.join(self.keys)}"
        check(f"no function has grown by more than {self.slack - 1:.0%} over its accepted {self.keys[-1]}", not over,
              {"grown": over, f"accept with --accept, or edit {where}": self.measured})
