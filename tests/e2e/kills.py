"""Kills the functions' processes with SIGKILL while they work: nothing is lost, and no attempt is dialed twice."""

import itertools
import os
import pathlib
import random
import signal
import threading
import time

from aws import STACK, wait_for
from checks import check, stage
from main_job import check_queues_empty, ticket
from provider import PRESSES_1, RINGS_OUT

TICKETS = 4
# Minimum duration and minimum number of kills: on a busy machine everything takes longer.
KILLING_SECONDS, KILLS = 60, 10
# Visibility timeout of the queues during this check, shorter than in the template: the message of a killed function
# comes back after it.
VISIBILITY_SECONDS = 20


def processes(server):
    """Processes of functions that descend from the emulator: (process id, function)."""
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
    """Kills functions of the emulator, and counts the kills of each."""

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
    stage(f"{TICKETS} tickets, while functions are killed")
    anna, ben = ("Anna", "+12025550105"), ("Ben", "+12025550106")
    providers[0].phones |= {anna[1]: RINGS_OUT, ben[1]: PRESSES_1}
    for queue in ("Dialing", "Notifications"):
        aws.client("sqs").set_queue_attributes(
            QueueUrl=outputs[f"{queue}QueueUrl"], Attributes={"VisibilityTimeout": str(VISIBILITY_SECONDS)})
    killer, before = Killer(aws.server.pid), [len(provider.orders) for provider in providers]
    orders, webhooks = itertools.count(), itertools.count()

    def on_order():
        # The call is placed, and the dialer dies before it receives the response.
        if next(orders) % 2 == 0:
            killer.kill("dialer")

    def on_webhook():
        # The webhook is delivered, and the notifier dies before it receives the response.
        if next(webhooks) % 2 == 0:
            killer.kill("notifier")

    def on_event():
        # A few milliseconds after the function has started its work.
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
        # Like a requester: repeats the request until it succeeds.
        created = wait_for("the ticket to be created", lambda body=body, number=number: (
            answer := api("POST", "/v1/dispatches", body, **{"idempotency-key": f"KILL-{number}"})
        )[0] in (200, 201) and answer[1])
        tickets.append(created["id"])

    def shown(dispatch):
        # The function that answers this may be killed, too.
        return wait_for("a dispatch to be readable", lambda: (
            answer := api("GET", f"/v1/dispatches/{dispatch}"))[0] == 200 and answer[1])

    wait_for("every ticket to be accepted", lambda: all(
        shown(dispatch)["status"] == "Accepted" for dispatch in tickets))
    accepted.set()
    disturbing.join()
    check(f"every ticket is accepted; killed: {killer.killed}", sum(killer.killed.values()) >= KILLS, killer.killed)
    acceptors = [shown(one)["accepted"]["employee"]["id"] for one in tickets]
    check("accepted by the employee who pressed 1", set(acceptors) == {"ben"}, acceptors)
    urls = [url for provider, start in zip(providers, before) for url in provider.callback_urls()[start:]]
    # The attempt without the provider and the signature: an attempt placed at both providers counts as dialed twice,
    # too.
    attempts = [url.partition("/status/")[2].rpartition(".")[0] for url in urls]
    check(f"{len(urls)} calls, no attempt was dialed twice", len(attempts) == len(set(attempts)), urls)
    for dispatch in tickets:
        acceptances = wait_for("the webhook of an acceptance", lambda dispatch=dispatch: [
            one for one in requester.webhooks_of(dispatch) if one["data"]["status"] == "Accepted"])
        check("the acceptance is delivered once", len(acceptances) == 1, acceptances)
    check("every webhook is signed, and duplicates have the same body", not requester.wrong, requester.wrong)
    for dispatch in tickets:
        wait_for("the dispatch to be resolved", lambda dispatch=dispatch: (
            api("POST", f"/v1/dispatches/{dispatch}/resolve")[0] == 200))
    check_queues_empty(aws, outputs)
