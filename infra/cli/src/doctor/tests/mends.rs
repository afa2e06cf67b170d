//! What mends goes where the doctor was sent, and gives nothing away.

use super::*;

const ELSEWHERE: [&str; 6] = ["--stack", "prod", "--region", "eu-west-1", "--profile", "ops"];

/// All that is wrong with the stack `prod`, when nothing is as it should be.
async fn all_that_mends() -> Vec<String> {
    let (world, account) = (world().await, Account::default());
    account.change(|state| {
        for function in ["dispatches", "dialer", "notifier", "collect-event"] {
            let settings = state.functions[&format!("patchbay-{function}")].clone();
            state.functions.insert(format!("prod-{function}"), settings);
        }
        let notifier = state.functions.get_mut("prod-notifier").expect("there");
        notifier["Environment"]["Variables"]["PATCHBAY_TABLE"] = Value::from("another");
        state.reserved.insert("prod-dialer".into(), 0);
        state.unreserved = 10;
        for name in ["webhook-keys", "reference-keys"] {
            state.parameters.remove(&format!("/patchbay/{name}"));
        }
        let routee = ("SecureString", "local-application:another-secret".to_owned());
        state.parameters.insert("/patchbay/routee-credentials".into(), routee);
    });
    for queue in ["dialing", "notifications"] {
        world
            .aws
            .sqs()
            .queue(&format!("{queue}-dlq"))
            .expect("there")
            .put("anything", Duration::ZERO);
    }
    let found = examined(&world, &account, &ELSEWHERE).await;
    found.into_iter().filter_map(|finding| finding.mend).collect()
}

#[tokio::test(start_paused = true)]
async fn every_command_acts_on_the_deployment_that_was_asked_about() {
    let mends = all_that_mends().await;
    assert!(mends.len() > 14, "{mends:#?}");
    let place = "--region eu-west-1 --profile ops";
    for mend in &mends {
        for part in mend.split("; ").flat_map(|part| part.split(" && ")) {
            let part = part.rsplit(" | ").next().unwrap_or(part);
            if part.starts_with("aws ") && !part.contains("update-function-configuration") {
                assert!(part.starts_with(&format!("aws {place} ")), "{mend}");
            }
            if part.starts_with("sam deploy") || part.starts_with("sam logs") || part.starts_with("patchbay ") {
                assert!(
                    part.contains(&format!("--stack-name prod {place}"))
                        || part.contains(&format!("--stack prod {place}")),
                    "{mend}"
                );
            }
        }
    }
    for command in [
        "sam deploy",
        "patchbay dlq",
        "ssm put-parameter",
        "lambda create-event-source-mapping",
    ] {
        assert!(mends.iter().any(|mend| mend.contains(command)), "{command}: {mends:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_somebody_has_is_asked_for_instead_of_written_into_a_command() {
    let mends = all_that_mends().await;
    let routee = mends.iter().find(|mend| mend.contains("routee-credentials --value"));
    let routee = routee.expect("it is mended");
    assert!(
        routee.starts_with("printf 'APPLICATION_ID:APPLICATION_SECRET? ' && read -rs S && "),
        "{routee}"
    );
    for mend in mends.iter().filter(|mend| mend.contains("put-parameter")) {
        let value = mend.split("--value ").nth(1).expect("a value");
        assert!(
            value.starts_with("file:///dev/stdin") || value.contains("$(openssl rand"),
            "{mend}"
        );
    }
}
