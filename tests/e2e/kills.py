"""kill -9 of the functions' processes while they work: nothing is lost, nobody is dialled twice for one attempt."""

import itertools
import os
import pathlib
import random
import signal
import threading
import time

from aws import STACK, wait_for
from checks import check
from main_job import check_nothing_left, ticket
from provider import PRESSES_1, RINGS_OUT

TICKETS = 4
# So long it kills, and until it has killed so many: on a busy machine everything happens later.
KILLING_SECONDS, KILLS = 60, 10
# A killed message comes back after this, not after the minutes of the template.
VISIBILITY_SECONDS = 20


def processes(server):
    """The processes of functions below the stand-in's own: (id, function)."""
    parents, names = {}, {}
    for path in pathlib.Path("/proc").iterdir():
        if not path.name.isdigit():
            continue
        try:
            parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            environment = (path / "environ").read_bytes().decode(errors="replace").split("\0")
        except (OSError, ValueError):
            continue
        name = next((one.partition("=")[2] for one in environment if one.startswith("AWS_LAMBDA_FUNCTION_NAME=")), "")
        if name.startswith(f"{STACK}-"):
            names[int(path.name)] = name.removeprefix(f"{STACK}-")
    for process, name in names.items():
        ancestor = process
        while ancestor in parents and ancestor != server:
            ancestor = parents[ancestor]
        if ancestor == server:
            yield process, name


class Killer:
    """Kills functions of the stand-in, and counts whom."""

    def __init__(self, server):
        self.server, self.killed = server, {}
        self.end = time.monotonic() + KILLING_SECONDS

    def is_done(self):
        return time.monotonic() > self.end and sum(self.killed.values()) >= KILLS

    def kill(self, *functions):
        if self.is_done():
            return
        for process, name in processes(self.server):
            if name in functions:
                try:
                    os.kill(process, signal.SIGKILL)
                except ProcessLookupError:
                    continue
                self.killed[name] = self.killed.get(name, 0) + 1


def check_kills(aws, outputs, api, providers, requester):
    print(f"\n== {TICKETS} tickets, while functions are killed", flush=True)
    anna, ben = ("Anna", "+12025550105"), ("Ben", "+12025550106")
    providers[0].phones |= {anna[1]: RINGS_OUT, ben[1]: PRESSES_1}
    for queue in ("Dialing", "Notifications"):
        aws.client("sqs").set_queue_attributes(
            QueueUrl=outputs[f"{queue}QueueUrl"], Attributes={"VisibilityTimeout": str(VISIBILITY_SECONDS)})
    killer, before = Killer(aws.server.pid), [len(provider.orders) for provider in providers]
    orders, webhooks = itertools.count(), itertools.count()

    def on_order():
        # The phone rings, and the dialer dies before it knows.
        if next(orders) % 2 == 0:
            killer.kill("dialer")

    def on_webhook():
        # The requester knows, and the notifier dies before it has heard so.
        if next(webhooks) % 2 == 0:
            killer.kill("notifier")

    def on_event():
        # Some milliseconds into the work.
        if random.random() < 0.3:
            time.sleep(random.random() / 50)
            killer.kill("collect-event", "status-callback")

    def disturb():
        while not killer.is_done() and not accepted.is_set():
            time.sleep(random.random())
            killer.kill(random.choice(["dialer", "dispatches"]))

    for provider in providers:
        provider.on_order, provider.on_event = on_order, on_event
    requester.on_webhook = on_webhook
    accepted = threading.Event()
    disturbing = threading.Thread(target=disturb, daemon=True)
    disturbing.start()
    tickets = []
    for number in range(TICKETS):
        body = ticket(f"KILL-{number}", requester, anna, ben, attempts=2, max_rounds=None)
        # As a requester does: the same again until it is taken.
        created = wait_for("the ticket to be taken", lambda body=body, number=number: (
            answer := api("POST", "/v1/dispatches", body, **{"idempotency-key": f"KILL-{number}"})
        )[0] in (200, 201) and answer[1])
        tickets.append(created["id"])

    def shown(dispatch):
        # The function that shows it may be killed, too.
        return wait_for("a dispatch to be shown", lambda: (
            answer := api("GET", f"/v1/dispatches/{dispatch}"))[0] == 200 and answer[1])

    wait_for("every ticket to be accepted", lambda: all(
        shown(dispatch)["status"] == "Accepted" for dispatch in tickets))
    accepted.set()
    disturbing.join()
    check(f"every ticket is accepted; killed: {killer.killed}", sum(killer.killed.values()) >= KILLS, killer.killed)
    check("by whoever pressed 1", all(shown(one)["accepted"]["by"]["id"] == "ben" for one in tickets))
    urls = [url for provider, begun in zip(providers, before) for url in provider.callback_urls()[begun:]]
    # The attempt without the provider and the signature for it: one that stands at both was dialled twice, too.
    attempts = [url.partition("/status/")[2].rpartition(".")[0] for url in urls]
    check(f"{len(urls)} calls, no attempt was dialled twice", len(attempts) == len(set(attempts)), urls)
    for dispatch in tickets:
        told = wait_for("the webhook of an acceptance", lambda dispatch=dispatch: [
            one for one in requester.told(dispatch) if one["data"]["status"] == "Accepted"])
        check("accepted was told once", len(told) == 1, told)
    check("nothing was told that is not signed, or not the same twice", not requester.wrong, requester.wrong)
    for dispatch in tickets:
        wait_for("the end", lambda dispatch=dispatch: api("POST", f"/v1/dispatches/{dispatch}/resolve")[0] == 200)
    check_nothing_left(aws, outputs)
