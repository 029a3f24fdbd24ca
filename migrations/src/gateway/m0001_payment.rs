//! Table of the payments. An order has at most one live payment: one that may keep money, now or later.
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, big_pk_auto, boolean, string_len};

/// Makes the table `payment`.
#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(payment()).await?;
        manager
            .create_index(
                Index::create()
                    .name("payment_branch")
                    .table("payment")
                    .col("gid")
                    .col("branch_id")
                    .unique()
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("payment_undo")
                    .table("payment")
                    .col("undo_wanted")
                    .col("state")
                    .to_owned(),
            )
            .await?;
        let live = "CREATE UNIQUE INDEX payment_live ON payment (order_id) \
                    WHERE state NOT IN ('declined', 'closed', 'expired', 'voided', 'reversed')";
        manager.get_connection().execute_unprepared(live).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("payment").to_owned()).await
    }
}

fn payment() -> TableCreateStatement {
    Table::create()
        .table("payment")
        .col(big_pk_auto("seq"))
        .col(string_len("payment_id", 36).unique_key())
        .col(string_len("gid", 36))
        .col(string_len("branch_id", 16))
        .col(string_len("forward_op", 16))
        .col(string_len("order_id", 36))
        .col(string_len("merchant_id", 64))
        .col(string_len("user_id", 64))
        .col(big_integer("amount_minor"))
        .col(string_len("currency", 3))
        .col(string_len("method", 64))
        .col(string_len("psp", 64))
        .col(string_len("card_token", 128))
        .col(string_len("state", 16))
        .col(string_len("pending", 16))
        .col(big_integer("authorized"))
        .col(big_integer("captured"))
        .col(big_integer("refunded"))
        .col(boolean("undo_wanted"))
        .col(big_integer_null("in_doubt_since_us"))
        .col(string_len("psp_request_id", 36))
        .col(string_len("psp_txn_id", 64))
        .col(string_len("auth_code", 16))
        .col(boolean("duplicate"))
        .col(big_integer("version"))
        .col(big_integer("created_at_us"))
        .col(big_integer("updated_at_us"))
        .to_owned()
}
