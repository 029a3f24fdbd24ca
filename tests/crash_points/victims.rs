//! Who is to die where: each process at both sides of each of its places. Knows nothing of how it comes about.
use crate::folder_of;
use amends_crash_points::{Place, Point};
use amends_stack::Role;
use std::fmt;
use std::path::{Path, PathBuf};

/// A process and a point.
#[derive(Debug, Clone, Copy)]
pub struct Victim {
    /// Who.
    pub role: Role,
    /// Where.
    pub point: Point,
}

/// Everybody at all of their points; first the gateway, whose undos come of other deaths, too.
pub fn all() -> Vec<Victim> {
    let of = |role: Role| {
        let own = Point::all().filter(move |point| point.place.processes().contains(&role.as_str()));
        own.map(move |point| Victim { role, point })
    };
    let mut all: Vec<Victim> = Role::ALL.into_iter().flat_map(of).collect();
    all.sort_by_key(|victim| victim.role != Role::Gateway);
    let named: usize = Place::ALL.iter().map(|place| 2 * place.processes().len()).sum();
    assert_eq!(all.len(), named, "a place names a process that there is not");
    all
}

impl Victim {
    /// Whether it has died there.
    pub fn has_died(&self, points: &Path) -> bool {
        self.point.was_hit(&self.folder(points))
    }

    /// Where it looks for what it is to die at.
    pub fn folder(&self, points: &Path) -> PathBuf {
        folder_of(points, self.role)
    }

    /// What it does once, when it starts.
    pub fn is_at_start(&self) -> bool {
        let archives = matches!(self.point.place, Place::ArchiveFile | Place::Purge | Place::ArchiveName);
        archives || matches!(self.point.place, Place::Migration | Place::TakeOver)
    }
}

impl fmt::Display for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:12} {}", self.role, self.point))
    }
}
