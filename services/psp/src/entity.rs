//! Rows of the processor's store. Holds no rule.

/// What is known of one request.
pub mod request {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "request")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub seq: i64,
        #[sea_orm(unique)]
        pub psp_request_id: String,
        pub op: String,
        pub merchant_id: String,
        pub order_id: String,
        pub amount_minor: i64,
        pub currency: String,
        pub original_request_id: String,
        pub params_hash: String,
        pub standing: String,
        pub code: String,
        pub behaviour: String,
        pub txn_id: Option<String>,
        pub auth_code: Option<String>,
        pub authorized_now: i64,
        pub kept_now: i64,
        pub repeats: i32,
        pub queries: i32,
        pub due_at_us: Option<i64>,
        pub created_at_us: i64,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// A behaviour set for coming calls; an empty text or a zero means any.
pub mod script {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "script")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub seq: i64,
        pub psp_request_id: String,
        pub order_id: String,
        pub op: String,
        pub nth: i32,
        pub behaviour: String,
        /// Calls that this script fitted, since it was set.
        pub seen: i32,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// How often a request was made while a profile was in force.
pub mod call_count {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "call_count")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub psp_request_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub op: String,
        pub calls: i32,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// Settings made by scripts: the profile in force, the end of an outage.
pub mod setting {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "setting")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        pub value: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}
