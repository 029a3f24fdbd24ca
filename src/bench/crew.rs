//! The processes whose work is one side's, by the part that they play. Knows what they are for, nothing of what they do.
use super::usage::{self, Extent};
use std::collections::BTreeMap;

/// What a process is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The DTM server.
    Dtm,
    /// The server behind it, with its children, if it keeps its data on one.
    Store,
    /// The orchestrator.
    Orchestrator,
    /// The five services.
    Services,
    /// The payment service provider.
    Psp,
    /// This program: the clients, and the participant that does nothing.
    Bench,
}

impl Part {
    pub const ALL: [Part; 6] =
        [Part::Dtm, Part::Store, Part::Orchestrator, Part::Services, Part::Psp, Part::Bench];

    /// As figures name it.
    pub fn name(self) -> &'static str {
        match self {
            Part::Dtm => "dtm",
            Part::Store => "store",
            Part::Orchestrator => "orchestrator",
            Part::Services => "services",
            Part::Psp => "psp",
            Part::Bench => "bench",
        }
    }

    fn extent(self) -> Extent {
        match self {
            Part::Store => Extent::Family,
            // All the others are children of this program, and have none.
            Part::Dtm | Part::Orchestrator | Part::Services | Part::Psp | Part::Bench => Extent::Alone,
        }
    }
}

/// Everybody who works for a side.
#[derive(Debug, Clone)]
pub struct Crew(Vec<(Part, u32)>);

/// Memory of a side.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Held {
    /// In use, by part; without this program, which holds what it measured.
    pub resident_mib: BTreeMap<Part, f64>,
    /// The most that the orchestrator used; 0 where none takes part.
    pub orchestrator_peak_mib: f64,
}

impl Crew {
    /// These processes, and this one.
    pub fn new(members: impl IntoIterator<Item = (Part, u32)>) -> Crew {
        Crew(members.into_iter().chain([(Part::Bench, std::process::id())]).collect())
    }

    /// CPU seconds that each part has used until now.
    pub fn cpu_s(&self) -> anyhow::Result<BTreeMap<Part, f64>> {
        let mut used = BTreeMap::new();
        for (part, pid) in &self.0 {
            *used.entry(*part).or_default() += usage::cpu_s(*pid, part.extent())?;
        }
        Ok(used)
    }

    /// Memory that is in use now.
    pub fn held(&self) -> anyhow::Result<Held> {
        let mut held = Held::default();
        for (part, pid) in self.0.iter().filter(|(part, _)| *part != Part::Bench) {
            let memory = usage::memory(*pid, part.extent())?;
            *held.resident_mib.entry(*part).or_default() += memory.resident_mib;
            if *part == Part::Orchestrator {
                held.orchestrator_peak_mib = held.orchestrator_peak_mib.max(memory.peak_mib);
            }
        }
        Ok(held)
    }

    /// Lets the peaks begin anew.
    pub fn forget_peaks(&self) {
        for (_, pid) in self.0.iter().filter(|(part, _)| *part == Part::Orchestrator) {
            usage::forget_peak(*pid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_several_processes_are_added_up() {
        let own = std::process::id();
        let crew = Crew::new([(Part::Orchestrator, own), (Part::Services, own), (Part::Services, own)]);
        crew.forget_peaks();
        let held = crew.held().unwrap();
        let [one, two] = [Part::Orchestrator, Part::Services].map(|part| held.resident_mib[&part]);
        assert!(two > 1.5 * one, "{held:?}");
        assert!(
            held.orchestrator_peak_mib > 1.0 && !held.resident_mib.contains_key(&Part::Bench),
            "{held:?}"
        );
        let parts: Vec<Part> = crew.cpu_s().unwrap().into_keys().collect();
        assert_eq!(parts, [Part::Orchestrator, Part::Services, Part::Bench]);
    }
}
