//! A simulated AWS account: what Lambda, SSM and `CloudWatch` Logs return for a deployment. Used by operator commands
//! that run against `patchbay local` instead of AWS, and by tests.

use std::collections::BTreeMap;

use patchbay::chat::Platform;
use patchbay::http::Request;
use patchbay::voice::Provider;
use patchbay_simulators::aws::REGION;
use patchbay_simulators::chat::{CREDENTIALS, TENANT_DOMAIN};
use patchbay_simulators::twilio::outbound::API_KEY;
use patchbay_simulators::twilio::{ACCOUNT, AUTH_TOKEN};
use patchbay_simulators::world::{ELEMENTE_CREDENTIALS, REFERENCE_KEY, ROUTEE_APPLICATION, WEBHOOK_KEY};
use serde_json::{Value, json};

use crate::template::{self, CALLS_FUNCTIONS};

/// Stack name of a local deployment: the default of `--stack`.
pub(crate) const STACK: &str = "patchbay";

/// Names and URLs of a deployment's resources.
pub(crate) struct Locations<'a> {
    pub(crate) public_url: &'a str,
    pub(crate) table: &'a str,
    pub(crate) dialing_queue: &'a str,
    pub(crate) notifications_queue: &'a str,
    pub(crate) conversations_queue: &'a str,
    /// None for a deployment without the API for calls.
    pub(crate) interactions_queue: Option<&'a str>,
    /// Base URL of the simulated voice providers; empty for the real ones.
    pub(crate) providers_url: &'a str,
    /// The providers that phone employees, in order of preference.
    pub(crate) providers: &'a [Provider],
    /// The secret with which the chat platform signs its events, if it does.
    pub(crate) chat_secret: Option<&'a str>,
}

