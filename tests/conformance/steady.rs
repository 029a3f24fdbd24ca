//! Proof that a call changed nothing: all rows of a service before and after, with what the guard may remember
//! counted apart.
use crate::digest::Snapshot;
use crate::world::World;
use amends_stack::Role;

/// What a service, and whoever it would have asked outside, held at one time.
pub struct Steady<'w> {
    world: &'w World,
    roles: Vec<Role>,
    before: Vec<Snapshot>,
}

impl<'w> Steady<'w> {
    pub async fn of(world: &'w World, role: Role) -> Steady<'w> {
        let roles = if role == Role::Gateway { vec![role, Role::Psp] } else { vec![role] };
        let mut before = Vec::new();
        for role in &roles {
            before.push(world.store(*role).snapshot().await);
        }
        Steady { world, roles, before }
    }

    /// Fails if any row has changed, or the guard does not remember exactly `rows` more calls.
    pub async fn still(&self, rows: i64, what: &str) {
        for (role, before) in self.roles.iter().zip(&self.before) {
            let after = self.world.store(*role).snapshot().await;
            for (table, rows) in &before.rows {
                assert_eq!(&after.rows[table], rows, "{what}: table {table} of {role} has changed");
            }
            for (table, count) in &before.remembered {
                let more = if table == "branch_op" { rows } else { 0 };
                assert_eq!(after.remembered[table], count + more, "{what}: rows of {table} of {role}");
            }
        }
    }
}
