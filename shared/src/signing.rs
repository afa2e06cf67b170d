//! AWS Signature Version 4, for the few AWS requests that are made without an SDK client.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign as signature};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::box_error::BoxError;
use bytes::Bytes;

/// Signs a request to an AWS service.
///
/// # Errors
/// When the request cannot be signed, for example because its URL is malformed.
pub fn sign(
    credentials: &Credentials,
    region: &str,
    service: &str,
    now: SystemTime,
    request: &mut http::Request<Bytes>,
) -> Result<(), BoxError> {
    let identity = credentials.clone().into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(now)
        .settings(SigningSettings::default())
        .build()?
        .into();
    let headers = request.headers().iter();
    let headers: Vec<(&str, &str)> = headers
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect();
    let signable = SignableRequest::new(
        request.method().as_str(),
        request.uri().to_string(),
        headers.into_iter(),
        SignableBody::Bytes(request.body()),
    )?;
    let (instructions, _) = signature(signable, &parameters)?.into_parts();
    instructions.apply_to_request_http1x(request);
    Ok(())
}
