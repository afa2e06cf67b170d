//! Every function is registered in all four places that need it: its folder below `functions`, its block in
//! `infra/template.yaml`, its name and routes in `Cargo.toml`, and its handler in the simulated world
//! (`tests/simulators/src/world/functions.rs`). Everything else that uses a function's name is derived from the
//! template, or compared with it: here, in `--test events` (Cargo.toml, README), `--test deploying` (name, log, alarms,
//! dashboard) and `--test permissions`.

mod common;
#[path = "common/template.rs"]
mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use common::{ask, world};
use serde_json::Value;

#[test]
fn the_template_deploys_every_function_and_no_other() {
    let folders = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions")).unwrap();
    let folders: BTreeSet<String> = folders
        .map(|folder| folder.unwrap().file_name().into_string().unwrap())
        .collect();
    template::agrees("functions/", &folders, &template::names());
}

#[tokio::test(start_paused = true)]
async fn the_simulated_api_has_every_route_of_the_template() {
    let world = world([]).await;
    let routes = template::routes();
    let mut served = BTreeMap::new();
    for route in routes.keys() {
        let (method, path) = route.split_once(' ').unwrap();
        world.aws.recorder().clear();
        ask(&world, method, &template::sample(path), &Value::Null).await;
        let run = world.aws.recorder().runs().pop();
        served.insert(
            route.clone(),
            run.map_or_else(String::new, |run| run.function.to_string()),
        );
    }
    template::agrees(
        "tests/simulators/src/world/functions.rs",
        &template::lines(&served),
        &template::lines(&routes),
    );
}

#[tokio::test(start_paused = true)]
async fn every_function_without_a_route_runs_in_the_simulated_world() {
    let world = world([]).await;
    let with_routes: BTreeSet<String> = template::routes().into_values().collect();
    for name in template::names().difference(&with_routes) {
        world.aws.recorder().clear();
        // The simulated world needs names with the lifetime of the process.
        let name: &'static str = name.clone().leak();
        let fixture = format!("{}/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let event: Value = serde_json::from_str(&fs::read_to_string(fixture).unwrap()).unwrap();
        if event["Records"].is_array() {
            world
                .consume(name, serde_json::from_value(event).unwrap())
                .await
                .unwrap();
        } else {
            world.run_sentinel(event).await.unwrap();
        }
        let record = world.aws.recorder().last(name);
        assert!(
            record.is_some(),
            "tests/simulators/src/world/functions.rs does not run {name}"
        );
    }
}
