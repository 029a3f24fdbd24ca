//! The history's tables as SeaORM entities. Knows columns, nothing of what they mean.

/// One row for each global transaction.
pub mod global_transaction {
    use sea_orm::entity::prelude::*;

    /// The current fold of a history, for look-ups and lists.
    #[derive(Clone, Debug, Default, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "global_transaction")]
    pub struct Model {
        /// Names it.
        #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
        pub gid: String,
        /// Who asked for it.
        #[sea_orm(column_type = "Text")]
        pub caller: String,
        /// The caller's own id of the request; unique for the caller.
        #[sea_orm(column_type = "Text")]
        pub request_id: String,
        /// SHA-256 of what was asked.
        pub request_digest: Vec<u8>,
        /// E.g. `checkout`.
        #[sea_orm(column_type = "Text")]
        pub definition: String,
        /// Version of the definition.
        pub definition_version: i32,
        /// `saga` or `tcc`.
        #[sea_orm(column_type = "Text")]
        pub mode: String,
        /// The caller's own name for the deed.
        #[sea_orm(column_type = "Text")]
        pub business_key: String,
        /// Short lower-case status.
        #[sea_orm(column_type = "Text")]
        pub status: String,
        /// Why it did not, or will not, succeed; empty if nothing speaks against it.
        #[sea_orm(column_type = "Text")]
        pub reason: String,
        /// Not ended.
        pub is_open: bool,
        /// A person is needed.
        pub needs_attention: bool,
        /// `dtm` or `embedded`.
        #[sea_orm(column_type = "Text")]
        pub coordinator: String,
        /// Unix microseconds.
        pub created_at_us: i64,
        /// Unix microseconds; 0 = not ended.
        pub finished_at_us: i64,
        /// Which replica drives it; empty where there is only one orchestrator. The writer sets it.
        #[sea_orm(column_type = "Text")]
        pub owner: String,
        /// Id of its plan's shape; 0 = not known: it began before shapes were kept.
        pub shape: i64,
        /// Of the op with the most attempts.
        pub attempts: i32,
        /// It is paused by itself.
        pub paused: bool,
        /// Last codes of ops, other than OK: see `marks.rs`.
        #[sea_orm(column_type = "Text")]
        pub codes: String,
        /// Participants whose last answer to an op that has not ended was not OK.
        #[sea_orm(column_type = "Text")]
        pub waiting_for: String,
    }

    /// None that SeaORM needs to know.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What many plans have in common, once for all of them.
pub mod shape {
    use sea_orm::entity::prelude::*;

    /// Written with the first global transaction that has it, never changed.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "shape")]
    pub struct Model {
        /// Made of all the rest.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i64,
        /// E.g. `checkout`.
        #[sea_orm(column_type = "Text")]
        pub definition: String,
        /// `saga` or `tcc`.
        #[sea_orm(column_type = "Text")]
        pub mode: String,
        /// `dtm` or `embedded`.
        #[sea_orm(column_type = "Text")]
        pub coordinator: String,
        /// Names of the participants: see `marks.rs`.
        #[sea_orm(column_type = "Text")]
        pub participants: String,
        /// Names of the steps.
        #[sea_orm(column_type = "Text")]
        pub steps: String,
    }

    /// None that SeaORM needs to know.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Acts in bulk.
pub mod errand {
    use sea_orm::entity::prelude::*;

    /// What is to be done to many, and why.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "errand")]
    pub struct Model {
        /// A UUIDv7: the oldest is the smallest.
        #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
        pub id: String,
        /// Short lower-case name.
        #[sea_orm(column_type = "Text")]
        pub act: String,
        /// What found them.
        #[sea_orm(column_type = "Text")]
        pub filter: String,
        /// Who asked for it.
        #[sea_orm(column_type = "Text")]
        pub subject: String,
        /// For the histories.
        #[sea_orm(column_type = "Text")]
        pub reason: String,
        /// At most so many in a second, for each orchestrator.
        pub per_second: i32,
        /// Unix microseconds.
        pub created_at_us: i64,
    }

    /// None that SeaORM needs to know.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What became of each global transaction of an act in bulk.
pub mod errand_item {
    use sea_orm::entity::prelude::*;

    /// One of them.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "errand_item")]
    pub struct Model {
        /// Of which act.
        #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
        pub errand_id: String,
        /// On which global transaction.
        #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
        pub gid: String,
        /// `pending`, `done` or `refused`.
        #[sea_orm(column_type = "Text")]
        pub state: String,
        /// Why it was refused, or empty.
        #[sea_orm(column_type = "Text")]
        pub message: String,
        /// Unix microseconds; 0 = pending.
        pub done_at_us: i64,
    }

    /// None that SeaORM needs to know.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The plan of each global transaction, as its deterministic encoding.
pub mod plan {
    use sea_orm::entity::prelude::*;

    /// Written once, never changed.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "plan")]
    pub struct Model {
        /// Names the global transaction.
        #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
        pub gid: String,
        /// `amends.v1.Plan`, encoded.
        pub body: Vec<u8>,
    }

    /// None that SeaORM needs to know.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The events: appended, never changed.
pub mod event {
    use sea_orm::entity::prelude::*;

