//! The commands that mend something: they act on the deployment that was asked about, wherever they are pasted.

use std::borrow::Cow;
use std::fs;

use crate::aws::Target;

/// Settings of the SAM CLI, which looks for them where it is called.
const SAM_CONFIG: &str = "samconfig.toml";

/// Writes the commands.
#[derive(Clone, Debug)]
pub(super) struct Mends {
    stack: String,
    /// The environment of the SAM CLI's settings that is the stack's, when it is not the default one.
    sam_environment: Option<String>,
    /// Options that say which account and region, as they were given: each begins with a blank.
    place: String,
    /// Where AWS is, when it is a stand-in; likewise.
    endpoint: String,
}

impl Mends {
    pub(super) fn of(target: &Target) -> Self {
        let settings = fs::read_to_string(SAM_CONFIG).unwrap_or_default();
        let option = |name: &str, value: &Option<String>| {
            let value = value.as_deref().map(|value| format!(" --{name} {}", word(value)));
            value.unwrap_or_default()
        };
        Self {
            stack: target.stack.clone(),
            sam_environment: sam_environment(&settings, &target.stack).map(str::to_owned),
            place: option("region", &target.region) + &option("profile", &target.profile),
            endpoint: option("endpoint-url", &target.endpoint_url),
        }
    }

    /// A command of the AWS CLI: `aws` and what follows.
    pub(super) fn aws(&self, command: &str) -> String {
        format!("aws{}{} {command}", self.place, self.endpoint)
    }

    /// Deploys the stack as it should be.
    pub(super) fn deploy(&self) -> String {
        let Self {
            stack,
            sam_environment,
            place,
            ..
        } = self;
        let environment = sam_environment.as_ref().map(|name| format!(" --config-env {name}"));
        let environment = environment.unwrap_or_default();
        // The build has to know for which architecture it is deployed.
        format!(
            "sam build{environment} && sam deploy{environment} --stack-name {}{place}",
            word(stack)
        )
    }

    /// Shows what the functions log.
    pub(super) fn logs(&self) -> String {
        format!("sam logs --tail --stack-name {}{}", word(&self.stack), self.place)
    }

    /// A command of this program: `patchbay` and what follows.
    pub(super) fn patchbay(&self, command: &str) -> String {
        format!(
            "patchbay {command} --stack {}{}{}",
            word(&self.stack),
            self.place,
            self.endpoint
        )
    }

    /// Sets a secret parameter to `value`, as `options` say.
    pub(super) fn put_secret(&self, name: &str, value: Value, options: &str) -> String {
        let put = self.aws(&format!(
            "ssm put-parameter {options}--type SecureString --name {}",
            word(name)
        ));
        match value {
            Value::Made(command) => format!("{put} --value {command}"),
            // Read, not written down: what stands in a command stays in the shell's history.
            Value::Known(what) => {
                format!(r#"printf '{what}? ' && read -rs S && printf %s "$S" | {put} --value file:///dev/stdin"#)
            }
        }
    }
}

/// Where the value of a secret comes from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    /// A shell word makes a good one.
    Made(&'static str),
    /// Whoever mends has it; this is what it is.
    Known(&'static str),
}

/// `text` as one word of a shell.
pub(super) fn word(text: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@%+=:,./_-".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
}

/// The environment in the SAM CLI's settings that deploys this stack; none when it is the default one, or none does.
fn sam_environment<'a>(settings: &'a str, stack: &str) -> Option<&'a str> {
    let mut environment = None;
    for line in settings.lines().map(str::trim) {
        if let Some(table) = line.strip_prefix('[') {
            environment = table.split('.').next();
        } else if let Some((key, value)) = line.split_once('=')
            && key.trim() == "stack_name"
            && value.trim() == format!("\"{stack}\"")
        {
            return environment.filter(|name| *name != "default");
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        target: Target,
    }

    fn mends(line: &str) -> Mends {
        Mends::of(&Line::parse_from(line.split(' ')).target)
    }

    #[test]
    fn a_command_goes_where_the_doctor_was_sent() {
        let mends = mends("doctor --stack prod --region eu-west-3 --profile ops");
        let place = "--region eu-west-3 --profile ops";
        assert_eq!(
            mends.aws("ssm get-parameters"),
            format!("aws {place} ssm get-parameters")
        );
        assert_eq!(
            mends.deploy(),
            format!("sam build && sam deploy --stack-name prod {place}")
        );
        assert_eq!(mends.logs(), format!("sam logs --tail --stack-name prod {place}"));
        assert_eq!(
            mends.patchbay("dlq list"),
            format!("patchbay dlq list --stack prod {place}")
        );
    }

    #[test]
    fn what_was_not_given_is_left_to_the_environment() {
        let mends = mends("doctor");
        assert_eq!(mends.aws("ssm get-parameters"), "aws ssm get-parameters");
        assert_eq!(mends.deploy(), "sam build && sam deploy --stack-name patchbay");
    }

    #[test]
    fn a_stand_in_is_asked_only_by_commands_that_can() {
        let mends = mends("doctor --endpoint-url http://127.0.0.1:4566");
        assert!(
            mends
                .aws("ssm help")
                .starts_with("aws --endpoint-url http://127.0.0.1:4566 ")
        );
        assert!(!mends.deploy().contains("4566"));
    }

    #[test]
    fn a_stack_with_settings_of_its_own_is_deployed_with_them() {
        let settings = include_str!("../../../../samconfig.toml");
        assert_eq!(sam_environment(settings, "patchbay-prod"), Some("prod"));
        assert_eq!(sam_environment(settings, "patchbay"), None);
        assert_eq!(sam_environment(settings, "another"), None);
        let mends = Mends {
            sam_environment: Some("prod".to_owned()),
            ..mends("doctor --stack patchbay-prod")
        };
        assert_eq!(
            mends.deploy(),
            "sam build --config-env prod && sam deploy --config-env prod --stack-name patchbay-prod"
        );
    }

    #[test]
    fn a_known_secret_is_asked_for_and_stands_in_no_command() {
        let mend = mends("doctor").put_secret("/patchbay/x", Value::Known("AUTH_TOKEN"), "--overwrite ");
        assert_eq!(
            mend,
            "printf 'AUTH_TOKEN? ' && read -rs S && printf %s \"$S\" | aws ssm put-parameter --overwrite --type \
             SecureString --name /patchbay/x --value file:///dev/stdin"
        );
    }

    #[test]
    fn nothing_that_was_given_runs_as_a_command() {
        assert_eq!(word("patchbay-prod"), "patchbay-prod");
        assert_eq!(word("my profile"), "'my profile'");
        assert_eq!(word("$(reboot)'"), r"'$(reboot)'\'''");
        assert_eq!(word(""), "''");
    }
}
