//! Requests through the API.

use patchbay_domain::interaction::{
    Agent, EndReason, Event, Fact, IgnoreReason, Progress, Report, Request, SendResult, Work,
};

use crate::story::{Story, accepted, call, progress, sms, unclear};

#[test]
fn a_note_can_be_written_at_any_time() {
    let mut story = Story::of([sms()]);
    let note = || Request::Note("The customer moved.".to_owned());
    story.requests(note());
    assert_eq!(story.interaction.note, "The customer moved.");
    story.ignores(&Event::Requested { request: note() }, IgnoreReason::Unchanged);
    story.requests(Request::End(EndReason::Canceled));
    story.requests(Request::Note("Done.".to_owned()));
    assert_eq!(story.interaction.note, "Done.");
}

#[test]
fn another_agent_can_take_over() {
    let mut story = Story::sent([sms()]);
    let agent = Agent {
        id: "mia".to_owned(),
        name: "Mia".to_owned(),
        phone: String::new(),
        email: String::new(),
    };
    story.requests(Request::Agent(agent.clone()));
    assert_eq!(story.interaction.parties.agent, agent);
    let request = Request::Agent(agent);
    story.ignores(&Event::Requested { request }, IgnoreReason::Unchanged);
}

#[test]
fn what_was_canceled_is_not_sent() {
    let mut story = Story::of([sms()]);
    let attempt = story.attempt();
    story.requests(Request::End(EndReason::Canceled));
    assert_eq!((story.end(), story.outcomes()), (EndReason::Canceled, vec!["canceled"]));
    let clearance = patchbay_domain::interaction::Clearance::Granted;
    story.ignores(&Event::SendBegins { attempt, clearance }, IgnoreReason::Stale);
    let request = Request::End(EndReason::Completed);
    story.ignores(&Event::Requested { request }, IgnoreReason::Ended);
}

#[test]
fn a_call_that_is_canceled_is_hung_up() {
    let mut story = Story::sent([call()]);
    story.reports(progress(Progress::Answered));
    story.requests(Request::End(EndReason::Canceled));
    let provider_id = "SM1".to_owned();
    assert!(story.works.contains(&(Work::HangUp { leg: 0, provider_id }, story.now)));
}

#[test]
fn a_canceled_call_is_hung_up_whatever_names_it_first() {
    for is_report_first in [true, false] {
        let mut story = Story::of([call()]);
        let attempt = story.begin();
        story.requests(Request::End(EndReason::Canceled));
        let result = accepted("CA1");
        let report = Report {
            provider_id: Some("CA1".to_owned()),
            ..progress(Progress::Underway)
        };
        let (report, result) = (Event::Reported { attempt, report }, Event::SendEnds { attempt, result });
        let [first, second] = if is_report_first {
            [report, result]
        } else {
            [result, report]
        };
        story.applies(&first);
        story.apply(&second);
        let hung_up = story
            .works
            .iter()
            .filter(|(work, _)| matches!(work, Work::HangUp { .. }));
        assert_eq!(hung_up.count(), 1);
    }
}

#[test]
fn what_was_canceled_while_it_was_being_sent_may_be_unclear() {
    let mut story = Story::of([sms()]);
    let attempt = story.begin();
    story.requests(Request::End(EndReason::Canceled));
    let result = unclear();
    story.applies(&Event::SendEnds { attempt, result });
    assert!(matches!(story.facts.last(), Some(Fact::Unclear { .. })));
}

#[test]
fn a_call_that_was_placed_after_all_is_noted_and_hung_up() {
    let mut story = Story::of([call()]);
    let attempt = story.begin();
    story.requests(Request::End(EndReason::Canceled));
    let result = accepted("CA1");
    let event = Event::SendEnds { attempt, result };
    story.applies(&event);
    let provider_id = "CA1".to_owned();
    assert!(story.works.contains(&(Work::HangUp { leg: 0, provider_id }, story.now)));
    assert!(matches!(story.facts.last(), Some(Fact::Sent { .. })));
    story.ignores(&event, IgnoreReason::Stale);
    let result = SendResult::OptedOut;
    story.ignores(&Event::SendEnds { attempt, result }, IgnoreReason::Stale);
}
