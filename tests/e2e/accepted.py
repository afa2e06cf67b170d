"""Accepted figures: what a function had when somebody last looked at it, and how much more it may have now.

They are in `sizes.json` and `counts.json`, by architecture. What is over its limit fails the run, which then prints what
the file would be; `tests/e2e/run --accept` writes it.
"""

import json

from aws import ROOT
from checks import check

# Set by --accept: whatever is measured is accepted.
options = {"accept": False}


class Accepted:
    """One table of a file: functions, and a figure of each."""

    def __init__(self, file, *keys, slack):
        self.path, self.keys, self.slack = ROOT / "tests/e2e" / file, keys, slack
        self.figures, self.measured = self.table(self.document()), {}

    def document(self):
        return json.loads(self.path.read_text(encoding="utf-8")) if self.path.exists() else {}

    def table(self, document):
        for key in self.keys:
            document = document.setdefault(key, {})
        return document

    def most(self, name):
        """What `name` may have; nothing while nothing was accepted."""
        return self.figures.get(name, 0) * self.slack

    def measure(self, name, figure):
        """Whether it is within its limit; `finish` fails if it is not."""
        self.measured[name] = figure
        return options["accept"] or figure <= self.most(name)

    def finish(self):
        if options["accept"]:
            document = self.document()
            self.table(document).update(self.measured)
            self.path.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", encoding="utf-8")
            return
        over = [name for name, figure in self.measured.items() if figure > self.most(name)]
        where = f"tests/e2e/{self.path.name}, {', '.join(self.keys)}"
        check(f"none has grown by more than {self.slack - 1:.0%} since it was accepted ({self.keys[-1]})", not over,
              {"grown": over, f"accept it with --accept, or in {where}": self.measured})
