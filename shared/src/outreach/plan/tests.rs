use serde_json::{Value, json};

use super::*;
use crate::flow::CompiledDocument;
use crate::ids::{InteractionId, InteractionKey, Nonce};
use crate::interaction::DecisionContext;
use crate::outreach::{agent, skill};
use crate::webhook::{Strategy, Webhook};

/// The published example, with values of our own.
const EXAMPLE: &str = include_str!("../../providers/elemente/fixtures/create_example.json");
const EXAMPLE_TEXT: &str = "Hello Sam, this is Leo about your order O-1009.";
const TEMPLATE: &str = "HX00000000000000000000000000000000";
const ELEMENTE: &str = "{over: elemente, agent_id: '1', skill_id: Delivery reminder}";

fn agent(channels: &str) -> Agent {
    let text = format!("name: Mia\nprompt: {{initial_message: 'Hi {{{{name}}}}'}}\nchannels: {{{channels}}}");
    let compiled = CompiledDocument::<agent::Document>::read(&text);
    compiled.expect("an agent").prepared().clone()
}

/// An agent without texts.
fn silent(channels: &str) -> Agent {
    Agent {
        initial_message: None,
        ..agent(channels)
    }
}

fn skill(fields: &str) -> Skill {
    let compiled = CompiledDocument::<skill::Document>::read(&format!("# As YAML.\n{{name: Reminder, {fields}}}"));
    compiled.expect("a skill").prepared().clone()
}

/// The published example with other values at the top.
fn example(changes: &Value) -> CreateRequest {
    let mut body: Value = serde_json::from_str(EXAMPLE).expect("JSON");
    for (name, value) in changes.as_object().expect("an object") {
        body[name] = value.clone();
    }
    CreateRequest::parse(body.to_string().as_bytes()).expect("a request").0
}

/// A request without an override, for a customer with a number and an address.
fn request(channel: &str) -> CreateRequest {
    example(&json!({
        "channel": channel, "agentOverride": null,
        "customerOverride": { "firstName": "Ana", "phoneNumber": "+12025550143", "email": "ana@example.org" },
    }))
}

fn now() -> Timestamp {
    Timestamp::parse("2026-11-30T12:00:00Z").expect("a time")
}

fn planned(request: &CreateRequest, agent: &Agent, skill: &Skill) -> Result<NewInteraction, Vec<FieldError>> {
    extended(request, agent, skill, &Extensions::default())
}

fn extended(
    request: &CreateRequest,
    agent: &Agent,
    skill: &Skill,
    extensions: &Extensions,
) -> Result<NewInteraction, Vec<FieldError>> {
    let customer = request.customer(Customer::default());
    let sources = Sources {
        agent_id: "leo",
        agent,
        skill_id: "delivery",
        skill,
        customer_id: "customer-1",
        customer: &customer,
        extensions,
    };
    plan(request, &sources, now())
}

/// The fields of the errors, with the errors.
fn errors(request: &CreateRequest, agent: &Agent, skill: &Skill) -> Vec<(String, String)> {
    let errors = planned(request, agent, skill).expect_err("it is refused");
    errors.into_iter().map(|error| (error.field, error.detail)).collect()
}

fn fields_of_errors(request: &CreateRequest, agent: &Agent) -> Vec<String> {
    let found = errors(request, agent, &skill(""));
    found.into_iter().map(|(field, _)| field).collect()
}

fn channels_of(new: &NewInteraction) -> Vec<Channel> {
    new.plan.legs.iter().map(|leg| leg.channel).collect()
}

fn first(new: &NewInteraction) -> &Leg {
    new.plan.legs.first().expect("a leg")
}