/// Functions, event source mappings, parameters and logs.
#[derive(Debug)]
pub(crate) struct Account {
    /// By function name: the response of `GetFunctionConfiguration`.
    pub(crate) functions: BTreeMap<String, Value>,
    /// By function name: its event source mappings.
    pub(crate) mappings: BTreeMap<String, Vec<Value>>,
    /// By function name: its reserved concurrency.
    pub(crate) reserved: BTreeMap<String, u32>,
    /// Concurrency shared by all functions without a reservation.
    pub(crate) unreserved: u32,
    /// By parameter name: type and value.
    pub(crate) parameters: BTreeMap<String, (&'static str, String)>,
    /// By log group: its number of errors.
    pub(crate) errors: BTreeMap<String, usize>,
}

impl Account {
    /// An account in which everything is deployed and healthy.
    pub(crate) fn healthy(locations: &Locations<'_>) -> Self {
        let Locations {
            public_url,
            table,
            dialing_queue,
            notifications_queue,
            conversations_queue,
            interactions_queue,
            providers_url,
            providers,
            chat_secret,
        } = locations;
        let provider_names: Vec<&str> = providers.iter().map(|provider| provider.as_str()).collect();
        let provider_names = provider_names.join(",");
        let parameter_of = |provider, parameter| if providers.contains(&provider) { parameter } else { "" };
        // Sangoma's API has a path of its own; its token endpoint has none.
        let sangoma_api = if providers_url.is_empty() {
            String::new()
        } else {
            format!("{providers_url}/cx")
        };
        // The template expressions that the commands read; all others resolve to an empty string.
        let value = |expression: &str| match expression {
            "!Ref DialingQueue" => *dialing_queue,
            "!Ref NotificationsQueue" => *notifications_queue,
            "!Ref ConversationsQueue" => *conversations_queue,
            "!Ref InteractionsQueue" => interactions_queue.unwrap_or_default(),
            "!If [HasPublicUrl, !Ref PublicUrl, !GetAtt HttpApi.ApiEndpoint]" => *public_url,
            "!Ref ReferenceKeysParam" => "/patchbay/reference-keys",
            "!Ref VoiceProviders" => provider_names.as_str(),
            r#"!If [PhonesOverRoutee, !Ref RouteeCredentialsParam, ""]"# => {
                parameter_of(Provider::Routee, "/patchbay/routee-credentials")
            }
            r#"!If [PhonesOverTwilio, !Ref TwilioCredentialsParam, ""]"# => {
                parameter_of(Provider::Twilio, "/patchbay/twilio-credentials")
            }
            "!Ref RouteeAuthUrl" | "!Ref RouteeConnectUrl" | "!Ref TwilioApiUrl" | "!Ref SangomaAuthUrl" => {
                *providers_url
            }
            "!Ref SangomaApiUrl" => sangoma_api.as_str(),
            "!Ref ChatPlatform" => Platform::Sangoma.name(),
            "!Ref ChatSecretsParam" if chat_secret.is_some() => "/patchbay/chat-secrets",
            "!Ref SangomaTenantDomain" => TENANT_DOMAIN,
            r#"!If [ChatsOverSangoma, !Ref SangomaCredentialsParam, ""]"# => "/patchbay/sangoma-credentials",
            "!Ref TwilioAuthTokensParam" => "/patchbay/twilio-auth-tokens",
            r#"!If [CallsOverRoutee, !Ref RouteeCredentialsParam, ""]"# => "/patchbay/routee-credentials",
            r#"!If [CallsOverTwilio, !Ref TwilioCredentialsParam, ""]"# => "/patchbay/twilio-credentials",
            "!Ref SesConfigurationSet" => "patchbay",
            "!Ref ElementeCredentialsParam" => "/patchbay/elemente-credentials",
            "!Ref WebhookKeysParam" => "/patchbay/webhook-keys",
            _ => "",
        };
        let function = |one: template::Function| {
            let own = one
                .variables
                .iter()
                .map(|(name, expression)| (*name, value(expression)));
            let variables: BTreeMap<_, _> = own.chain([("PATCHBAY_TABLE", *table)]).collect();
            let configuration = json!({ "Timeout": one.timeout, "Environment": { "Variables": variables } });
            (format!("{STACK}-{}", one.name), configuration)
        };
        let mapping = |function: &str, queue: &str| {
            let mapping = json!({
                "UUID": format!("{function}-mapping"), "State": "Enabled", "StateTransitionReason": "USER_INITIATED",
                "EventSourceArn": format!("arn:aws:sqs:{REGION}:000000000000:{queue}"),
            });
            (format!("{STACK}-{function}"), vec![mapping])
        };
        let secret = |name: &str, value: &str| (format!("/patchbay/{name}"), ("SecureString", value.to_owned()));
        let (application, password) = ROUTEE_APPLICATION;
        let (client_id, client_secret) = CREDENTIALS;
        let chat_secret = chat_secret.map(|value| secret("chat-secrets", value));
        let parameters = [
            secret("reference-keys", REFERENCE_KEY),
            secret("webhook-keys", WEBHOOK_KEY),
            secret("routee-credentials", &format!("{application}:{password}")),
            secret("twilio-auth-tokens", AUTH_TOKEN),
            secret("sangoma-credentials", &format!("{client_id}:{client_secret}")),
            secret("twilio-credentials", &format!("{ACCOUNT}:{}:{}", API_KEY.0, API_KEY.1)),
            secret("elemente-credentials", ELEMENTE_CREDENTIALS),
        ];
        Self {
            functions: template::functions()
                .filter(|one| interactions_queue.is_some() || !CALLS_FUNCTIONS.contains(&one.name))
                .map(function)
                .collect(),
            parameters: parameters.into_iter().chain(chat_secret).collect(),
            mappings: BTreeMap::from([
                mapping("dialer", "dialing"),
                mapping("notifier", "notifications"),
                mapping("responder", "conversations"),
                mapping("messenger", "interactions"),
            ]),
            reserved: BTreeMap::new(),
            unreserved: 1_000,
            errors: BTreeMap::new(),
        }
    }

    /// The status and body of the response to one of the [`action`]s.
    pub(crate) fn answer(&self, action: &str, request: &Request) -> (u16, Value) {
        let name = request.uri().path().split('/').nth(3).unwrap_or_default();
        let not_found = || (404, json!({ "Message": format!("Function not found: {name}") }));
        match action {
            "GetFunctionConfiguration" => self
                .functions
                .get(name)
                .cloned()
                .map_or_else(not_found, |configuration| (200, configuration)),
            "GetFunctionConcurrency" if !self.functions.contains_key(name) => not_found(),
            "GetFunctionConcurrency" => match self.reserved.get(name) {
                Some(count) => (200, json!({ "ReservedConcurrentExecutions": count })),
                None => (200, json!({})),
            },
            "ListEventSourceMappings" => {
                let query = request.uri().query().unwrap_or_default();
                let function = query.strip_prefix("FunctionName=").unwrap_or_default();
                let mappings = self.mappings.get(function).cloned().unwrap_or_default();
                (200, json!({ "EventSourceMappings": mappings }))
            }
            "GetAccountSettings" => {
                let limit = json!({ "UnreservedConcurrentExecutions": self.unreserved });
                (200, json!({ "AccountLimit": limit }))
            }
            "GetParameters" => (200, self.parameters(request)),
            "FilterLogEvents" => (200, self.events(request)),
            _ => (400, json!({ "__type": "UnknownOperationException" })),
        }
    }

    /// The errors of a log group and three other lines; the filter of the request is ignored.
    fn events(&self, request: &Request) -> Value {
        let wanted: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let group = wanted.get("logGroupName").and_then(Value::as_str);
        let lines = group.and_then(|group| self.errors.get(group)).copied().unwrap_or(0);
        let mut events = vec![json!({ "message": r#"{"level":"ERROR","message":"a function panicked"}"# }); lines];
        for other in [
            r#"{"level":"INFO","message":"a call is over"}"#,
            r#"{"type":"platform.report","record":{"status":"success"}}"#,
            "not JSON",
        ] {
            events.push(json!({ "message": other }));
        }
        json!({ "events": events })
    }

    fn parameters(&self, request: &Request) -> Value {
        let wanted: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let names = wanted.get("Names").and_then(Value::as_array);
        let names = names.into_iter().flatten().filter_map(Value::as_str);
        let found: Vec<Value> = names
            .filter_map(|name| {
                let (kind, value) = self.parameters.get(name)?;
                Some(json!({ "Name": name, "Type": kind, "Value": value }))
            })
            .collect();
        json!({ "Parameters": found })
    }
}

/// The action that a request to Lambda, SSM or `CloudWatch` Logs names; none for any other request.
pub(crate) fn action(request: &Request) -> Option<&str> {
    let path = request.uri().path();
    match path.trim_matches('/').split('/').collect::<Vec<_>>().as_slice() {
        ["2015-03-31", "functions", _, "configuration"] => Some("GetFunctionConfiguration"),
        ["2019-09-30", "functions", _, "concurrency"] => Some("GetFunctionConcurrency"),
        ["2015-03-31", "event-source-mappings"] => Some("ListEventSourceMappings"),
        ["2016-08-19", "account-settings"] => Some("GetAccountSettings"),
        _ => {
            let target = request.headers().get("x-amz-target")?.to_str().ok()?;
            let ssm = target.strip_prefix("AmazonSSM.");
            ssm.or_else(|| target.strip_prefix("Logs_20140328."))
        }
    }
}
