"""One voice provider stands in for the other, whatever is the matter with it; and how soon."""

import datetime
import statistics

from aws import wait_for
from checks import check
from main_job import check_nothing_left, ticket
from provider import ANSWERS_500, NEVER_ANSWERS, PRESSES_1

# As short as a call may be: what is unclear is looked after once it must have ended.
SHORT = {"attempts": 2, "retry_delay": 5, "ring_timeout": 1, "greeting_pause": 0, "options_pause": 0, "repeats": 0,
         "repeat_after": 1, "closing_pause": 1}
# Tickets with which the reaction is measured.
TICKETS = 20


def check_outages(aws, outputs, api, routee, twilio, requester):
    tester = Tester(aws, outputs, api, routee, twilio, requester)
    print("\n== Either provider phones", flush=True)
    for provider, other in ((routee, twilio), (twilio, routee)):
        name, before = type(provider).__name__, (len(provider.orders), len(other.orders))
        seen = tester.accepted(tester.create(name, providers=[name.lower()]))
        check(f"a ticket is accepted over {name}", tester.route(seen) == [name.lower()], seen["timeline"])
        check("by one call", (len(provider.orders), len(other.orders)) == (before[0] + 1, before[1]))
    check("every webhook that Twilio signed was answered 200, a key with a document", all(
        status == 200 and ("/collect/" not in url or answer.startswith("<?xml")) for url, _, status, answer, _ in twilio.answers),
        twilio.answers)
    tester.check_forged()

    print("\n== Routee answers 500, and then nothing at all: whether a phone rings is unclear", flush=True)
    unclear = []
    for outage in (ANSWERS_500, NEVER_ANSWERS):
        tester.forget_outages()
        routee.outage, before = outage, len(routee.lost)
        unclear.append((outage, tester.create(outage)))
        wait_for("the call that is lost", lambda before=before: len(routee.lost) > before)
    # It answers again, but not what it was asked meanwhile.
    routee.outage, before = None, len(routee.orders)
    for outage, dispatch in unclear:
        seen = tester.accepted(dispatch)
        attempts = {line["attempt"] for line in seen["timeline"] if line["event"] == "dialling"}
        check(f"Routee {outage}: the attempt stays, the next one goes over Twilio, which has it accepted",
              tester.route(seen) == ["routee", "twilio"] and len(attempts) == 2
              and any(line["event"] == "unclear" for line in seen["timeline"]), seen["timeline"])
        print(f"   {tester.reaction(seen)[0]:.1f} s from the request that failed to the create at Twilio", flush=True)
    check("Routee was not asked again", (len(routee.orders), len(routee.lost)) == (before, 2))

    print(f"\n== Routee refuses connections, {TICKETS} times", flush=True)
    routee.refuse()
    reactions = []
    for number in range(TICKETS):
        # Each ticket is the first that meets the outage: after three, calls go over Twilio from the start.
        tester.forget_outages()
        seen = tester.accepted(tester.create(f"refused {number}"))
        if tester.route(seen) != ["routee", "routee", "twilio"]:
            check("it is put off twice, and then goes over Twilio", False, seen["timeline"])
        reactions.append(tester.reaction(seen))
    check("every ticket is put off twice, and then goes over Twilio", True)
    first, last = ([reaction[at] for reaction in reactions] for at in (0, -1))
    for what, figures in (("the first request that fails", first), ("the second", last)):
        print(f"   from {what} to the create at Twilio: p50 {statistics.median(figures):.2f} s, "
              f"p99 {max(figures):.2f} s", flush=True)
    # Three of them have met it by now.
    seen = [tester.accepted(tester.create(f"down {number}")) for number in range(3)]
    check("then Routee counts as down: nothing is put off any more", tester.route(seen[-1]) == ["twilio"], seen[-1]["timeline"])
    routee.listen()
    tester.forget_outages()
    seen = tester.accepted(tester.create("back"))
    check("it is back: calls go over it", tester.route(seen) == ["routee"], seen["timeline"])
    check("nothing was told that is not signed, or not the same twice", not requester.wrong, requester.wrong)
    check_nothing_left(aws, outputs)


class Tester:
    def __init__(self, aws, outputs, api, routee, twilio, requester):
        self.aws, self.outputs, self.api, self.requester = aws, outputs, api, requester
        self.routee, self.twilio, self.tickets = routee, twilio, 0

    def create(self, name, **policy):
        """A ticket for a person whom nobody has phoned before."""
        self.tickets += 1
        phone = f"+120255501{20 + self.tickets}"
        self.twilio.phones[phone] = PRESSES_1
        status, created = self.api("POST", "/v1/dispatches", ticket(
            f"OUTAGE-{name}", self.requester, ("Dora", phone), **SHORT | policy))
        if status != 201:
            check("the ticket is taken", False, (status, created))
        return created["id"]

    def accepted(self, dispatch):
        path = f"/v1/dispatches/{dispatch}"
        return wait_for("an acceptance", lambda: (
            answer := self.api("GET", path))[0] == 200 and answer[1]["status"] == "Accepted" and answer[1])

    def route(self, seen):
        """Over whom its calls were to go, in order."""
        return [line["provider"] for line in dialled(seen)]

    def reaction(self, seen):
        """Seconds from each request over Routee to the call that Twilio was given instead."""
        phone = seen["employees"][0]["phone"]
        placed = [order["placed at"] for order in self.twilio.orders if order["To"] == [phone]]
        check_once = len(placed) == 1
        if not check_once:
            check("Twilio was given one call", False, placed)
        return [placed[0] - moment(line) for line in dialled(seen) if line["provider"] == "routee"]

    def forget_outages(self):
        """As when they were long ago."""
        for provider in ("routee", "twilio"):
            self.aws.client("dynamodb").update_item(
                TableName=self.outputs["TableName"], Key={"pk": {"S": f"PACE#{provider}"}, "sk": {"S": "P"}},
                UpdateExpression="REMOVE health")

    def check_forged(self):
        """Whoever has seen a URL of Twilio's cannot speak for it."""
        url, form, *_ = next(one for one in self.twilio.answers if "/collect/" in one[0])
        stranger = type(self.twilio)(self.twilio.call_back, "", "another token", {})
        stranger.send(url, {"sid": form["CallSid"], "status": form["CallStatus"], "from": form["From"], "to": form["To"]},
                      {"Digits": "1"})
        check("a key that somebody else signed is refused", [one[2] for one in stranger.answers] == [403], stranger.answers)


def dialled(seen):
    lines = (line for line in seen["timeline"] if line["event"] == "dialling")
    return sorted(lines, key=moment)


def moment(line):
    return datetime.datetime.fromisoformat(line["at"]).timestamp()