#[test]
fn published_example_is_planned_as_a_call_over_elemente() {
    let agent = agent(&format!(
        "call: {ELEMENTE}, sms: {{over: twilio, from: '+12025550100'}}"
    ));
    let new = planned(&example(&json!({})), &agent, &skill("")).expect("a plan");
    // The request itself, with Elemente's ids.
    let mut forwarded = example(&json!({ "agentId": "1", "skillId": "Delivery reminder" }));
    forwarded.given_customer = Customer {
        name: Some("Sam Roe".to_owned()),
        ..forwarded.customer_override.clone()
    };
    forwarded.agent_override.initial_message = None;
    forwarded.agent_override.prompt = None;
    let expected = Leg {
        channel: Channel::Call,
        back_end: "elemente".to_owned(),
        from: "1 Delivery reminder".to_owned(),
        to: "+1234567890".to_owned(),
        content: Content::Conversation {
            initial_message: EXAMPLE_TEXT.to_owned(),
            prompt: "Tell Sam that the order of 19.5 arrives on .".to_owned(),
            request: Some(Box::new(forwarded.to_json())),
        },
        attempts: 1,
        retry_seconds: 0,
        outcome_seconds: 3_600,
        answer_seconds: None,
        is_polled: true,
    };
    assert_eq!(new.plan.legs, [expected]);
    assert_eq!(
        (new.plan.not_before, new.plan.latest_at),
        (now(), now().plus_seconds(86_400))
    );
    assert_eq!(new.blank_variables, ["Delivery Date"]);
    assert_eq!(new.unused_fields, Vec::<String>::new());
    let expected = Parties {
        agent: interaction::Agent {
            id: "leo".to_owned(),
            name: "Leo".to_owned(),
            phone: "+12025550100".to_owned(),
            email: String::new(),
        },
        skill: "delivery".to_owned(),
        customer: interaction::Customer {
            id: "customer-1".to_owned(),
            name: "Sam Roe".to_owned(),
            phone: "+1234567890".to_owned(),
            email: "sam.roe@example.com".to_owned(),
            language: "en-US".to_owned(),
        },
    };
    assert_eq!(new.parties, expected);
    let key = InteractionKey {
        tenant: "main".parse().expect("a tenant"),
        id: InteractionId::new(7),
    };
    let context = DecisionContext {
        now: now(),
        nonce: Nonce::new(1),
    };
    assert!(interaction::create(key, new, context).is_ok());
}

#[test]
fn published_example_is_planned_as_sms_over_twilio() {
    let agent = agent("sms: {over: twilio, from: '+12025550100'}");
    let new = planned(&example(&json!({ "channel": "sms" })), &agent, &skill("")).expect("a plan");
    let leg = first(&new);
    let text = EXAMPLE_TEXT.to_owned();
    assert_eq!(
        (leg.content.clone(), leg.to.as_str()),
        (Content::Text { text }, "+1234567890")
    );
    assert_eq!((leg.back_end.as_str(), leg.from.as_str()), ("twilio", "+12025550100"));
    assert_eq!((leg.outcome_seconds, leg.is_polled), (86_400, false));
    assert_eq!(new.blank_variables, ["Delivery Date"]);
    assert!(
        new.unused_fields.contains(&PROMPT.to_owned()),
        "{:?}",
        new.unused_fields
    );
}

#[test]
fn strict_skill_refuses_the_example_and_names_its_variable() {
    let agent = agent(&format!("call: {ELEMENTE}, sms: {{over: routee, from: Leo}}"));
    for channel in ["call", "sms"] {
        let request = example(&json!({ "channel": channel }));
        let expected = (
            PROMPT.to_owned(),
            "uses unknown variables: {{Delivery Date}}".to_owned(),
        );
        assert_eq!(
            errors(&request, &agent, &skill("strict: true")),
            [expected],
            "{channel}"
        );
    }
    // The same text over two channels is one error.
    let both = skill("strict: true, then: [sms, webchat], subject: x");
    let agent = Agent {
        initial_message: Some("{{x}} {{y}}".to_owned()),
        ..agent
    };
    let expected = (
        AGENT.to_owned(),
        "the agent's initial message uses unknown variables: {{x}}, {{y}}".to_owned(),
    );
    assert_eq!(errors(&request("call"), &agent, &both), [expected]);
}

#[test]
fn variables_of_documents_are_named_with_the_document() {
    let agent = agent("email: {over: ses, from: leo@example.org}, whatsapp: {over: twilio, from: '+12025550100'}");
    let template = format!(
        "strict: true, subject: '{{{{a}}}}', whatsapp: {{template: {TEMPLATE}, variables: {{'1': '{{{{b}}}}'}}}}"
    );
    let skill = skill(&format!("then: [whatsapp], {template}"));
    let request = example(&json!({
        "channel": "email", "customerOverride": { "firstName": "Ana", "phoneNumber": "+12025550143", "email": "ana@example.org" },
        "agentOverride": { "prompt": { "initialMessage": "Hi {{c}}" } },
    }));
    let expected = [
        (SKILL, "the skill's subject is blank when its variables are filled in"),
        (INITIAL_MESSAGE, "uses unknown variables: {{c}}"),
        (SKILL, "the skill's subject uses unknown variables: {{a}}"),
        (
            SKILL,
            "a variable of the skill's template uses unknown variables: {{b}}",
        ),
    ];
    let expected = expected.map(|(field, detail)| (field.to_owned(), detail.to_owned()));
    assert_eq!(errors(&request, &agent, &skill), expected);
}