    /// One event of one history.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "event")]
    pub struct Model {
        /// Names the global transaction.
        #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
        pub gid: String,
        /// From 1, no gaps.
        #[sea_orm(primary_key, auto_increment = false)]
        pub seq: i64,
        /// Unix microseconds.
        pub time_us: i64,
        /// Name of the kind.
        #[sea_orm(column_type = "Text")]
        pub kind: String,
        /// Branch id, or empty.
        #[sea_orm(column_type = "Text")]
        pub branch_id: String,
        /// Op, or empty.
        #[sea_orm(column_type = "Text")]
        pub op: String,
        /// Number of the attempt, or 0.
        pub attempt: i32,
        /// gRPC code name, end or cause; or empty.
        #[sea_orm(column_type = "Text")]
        pub code: String,
        /// Reason, cause or text; or empty.
        #[sea_orm(column_type = "Text")]
        pub reason: String,
        /// Version of the orchestrator that wrote it.
        #[sea_orm(column_type = "Text")]
        pub build_id: String,
        /// What else is known of an act of a person, as a JSON object; or empty.
        #[sea_orm(column_type = "Text")]
        pub detail: String,
    }

    /// None that SeaORM needs to know.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Who holds back a whole definition or participant, and who did.
pub mod hold {
    use sea_orm::entity::prelude::*;

    /// One hold, from its beginning to its end.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "hold")]
    pub struct Model {
        /// `definition` or `participant`.
        #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
        pub kind: String,
        /// Which one.
        #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
        pub name: String,
        /// Unix microseconds.
        #[sea_orm(primary_key, auto_increment = false)]
        pub since_us: i64,
        /// What deadlines do meanwhile: `stop` or `run`.
        #[sea_orm(column_type = "Text")]
        pub deadlines: String,
        /// By whom.
        #[sea_orm(column_type = "Text")]
        pub subject: String,
        /// Why.
        #[sea_orm(column_type = "Text")]
        pub reason: String,
        /// Unix microseconds; 0 = it is in force.
        pub ended_us: i64,
        /// By whom; or empty.
        #[sea_orm(column_type = "Text")]
        pub ended_by: String,
        /// Why; or empty.
        #[sea_orm(column_type = "Text")]
        pub ended_reason: String,
    }

    /// None that SeaORM needs to know.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The orchestrators that share this history.
pub mod replica {
    use sea_orm::entity::prelude::*;

    /// One process, from its start to its end.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "replica")]
    pub struct Model {
        /// Names it; never used again.
        #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
        pub id: String,
        /// Its relay, as the other replicas reach it.
        #[sea_orm(column_type = "Text")]
        pub relay_address: String,
        /// Its API, as the other replicas reach it.
        #[sea_orm(column_type = "Text")]
        pub api_address: String,
        /// Unix microseconds by the database's clock: from then on others may fence it.
        pub expires_at_us: i64,
        /// It commits nothing any more, and has nothing.
        pub fenced: bool,
    }

    /// None that SeaORM needs to know.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What needs a person now: the open needs of all folds, for lists.
pub mod attention {
    use sea_orm::entity::prelude::*;

    /// One open need of one global transaction.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "attention")]
    pub struct Model {
        /// Names the global transaction.
        #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
        pub gid: String,
        /// Short name of the cause.
        #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
        pub cause: String,
        /// Seq of the event that opened it.
        pub opened_seq: i64,
        /// Unix microseconds.
        pub since_us: i64,
        /// The branch that waits, or empty.
        #[sea_orm(column_type = "Text")]
        pub branch_id: String,
        /// Its op, or empty.
        #[sea_orm(column_type = "Text")]
        pub op: String,
        /// For people.
        #[sea_orm(column_type = "Text")]
        pub reason: String,
        /// Who looks after it, or empty.
        #[sea_orm(column_type = "Text")]
        pub owner: String,
        /// Who said so, or empty: nobody has acknowledged it.
        #[sea_orm(column_type = "Text")]
        pub acknowledged_by: String,
        /// Unix microseconds; 0 = nobody has.
        pub acknowledged_at_us: i64,
        /// What that person noted.
        #[sea_orm(column_type = "Text")]
        pub note: String,
    }

    /// None that SeaORM needs to know.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Notices that the receiver has not acknowledged yet.
pub mod notice {
    use sea_orm::entity::prelude::*;

    /// One opening or closing, to be told.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "notice")]
    pub struct Model {
        /// Names the global transaction.
        #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
        pub gid: String,
        /// Short name of the cause.
        #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
        pub cause: String,
        /// Seq of the event that opened or closed it.
        #[sea_orm(primary_key, auto_increment = false)]
        pub seq: i64,
        /// Unix microseconds: when it happened.
        pub time_us: i64,
        /// What is sent, as JSON. Never changed.
        #[sea_orm(column_type = "Text")]
        pub body: String,
        /// How often it was sent.
        pub attempts: i32,
        /// Unix microseconds by the database's clock: until then it is somebody's, or waits.
        pub next_at_us: i64,
        /// Why the newest attempt failed, or empty.
        #[sea_orm(column_type = "Text")]
        pub last_error: String,
    }

    /// None that SeaORM needs to know.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
