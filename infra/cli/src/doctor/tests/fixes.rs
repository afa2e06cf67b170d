//! Fix commands act on the deployment that was checked, and contain no secret.

use super::*;

const PROD_OPTIONS: [&str; 6] = ["--stack", "prod", "--region", "eu-west-1", "--profile", "ops"];

/// The fixes for a stack `prod` with many faults.
async fn all_fixes() -> Vec<String> {
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
    let found = findings_with(&world, &account, &PROD_OPTIONS).await;
    found.into_iter().filter_map(|finding| finding.fix).collect()
}

#[tokio::test(start_paused = true)]
async fn every_command_acts_on_the_deployment_that_was_checked() {
    let fixes = all_fixes().await;
    assert!(fixes.len() > 14, "{fixes:#?}");
    let account_options = "--region eu-west-1 --profile ops";
    for fix in &fixes {
        for part in fix.split("; ").flat_map(|part| part.split(" && ")) {
            let part = part.rsplit(" | ").next().unwrap_or(part);
            if part.starts_with("aws ") && !part.contains("update-function-configuration") {
                assert!(part.starts_with(&format!("aws {account_options} ")), "{fix}");
            }
            if part.starts_with("sam deploy") || part.starts_with("sam logs") || part.starts_with("patchbay ") {
                assert!(
                    part.contains(&format!("--stack-name prod {account_options}"))
                        || part.contains(&format!("--stack prod {account_options}")),
                    "{fix}"
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
        assert!(fixes.iter().any(|fix| fix.contains(command)), "{command}: {fixes:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_existing_secret_is_prompted_for_and_not_part_of_the_command() {
    let fixes = all_fixes().await;
    let routee = fixes.iter().find(|fix| fix.contains("routee-credentials --value"));
    let routee = routee.expect("a fix");
    assert!(
        routee.starts_with("printf 'APPLICATION_ID:APPLICATION_SECRET? ' && read -rs S && "),
        "{routee}"
    );
    for fix in fixes.iter().filter(|fix| fix.contains("put-parameter")) {
        let value = fix.split("--value ").nth(1).expect("a value");
        assert!(
            value.starts_with("file:///dev/stdin") || value.contains("$(openssl rand"),
            "{fix}"
        );
    }
}