#[test]
fn channel_without_a_back_end_is_refused() {
    let agent = agent("sms: {over: routee, from: Leo}");
    for channel in ["call", "whatsapp", "email", "webchat"] {
        let expected = (
            "channel".to_owned(),
            format!("the agent has no back end for the channel {channel}"),
        );
        assert_eq!(errors(&request(channel), &agent, &skill("then: [sms]")), [expected]);
    }
    // Not even if a document has one: its author knew more than this version.
    let sender = agent.senders.get(&Channel::Sms).expect("a sender").clone();
    let changed = Agent {
        senders: [(Channel::Webchat, sender)].into(),
        ..agent
    };
    let found = errors(&request("webchat"), &changed, &skill(""));
    assert_eq!(
        found,
        [(
            "channel".to_owned(),
            "the agent has no back end for the channel webchat".to_owned()
        )]
    );
}

#[test]
fn everything_that_is_missing_for_the_requested_channel_is_reported() {
    let silent = silent("sms: {over: routee, from: Leo}, email: {over: ses, from: leo@example.org}");
    let nobody = example(&json!({
        "channel": "sms", "agentOverride": null, "customerOverride": {}, "customerPhone": null, "customerEmail": null,
    }));
    assert_eq!(
        fields_of_errors(&nobody, &silent),
        ["customerOverride.phoneNumber", INITIAL_MESSAGE]
    );
    let nobody = CreateRequest {
        channel: Channel::Email,
        ..nobody
    };
    assert_eq!(
        fields_of_errors(&nobody, &silent),
        ["customerOverride.email", INITIAL_MESSAGE, SKILL]
    );
    let blank = Agent {
        initial_message: Some("{{nothing}} ".to_owned()),
        ..silent
    };
    assert_eq!(fields_of_errors(&request("sms"), &blank), [AGENT]);
}

#[test]
fn following_channels_that_cannot_be_used_are_left_out_and_listed() {
    let agent = agent(&format!(
        "sms: {{over: routee, from: Leo}}, whatsapp: {{over: twilio, from: '+12025550100'}}, webchat: {ELEMENTE}"
    ));
    let skill = skill("then: [email, sms, webchat, whatsapp, call]");
    let new = planned(&request("sms"), &agent, &skill).expect("a plan");
    assert_eq!(channels_of(&new), [Channel::Sms, Channel::Webchat, Channel::Whatsapp]);
    assert_eq!(new.unused_fields, ["skill.then.email", "skill.then.call"]);
    // A web chat needs no address.
    let without_phone = example(&json!({
        "channel": "webchat", "agentOverride": null, "customerOverride": { "email": "ana@example.org" }, "customerPhone": null,
    }));
    let new = planned(&without_phone, &agent, &skill).expect("a plan");
    assert_eq!(
        (channels_of(&new), first(&new).to.as_str()),
        (vec![Channel::Webchat], "")
    );
    let unused = [
        "skill.then.email",
        "skill.then.sms",
        "skill.then.whatsapp",
        "skill.then.call",
    ];
    assert_eq!(new.unused_fields, unused);
}

#[test]
fn whatsapp_has_the_template_of_the_skill_next_to_its_text() {
    let agent = agent("whatsapp: {over: twilio, from: '+12025550100'}");
    let variables = "variables: {'1': '{{firstName}}', '2': '{{gone}}'}";
    let skill_with = skill(&format!("whatsapp: {{template: {TEMPLATE}, {variables}}}"));
    let new = planned(&request("whatsapp"), &agent, &skill_with).expect("a plan");
    let expected = Content::Template {
        template: TEMPLATE.to_owned(),
        variables: [("1".to_owned(), "Ana".to_owned()), ("2".to_owned(), String::new())].into(),
        text: "Hi Ana".to_owned(),
    };
    assert_eq!(
        (&first(&new).content, new.blank_variables.as_slice()),
        (&expected, ["gone".to_owned()].as_slice())
    );
    let new = planned(&request("whatsapp"), &agent, &skill("")).expect("a plan");
    let text = "Hi Ana".to_owned();
    assert_eq!(first(&new).content, Content::Text { text });
}

