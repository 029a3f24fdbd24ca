//! Names in a filter that nobody here has: a list that is empty for a typing error says so. Knows the filter's tree, no verb.
use crate::connect::Connection;
use crate::exit;
use crate::holds::PATIENCE;
use crate::output::Format;
use amends_orchestrator::filter::{Expr, Test, TextField, parse};
use amends_proto::amends::v1::operations_client::OperationsClient;
use amends_proto::amends::v1::{LanesRequest, StatsRequest};
use anyhow::Context as _;
use std::collections::BTreeSet;

/// Tells on standard error which participants and definitions of a filter nobody here has. Neither those on the allow-list
/// nor anything in history goes by such a name. Where that cannot be asked, nothing is told.
pub async fn warn(connection: Connection, filter: &str, format: Format) {
    // The orchestrator has read it, and a newer one may read more than we do.
    let Ok(tree) = parse(filter) else { return };
    let asked = Named::of(&tree);
    if asked == Named::default() {
        return;
    }
    let known = tokio::time::timeout(PATIENCE, Named::known(connection)).await;
    for line in known.ok().and_then(Result::ok).iter().flat_map(|known| asked.unknown(known)) {
        exit::warn(&line, format);
    }
}

/// Names of participants and of definitions.
#[derive(Debug, Default, PartialEq, Eq)]
struct Named {
    participants: BTreeSet<String>,
    definitions: BTreeSet<String>,
}

impl Named {
    /// Those that a filter names in full; a part of a name may be of any.
    fn of(tree: &Expr) -> Named {
        let mut named = Named::default();
        named.read(tree);
        named
    }

    fn read(&mut self, tree: &Expr) {
        match tree {
            Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| self.read(part)),
            Expr::Not(part) => self.read(part),
            Expr::Test(Test::Is(TextField::Participant | TextField::WaitingFor, names)) => {
                self.participants.extend(names.iter().cloned());
            }
            Expr::Test(Test::Is(TextField::Definition, names)) => {
                self.definitions.extend(names.iter().cloned());
            }
            Expr::Test(
                Test::Is(..)
                | Test::Flag(_)
                | Test::Contains(..)
                | Test::Count(..)
                | Test::Age(..)
                | Test::Time(..),
            ) => {}
        }
    }

    /// Those on the allow-list; and the definitions that can be started, or of which there is anything.
    async fn known(connection: Connection) -> anyhow::Result<Named> {
        let mut client = OperationsClient::new(connection);
        let lanes = client.lanes(LanesRequest::default()).await.context("lanes")?.into_inner().lanes;
        let stats = client.stats(StatsRequest {}).await.context("stats")?.into_inner();
        let participants: BTreeSet<String> = lanes.into_iter().map(|lane| lane.participant).collect();
        let names: Vec<&str> = participants.iter().map(String::as_str).collect();
        let own = amends_orchestrator::definition_names(&names).into_iter().map(ToOwned::to_owned);
        let definitions = own.chain(stats.statuses.into_iter().map(|figure| figure.definition)).collect();
        Ok(Named { participants, definitions })
    }

    /// A line for each of these names that is not among the known ones.
    fn unknown(&self, known: &Named) -> Vec<String> {
        let pairs = [
            ("participant", &self.participants, &known.participants),
            ("definition", &self.definitions, &known.definitions),
        ];
        let lines = pairs.into_iter().flat_map(|(kind, asked, known)| {
            let names = known.iter().cloned().collect::<Vec<_>>().join(", ");
            asked
                .difference(known)
                .map(move |name| format!("no {kind} is called `{name}`; known are: {names}"))
        });
        lines.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_wherever_a_filter_has_them() {
        let known = Named {
            participants: ["gateway", "order"].map(String::from).into(),
            definitions: ["checkout"].map(String::from).into(),
        };
        let unknown = |filter: &str| Named::of(&parse(filter).unwrap()).unknown(&known);
        let tree =
            "open and (participant in (gateway, gatway) or not definition = chekout) and waiting_for = ordre";
        let gatway = "no participant is called `gatway`; known are: gateway, order";
        let ordre = "no participant is called `ordre`; known are: gateway, order";
        let chekout = "no definition is called `chekout`; known are: checkout";
        assert_eq!(unknown(tree), [gatway, ordre, chekout]);
        assert_eq!(
            unknown("participant ~ \"gat\" and business_key = gatway and definition = checkout"),
            [""; 0]
        );
    }
}
