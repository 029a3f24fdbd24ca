//! The last test by name: when all stories are over, every invariant must hold over all that they left behind.
use crate::stage::curtain;
use amends_checkers::{Quiet, Targets, wait_quiet};
use amends_stack::Role;
use std::time::Duration;

#[test]
fn everything_comes_to_rest_and_holds() {
    curtain(async |world| {
        let orchestrator = world.stack().address(Role::Orchestrator);
        let targets = Targets::from_topology(&orchestrator).await.expect("the topology");
        let quiet = wait_quiet(&targets, Duration::from_secs(60)).await.expect("everything answers");
        assert_eq!(quiet, Quiet::Reached);
        world.check().await;
    });
}
