//! The shipped examples pass their samples.

use crate::bot::Bot;
use crate::bot::sample::{self, Sample};

pub(super) const EXAMPLES: [(&str, &str, &str); 4] = [
    (
        "opening-hours",
        include_str!("../../../../functions/responder/examples/opening-hours.yaml"),
        include_str!("../../../../functions/responder/examples/opening-hours.sample.yaml"),
    ),
    (
        "order-status",
        include_str!("../../../../functions/responder/examples/order-status.yaml"),
        include_str!("../../../../functions/responder/examples/order-status.sample.yaml"),
    ),
    (
        "call-back",
        include_str!("../../../../functions/responder/examples/call-back.yaml"),
        include_str!("../../../../functions/responder/examples/call-back.sample.yaml"),
    ),
    (
        "assistant",
        include_str!("../../../../functions/responder/examples/assistant.yaml"),
        include_str!("../../../../functions/responder/examples/assistant.sample.yaml"),
    ),
];

#[test]
fn example_passes_its_sample() {
    for (name, document, exchanges) in EXAMPLES {
        let bot = match Bot::read(document) {
            Ok(bot) => bot,
            Err(issues) => panic!(
                "{name}: {:#?}",
                issues.iter().map(ToString::to_string).collect::<Vec<_>>()
            ),
        };
        let sample = match Sample::read(exchanges) {
            Ok(sample) => sample,
            Err(issues) => panic!(
                "{name}: {:#?}",
                issues.iter().map(ToString::to_string).collect::<Vec<_>>()
            ),
        };
        let results = sample::run(&bot, &sample);
        assert_eq!(results.len(), sample.exchanges.len());
        for result in results {
            assert_eq!(result.failures, Vec::<String>::new(), "{name}: {result:#?}");
        }
    }
}
