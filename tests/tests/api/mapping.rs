//! The API under the base path of a custom domain: API Gateway keeps the base path in the path that functions receive.

use bytes::Bytes;

use crate::common::{request, send, world};

#[tokio::test(start_paused = true)]
async fn every_route_works_under_a_mapped_base_path() {
    let world = world([]).await;
    let dispatch = "/v1/dispatches/dsp_00000000000000000000000000000001";
    for (method, path) in [
        ("GET", "/v1/dispatches"),
        ("GET", dispatch),
        ("POST", &format!("{dispatch}/cancel")),
        ("POST", "/v1/dispatches/preview"),
        ("GET", "/v1/links"),
        ("PUT", "/v1/links/orders"),
        ("POST", "/agent4/a.b/orders"),
        ("POST", "/routee/collect/a.b.c.d"),
        ("POST", "/routee/status/a.b.c.d"),
        ("POST", "/voice/api/v1/twilio/set-context"),
        ("POST", "/voice/api/v1/vapi/get-context"),
        ("GET", "/v1/contexts/+12025550143"),
        ("DELETE", "/v1/contexts/+12025550143"),
        ("POST", "/twilio/transfer/a.b"),
    ] {
        let ask = async |path: &str| send(&world, request(method, path).body(Bytes::new()).unwrap()).await;
        let (plain, mapped) = (ask(path).await, ask(&format!("/mapped{path}")).await);
        assert_eq!(
            (plain.status, &plain.json),
            (mapped.status, &mapped.json),
            "{method} {path}"
        );
        // A route without a function would answer with a 404 of another format.
        assert!(plain.json.to_string().contains("urn:patchbay:problem:"), "{plain:?}");
        assert!(
            !plain.json.to_string().contains("urn:patchbay:problem:not-found"),
            "{plain:?}"
        );
    }
}