/// An agent that writes from a chat page, and can send the link to it.
fn chatting() -> Agent {
    agent(
        "sms: {over: routee, from: Leo}, email: {over: ses, from: leo@example.org}, \
         webchat: {over: sangoma, from: orders}",
    )
}

#[test]
fn link_to_a_web_chat_goes_by_the_channel_of_the_skill() {
    for (fields, by, over, sender, to, subject) in [
        ("link_by: sms", Channel::Sms, "routee", "Leo", "+12025550143", ""),
        (
            "link_by: email",
            Channel::Email,
            "ses",
            "leo@example.org",
            "ana@example.org",
            "Your order, Ana",
        ),
    ] {
        let skill = skill(&format!(
            "subject: 'Your order, {{{{firstName}}}}', answer_minutes: 60, \
             webchat: {{{fields}, text: '{{{{firstName}}}}: {{{{link}}}}!'}}"
        ));
        let new = planned(&request("webchat"), &chatting(), &skill).expect("a plan");
        let expected = Leg {
            channel: Channel::Webchat,
            back_end: "sangoma".to_owned(),
            from: "orders".to_owned(),
            to: to.to_owned(),
            content: Content::ChatLink {
                by,
                over: over.to_owned(),
                sender: sender.to_owned(),
                subject: subject.to_owned(),
                text: format!("Ana: {LINK}!"),
                initial_message: "Hi Ana".to_owned(),
            },
            attempts: 1,
            retry_seconds: 0,
            outcome_seconds: MESSAGE_OUTCOME_SECONDS,
            answer_seconds: Some(3_600),
            is_polled: false,
        };
        assert_eq!(new.plan.legs, [expected]);
        // A value that looks like the link is none.
        let customer = json!({ "firstName": LINK, "phoneNumber": "+12025550143", "email": "ana@example.org" });
        let body = json!({ "channel": "webchat", "agentOverride": null, "customerOverride": customer });
        let new = planned(&example(&body), &chatting(), &skill).expect("a plan");
        let Content::ChatLink { text, .. } = &first(&new).content else {
            panic!("{:?}", first(&new).content)
        };
        assert_eq!(text, &format!(" : {LINK}!"));
    }
}

#[test]
fn everything_that_a_link_to_a_web_chat_lacks_is_reported() {
    let by_sms = skill("webchat: {link_by: sms, text: '{{link}}'}");
    let by_email = skill("webchat: {link_by: email, text: '{{link}}'}");
    let nobody = example(&json!({
        "channel": "webchat", "agentOverride": null, "customerOverride": {}, "customerPhone": null, "customerEmail": null,
    }));
    let fields = |request: &CreateRequest, agent: &Agent, skill: &Skill| {
        let found = errors(request, agent, skill);
        found.into_iter().map(|(field, _)| field).collect::<Vec<_>>()
    };
    let (phone, email) = ("customerOverride.phoneNumber", "customerOverride.email");
    // The platform knows customers by their e-mail addresses.
    assert_eq!(fields(&nobody, &chatting(), &by_sms), [email, phone]);
    assert_eq!(
        fields(&nobody, &chatting(), &by_email),
        [email, SKILL],
        "and no subject"
    );
    assert_eq!(fields(&request("webchat"), &chatting(), &skill("")), [SKILL]);
    for sms in ["", &format!("sms: {ELEMENTE},")] {
        let agent = agent(&format!("{sms} webchat: {{over: chatwoot, from: orders}}"));
        assert_eq!(fields(&request("webchat"), &agent, &by_sms), ["channel"], "{sms}");
    }
    let silent = Agent {
        initial_message: None,
        ..chatting()
    };
    assert_eq!(fields(&request("webchat"), &silent, &by_sms), [INITIAL_MESSAGE]);
    let then = skill("then: [webchat]");
    let new = planned(&request("sms"), &chatting(), &then).expect("a plan");
    assert_eq!(new.unused_fields, ["skill.then.webchat"]);
}

#[test]
fn subject_of_an_email_is_one_line() {
    let agent = agent("email: {over: ses, from: leo@example.org}");
    let customer = json!({
        "firstName": "Ana", "email": "ana@example.org",
        "customFields": [{ "name": "no", "value": "1\r\nBcc: all@example.com" }],
    });
    let body = json!({ "channel": "email", "agentOverride": null, "customerOverride": customer });
    let new = planned(&example(&body), &agent, &skill("subject: 'Order {{no}}'")).expect("a plan");
    let Content::Email { subject, text } = &first(&new).content else {
        panic!("{:?}", first(&new).content)
    };
    assert_eq!(
        (subject.as_str(), text.as_str()),
        ("Order 1 Bcc: all@example.com", "Hi Ana")
    );
    assert_eq!(new.parties.agent.email, "leo@example.org");
}

