//! First schema of the history: one row for each global transaction, its plan, and its events.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum GlobalTransaction {
    Table,
    Gid,
    Caller,
    RequestId,
    RequestDigest,
    Definition,
    DefinitionVersion,
    Mode,
    BusinessKey,
    Status,
    Reason,
    IsOpen,
    NeedsAttention,
    Coordinator,
    CreatedAtUs,
    FinishedAtUs,
}

#[derive(DeriveIden)]
enum Plan {
    Table,
    Gid,
    Body,
}

#[derive(DeriveIden)]
enum Event {
    Table,
    Gid,
    Seq,
    TimeUs,
    Kind,
    BranchId,
    Op,
    Attempt,
    Code,
    Reason,
    BuildId,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(global_transaction()).await?;
        manager
            .create_index(index(
                "global_transaction_request",
                true,
                [GlobalTransaction::Caller, GlobalTransaction::RequestId],
            ))
            .await?;
        manager
            .create_index(index(
                "global_transaction_business_key",
                false,
                [GlobalTransaction::Definition, GlobalTransaction::BusinessKey],
            ))
            .await?;
        manager
            .create_index(index(
                "global_transaction_status",
                false,
                [GlobalTransaction::Status, GlobalTransaction::Gid],
            ))
            .await?;
        manager
            .create_index(index(
                "global_transaction_open",
                false,
                [GlobalTransaction::IsOpen, GlobalTransaction::Gid],
            ))
            .await?;
        manager.create_table(plan()).await?;
        manager.create_table(event()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Event::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Plan::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(GlobalTransaction::Table).to_owned()).await
    }
}

fn global_transaction() -> TableCreateStatement {
    Table::create()
        .table(GlobalTransaction::Table)
        .col(ColumnDef::new(GlobalTransaction::Gid).text().not_null().primary_key())
        .col(ColumnDef::new(GlobalTransaction::Caller).text().not_null())
        .col(ColumnDef::new(GlobalTransaction::RequestId).text().not_null())
        .col(ColumnDef::new(GlobalTransaction::RequestDigest).binary().not_null())
        .col(ColumnDef::new(GlobalTransaction::Definition).text().not_null())
        .col(ColumnDef::new(GlobalTransaction::DefinitionVersion).integer().not_null())
        .col(ColumnDef::new(GlobalTransaction::Mode).text().not_null())
        .col(ColumnDef::new(GlobalTransaction::BusinessKey).text().not_null())
        .col(ColumnDef::new(GlobalTransaction::Status).text().not_null())
        .col(ColumnDef::new(GlobalTransaction::Reason).text().not_null())
        .col(ColumnDef::new(GlobalTransaction::IsOpen).boolean().not_null())
        .col(ColumnDef::new(GlobalTransaction::NeedsAttention).boolean().not_null())
        .col(ColumnDef::new(GlobalTransaction::Coordinator).text().not_null())
        .col(ColumnDef::new(GlobalTransaction::CreatedAtUs).big_integer().not_null())
        .col(ColumnDef::new(GlobalTransaction::FinishedAtUs).big_integer().not_null())
        .to_owned()
}

fn plan() -> TableCreateStatement {
    Table::create()
        .table(Plan::Table)
        .col(ColumnDef::new(Plan::Gid).text().not_null().primary_key())
        .col(ColumnDef::new(Plan::Body).binary().not_null())
        .to_owned()
}

fn event() -> TableCreateStatement {
    Table::create()
        .table(Event::Table)
        .col(ColumnDef::new(Event::Gid).text().not_null())
        .col(ColumnDef::new(Event::Seq).big_integer().not_null())
        .col(ColumnDef::new(Event::TimeUs).big_integer().not_null())
        .col(ColumnDef::new(Event::Kind).text().not_null())
        .col(ColumnDef::new(Event::BranchId).text().not_null())
        .col(ColumnDef::new(Event::Op).text().not_null())
        .col(ColumnDef::new(Event::Attempt).integer().not_null())
        .col(ColumnDef::new(Event::Code).text().not_null())
        .col(ColumnDef::new(Event::Reason).text().not_null())
        .col(ColumnDef::new(Event::BuildId).text().not_null())
        .primary_key(Index::create().col(Event::Gid).col(Event::Seq))
        .to_owned()
}

fn index<const N: usize>(name: &str, unique: bool, columns: [GlobalTransaction; N]) -> IndexCreateStatement {
    let mut index = Index::create();
    index.name(name).table(GlobalTransaction::Table);
    if unique {
        index.unique();
    }
    for column in columns {
        index.col(column);
    }
    index.to_owned()
}
