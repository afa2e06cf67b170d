//! A function that does nothing: the baseline of the cold-start measurements (`tests/e2e/cold.py`).

use std::convert::Infallible;

use lambda_http::{Body, Error, Request, Response, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(|_: Request| async {
        Ok::<_, Infallible>(Response::new(Body::Empty))
    }))
    .await
}