#[test]
fn override_of_the_agent_precedes_its_document() {
    let agent = agent("sms: {over: twilio, from: '+12025550100'}");
    let with = |given: Value| {
        planned(
            &example(&json!({ "channel": "sms", "agentOverride": given })),
            &agent,
            &skill(""),
        )
    };
    let new = with(json!({ "name": "Kim", "phone": "+12025550100", "prompt": { "initialMessage": "{{aiName}}!" } }));
    let new = new.expect("a plan");
    assert_eq!(
        (first(&new).content.text(), new.parties.agent.name.as_str()),
        ("Kim!", "Kim")
    );
    // A sender of its own is no foreign one.
    assert_eq!(new.unused_fields, Vec::<String>::new());
    let new = with(json!({ "phone": "+12025550199" })).expect("a plan");
    assert_eq!(
        (first(&new).from.as_str(), first(&new).content.text()),
        ("+12025550100", "Hi Sam Roe")
    );
    assert_eq!(new.unused_fields, ["agentOverride.phone"]);
}

#[test]
fn every_field_of_a_customer_is_a_variable_and_none_is_filled_in_twice() {
    let text =
        "{{firstName}}|{{lastName}}|{{name}}|{{email}}|{{phoneNumber}}|{{aiName}}|{{Amount Due}}|{{VIP}}|{{trap}}";
    let given = json!({ "prompt": { "initialMessage": text } });
    let agent = agent("sms: {over: routee, from: Leo}");
    let mut customer = serde_json::from_str::<Value>(EXAMPLE).expect("JSON")["customerOverride"].clone();
    customer["customFields"].as_array_mut().expect("a list").extend([
        json!({ "name": "trap", "value": "{{email}}" }),
        json!({ "name": "name", "value": "somebody else" }),
    ]);
    let request = example(&json!({ "channel": "sms", "agentOverride": given, "customerOverride": customer }));
    let new = planned(&request, &agent, &skill("strict: true")).expect("a plan");
    assert_eq!(
        first(&new).content.text(),
        "Sam|Roe|Sam Roe|sam.roe@example.com|+1234567890|Mia|19.5|true|{{email}}"
    );
}

#[test]
fn request_says_when_where_and_at_which_hours_and_who_is_notified() {
    let agent = agent("sms: {over: routee, from: Leo}, email: {over: ses, from: leo@example.org}");
    let skill = skill("subject: x, then: [email], expires_minutes: 60, webhook: {url: 'https://example.org/skill'}");
    let webhook = |path: &str| Webhook {
        url: format!("https://example.org/{path}"),
        strategy: Strategy::OnChange,
    };
    let later = |seconds: u32| now().plus_seconds(seconds);
    let plain = planned(&request("sms"), &agent, &skill).expect("a plan");
    assert_eq!(plain.webhook, Some(webhook("skill")));
    let given = Extensions {
        schedule_at: Some(later(600)),
        time_zone: Some("America/Denver".to_owned()),
        hours_bypass: Some("agreed".to_owned()),
        webhook: Some(webhook("request")),
        latest_at: None,
    };
    let new = extended(&request("sms"), &agent, &skill, &given).expect("a plan");
    assert_eq!(
        (new.plan.not_before, new.plan.latest_at),
        (later(600), later(600 + 3_600))
    );
    assert_eq!(new.plan.time_zone.as_deref(), Some("America/Denver"));
    assert_eq!(new.plan.hours_bypass.as_deref(), Some("agreed"));
    assert_eq!(new.webhook, Some(webhook("request")));
    // A report is due within a share of the time that there is.
    let seconds = |new: &NewInteraction| first(new).outcome_seconds;
    assert_eq!((seconds(&plain), seconds(&new)), (1_800, 1_800));
    let given = Extensions {
        latest_at: Some(later(1_000)),
        ..given
    };
    let new = extended(&request("sms"), &agent, &skill, &given).expect("a plan");
    assert_eq!((new.plan.latest_at, seconds(&new)), (later(1_000), 200));
}

