//! What people do about items in doubt: claims, proposals, approvals; and that the processor's word is watched for after
//! a person's. Every act has a row in `in_doubt_act`, which is only ever added to.
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, big_pk_auto, string_len};

/// Adds columns to `in_doubt_item`, and makes the table `in_doubt_act`.
#[derive(DeriveMigrationName)]
pub struct Migration;

const ITEM: &str = "in_doubt_item";
const ACT: &str = "in_doubt_act";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column at a time.
        for column in columns() {
            manager.alter_table(Table::alter().table(ITEM).add_column(column).to_owned()).await?;
        }
        manager.create_table(acts()).await?;
        let of_item = Index::create().name("in_doubt_act_item").table(ACT).col("item_id").to_owned();
        manager.create_index(of_item).await?;
        let unresolved = "CREATE UNIQUE INDEX in_doubt_unresolved ON in_doubt_item (payment_id, kind) WHERE state <> 'resolved'";
        let watched =
            "CREATE INDEX in_doubt_watched ON in_doubt_item (watch_next_us) WHERE watch_next_us IS NOT NULL";
        for index in [unresolved, watched] {
            manager.get_connection().execute_unprepared(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(ACT).to_owned()).await
    }
}

fn columns() -> Vec<ColumnDef> {
    let text = |name: &'static str, length| string_len(name, length).default("").take();
    let number = |name: &'static str| big_integer(name).default(0).take();
    vec![
        text("holder", 64),
        number("token"),
        number("held_until_us"),
        text("proposed", 16),
        text("psp_txn_id", 64),
        text("evidence", 1_000),
        text("reference", 200),
        text("proposed_by", 64),
        number("proposed_token"),
        text("approved_by", 64),
        number("approved_token"),
        text("watched_request_id", 36),
        big_integer_null("watch_next_us"),
    ]
}

fn acts() -> TableCreateStatement {
    Table::create()
        .table(ACT)
        .col(big_pk_auto("seq"))
        .col(string_len("item_id", 36))
        .col(big_integer("at_us"))
        .col(string_len("actor", 64))
        .col(string_len("act", 16))
        .col(big_integer("token"))
        .col(string_len("detail", 1_400))
        .to_owned()
}
