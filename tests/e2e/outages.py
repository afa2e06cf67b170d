"""Failover between the voice providers in different outages, and how long it takes."""

import datetime
import statistics

from aws import wait_for
from checks import check, stage
from main_job import check_queues_empty, ticket
from provider import ANSWERS_500, NEVER_ANSWERS, PRESSES_1

# The shortest possible call: a call with an unclear outcome is looked up once it must have ended.
SHORT = {"attempts": 2, "retry_delay": 5, "ring_timeout": 1, "greeting_pause": 0, "options_pause": 0, "repeats": 0,
         "repeat_after": 1, "closing_pause": 1}
# Tickets for measuring the failover time.
TICKETS = 20


def check_outages(aws, outputs, api, routee, twilio, requester):
    tester = Tester(aws, outputs, api, routee, twilio, requester)
    stage("Each provider places calls")
    for provider, other in ((routee, twilio), (twilio, routee)):
        name, before = type(provider).__name__, (len(provider.orders), len(other.orders))
        seen = tester.accepted(tester.create(name, providers=[name.lower()]))
        check(f"a ticket is accepted over {name}", tester.route(seen) == [name.lower()], seen["timeline"])
        check("with one call", (len(provider.orders), len(other.orders)) == (before[0] + 1, before[1]))
    check("every signed webhook of Twilio got 200, a key callback with TwiML", all(
        status == 200 and ("/collect/" not in url or answer.startswith("<?xml")) for url, _, status, answer, _ in twilio.answers),
        twilio.answers)
    tester.check_forged()

    stage("Routee answers 500, or not at all: whether a phone rings is unclear")
    unclear = []
    for outage in (ANSWERS_500, NEVER_ANSWERS):
        tester.forget_outages()
        routee.outage, before = outage, len(routee.lost)
        unclear.append((outage, tester.create(outage)))
        wait_for("a request during the outage", lambda before=before: len(routee.lost) > before)
    # Routee works again, but has placed none of the calls requested during the outage.
    routee.outage, before = None, len(routee.orders)
    for outage, dispatch in unclear:
        seen = tester.accepted(dispatch)
        attempts = {line["attempt"]["id"] for line in seen["timeline"] if line["event"] == "dialing"}
        check(f"Routee {outage}: the attempt is not repeated; the next one goes over Twilio, and is accepted",
              tester.route(seen) == ["routee", "twilio"] and len(attempts) == 2
              and any(line["event"] == "unclear" for line in seen["timeline"]), seen["timeline"])
        print(f"   {tester.failover_times(seen)[0]:.1f} s from the failed request to the call at Twilio", flush=True)
    check("Routee got no second request", (len(routee.orders), len(routee.lost)) == (before, 2))

    stage(f"Routee refuses connections, {TICKETS} times")
    routee.refuse()
    times = []
    for number in range(TICKETS):
        # Every ticket has to be the first in the outage: after three failures calls go over Twilio from the start.
        tester.forget_outages()
        seen = tester.accepted(tester.create(f"refused {number}"))
        if tester.route(seen) != ["routee", "routee", "twilio"]:
            check("a call is postponed twice, then goes over Twilio", False, seen["timeline"])
        times.append(tester.failover_times(seen))
    check("every call is postponed twice, then goes over Twilio", True)
    first, last = ([one[at] for one in times] for at in (0, -1))
    for what, figures in (("the first failed request", first), ("the second", last)):
        print(f"   from {what} to the call at Twilio: p50 {statistics.median(figures):.2f} s, "
              f"p99 {max(figures):.2f} s", flush=True)
    # After three failures the provider is down.
    seen = [tester.accepted(tester.create(f"down {number}")) for number in range(3)]
    check("Routee is down then: calls go over Twilio from the start", tester.route(seen[-1]) == ["twilio"],
          seen[-1]["timeline"])
    routee.listen()
    tester.forget_outages()
    seen = tester.accepted(tester.create("back"))
    check("Routee is back: calls go over it", tester.route(seen) == ["routee"], seen["timeline"])
    check("every webhook is signed, and duplicates have the same body", not requester.wrong, requester.wrong)
    check_queues_empty(aws, outputs)


class Tester:
    def __init__(self, aws, outputs, api, routee, twilio, requester):
        self.aws, self.outputs, self.api, self.requester = aws, outputs, api, requester
        self.routee, self.twilio, self.tickets = routee, twilio, 0

    def create(self, name, **policy):
        """Creates a ticket for a new employee, who has not been phoned before."""
        self.tickets += 1
        phone = f"+120255501{20 + self.tickets}"
        self.twilio.phones[phone] = PRESSES_1
        status, created = self.api("POST", "/v1/dispatches", ticket(
            f"OUTAGE-{name}", self.requester, ("Dora", phone), **SHORT | policy))
        if status != 201:
            check("the ticket is created", False, (status, created))
        return created["id"]

    def accepted(self, dispatch):
        path = f"/v1/dispatches/{dispatch}"
        return wait_for("an acceptance", lambda: (
            answer := self.api("GET", path))[0] == 200 and answer[1]["status"] == "Accepted" and answer[1])

    def route(self, seen):
        """Providers of the calls, in order."""
        return [line["provider"] for line in dialed(seen)]

    def failover_times(self, seen):
        """Seconds from each request to Routee to the call that was placed at Twilio instead."""
        phone = seen["employees"][0]["phone"]
        placed = [order["placed at"] for order in self.twilio.orders if order["To"] == [phone]]
        if len(placed) != 1:
            check("Twilio got one call", False, placed)
        return [placed[0] - moment(line) for line in dialed(seen) if line["provider"] == "routee"]

    def forget_outages(self):
        """Deletes the health of both providers, as if the outages were long ago."""
        for provider in ("routee", "twilio"):
            self.aws.client("dynamodb").update_item(
                TableName=self.outputs["TableName"], Key={"pk": {"S": f"PACE#{provider}"}, "sk": {"S": "P"}},
                UpdateExpression="REMOVE health")

    def check_forged(self):
        """Checks that knowing a callback URL of Twilio is not enough to send a callback."""
        url, form, *_ = next(one for one in self.twilio.answers if "/collect/" in one[0])
        stranger = type(self.twilio)(self.twilio.call_back, "", "another token", {})
        stranger.send(url, {"sid": form["CallSid"], "status": form["CallStatus"], "from": form["From"], "to": form["To"]},
                      {"Digits": "1"})
        check("a key callback with a forged signature is rejected", [one[2] for one in stranger.answers] == [403],
              stranger.answers)


def dialed(seen):
    lines = (line for line in seen["timeline"] if line["event"] == "dialing")
    return sorted(lines, key=moment)


def moment(line):
    return datetime.datetime.fromisoformat(line["at"]).timestamp()