#[test]
fn elemente_needs_no_text_and_a_prompt_that_nobody_uses_is_not_read() {
    let call = silent(&format!("call: {ELEMENTE}, sms: {{over: routee, from: Leo}}"));
    let new = planned(&request("call"), &call, &skill("then: [sms]")).expect("a plan");
    let Content::Conversation {
        initial_message,
        prompt,
        request: Some(forwarded),
    } = &first(&new).content
    else {
        panic!("{new:?}");
    };
    assert_eq!((initial_message.as_str(), prompt.as_str()), ("", ""));
    // Its own texts may need what the request says of the customer.
    assert_eq!(forwarded["customerOverride"]["firstName"], "Ana");
    assert_eq!(forwarded["agentOverride"], json!({ "name": "Mia" }));
    assert_eq!(new.unused_fields, ["skill.then.sms"]);
    let agent = Agent {
        prompt: Some("{{gone}}".to_owned()),
        ..agent("sms: {over: routee, from: Leo}")
    };
    let new = planned(&request("sms"), &agent, &skill("strict: true")).expect("a plan");
    assert_eq!(new.blank_variables, Vec::<String>::new());
}

#[test]
fn text_that_is_too_long_for_a_channel_refuses_or_leaves_it_out() {
    let agent = agent("sms: {over: routee, from: Leo}, email: {over: ses, from: leo@example.org}");
    let with = |channel: &str, chars: usize| {
        let given = json!({ "prompt": { "initialMessage": "\u{e9}".repeat(chars) } });
        let customer = json!({ "phoneNumber": "+12025550143", "email": "ana@example.org" });
        let body = json!({ "channel": channel, "agentOverride": given, "customerOverride": customer });
        planned(&example(&body), &agent, &skill("subject: x, then: [email, sms]"))
    };
    assert_eq!(
        channels_of(&with("sms", 1_600).expect("a plan")),
        [Channel::Sms, Channel::Email]
    );
    let refused = with("sms", 1_601).expect_err("too long");
    assert_eq!(refused.first().map(|error| error.field.as_str()), Some(INITIAL_MESSAGE));
    let new = with("email", 1_601).expect("a plan");
    assert_eq!(
        (channels_of(&new), new.unused_fields),
        (vec![Channel::Email], vec!["skill.then.sms".to_owned()])
    );
}

#[test]
fn plan_that_no_item_holds_is_refused() {
    let agent = agent(&format!("call: {ELEMENTE}"));
    let with = |chars: usize| {
        let given = json!({ "prompt": { "prompt": "\u{1f600}".repeat(chars) } });
        planned(&example(&json!({ "agentOverride": given })), &agent, &skill(""))
    };
    assert!(with(20_000).is_ok());
    let refused = with(32_000).expect_err("too large");
    assert_eq!(refused.first().map(|error| error.field.as_str()), Some(PROMPT));
}

#[test]
fn no_leg_takes_the_time_of_the_next() {
    let agent = agent(&format!(
        "sms: {{over: routee, from: Leo}}, email: {{over: ses, from: leo@example.org}}, \
         whatsapp: {{over: twilio, from: '+12025550100'}}, call: {ELEMENTE}"
    ));
    for (answer, expires, then) in [
        (None, 1_440, "[email]"),
        (Some(60), 1_440, "[email, whatsapp, call]"),
        (Some(700), 1_440, "[email]"),
        (Some(1), 10, "[call, whatsapp, email]"),
        (Some(5_000), 10_080, "[whatsapp]"),
    ] {
        let answers = answer.map_or_else(String::new, |minutes: u32| format!("answer_minutes: {minutes}, "));
        let skill = skill(&format!(
            "{answers}expires_minutes: {expires}, then: {then}, subject: x"
        ));
        let new = planned(&request("sms"), &agent, &skill).expect("a plan");
        let legs = &new.plan.legs;
        let (last, others) = legs.split_last().expect("legs");
        let taken: u32 = others
            .iter()
            .map(|leg| leg.outcome_seconds + leg.answer_seconds.unwrap_or(0))
            .sum();
        assert!(taken < expires * 60, "{answer:?} {expires} {then}: {taken}");
        assert_eq!(last.outcome_seconds, longest_outcome_seconds(last.channel));
        for leg in legs {
            assert!(leg.outcome_seconds >= MIN_OUTCOME_SECONDS, "{leg:?}");
            let expected = answer.map(seconds).filter(|_| leg.channel != Channel::Call);
            assert_eq!(leg.answer_seconds, expected, "{}", leg.channel);
        }
    }
}
