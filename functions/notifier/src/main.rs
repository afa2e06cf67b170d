//! Works off the `notifications` queue: tells requesters what happened.

use aws_lambda_events::sqs::SqsEvent;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use notifier::{Deps, handle};
use patchbay::dispatch::work::Notice;
use patchbay::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let (deps, outbox) = Deps::load()?;
    run(service_fn(|event: LambdaEvent<SqsEvent>| async {
        Ok::<_, Error>(match deps.current().await {
            Ok(deps) => handle(deps.as_ref(), event.payload).await,
            // Not left to the visibility timeout: that would be a minute, for what may pass in a second.
            Err(error) => outbox.all::<Notice>(&event.payload, &error).await,
        })
    }))
    .await
}
