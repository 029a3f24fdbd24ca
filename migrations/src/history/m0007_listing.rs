//! What lists and filters ask for: marks of trouble in the row, and which steps a kind of deed has. The indexes hold
//! only rows that are open or were in trouble: those that went well cost one entry, by shape.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum GlobalTransaction {
    Table,
    Shape,
    Attempts,
    Paused,
    Codes,
    WaitingFor,
}

#[derive(DeriveIden)]
enum Shape {
    Table,
    Id,
    Definition,
    Mode,
    Coordinator,
    Participants,
    Steps,
}

/// In place of the one over all rows: an end then only takes an entry out.
const OLD_OPEN: &str = "global_transaction_open";
const INDEXES: [(&str, &str); 4] = [
    ("global_transaction_is_open", "(gid) WHERE is_open"),
    ("global_transaction_shape", "(shape, gid)"),
    ("global_transaction_codes", "(codes, gid) WHERE codes <> ''"),
    ("global_transaction_attempts", "(gid) WHERE attempts > 1"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in columns() {
            let added = Table::alter().table(GlobalTransaction::Table).add_column(column).take();
            manager.alter_table(added).await?;
        }
        manager.create_table(shape()).await?;
        for (name, on) in INDEXES {
            let sql = format!("CREATE INDEX {name} ON global_transaction {on}");
            manager.get_connection().execute_unprepared(&sql).await?;
        }
        manager.drop_index(Index::drop().name(OLD_OPEN).to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = format!("CREATE INDEX {OLD_OPEN} ON global_transaction (is_open, gid)");
        manager.get_connection().execute_unprepared(&sql).await?;
        for (name, _) in INDEXES {
            manager.drop_index(Index::drop().name(name).to_owned()).await?;
        }
        manager.drop_table(Table::drop().table(Shape::Table).take()).await?;
        for column in [
            GlobalTransaction::Shape,
            GlobalTransaction::Attempts,
            GlobalTransaction::Paused,
            GlobalTransaction::Codes,
            GlobalTransaction::WaitingFor,
        ] {
            let without = Table::alter().table(GlobalTransaction::Table).drop_column(column).take();
            manager.alter_table(without).await?;
        }
        Ok(())
    }
}

fn columns() -> [ColumnDef; 5] {
    let text = |column| ColumnDef::new(column).text().not_null().default("").take();
    [
        ColumnDef::new(GlobalTransaction::Shape).big_integer().not_null().default(0).take(),
        ColumnDef::new(GlobalTransaction::Attempts).integer().not_null().default(0).take(),
        ColumnDef::new(GlobalTransaction::Paused).boolean().not_null().default(false).take(),
        text(GlobalTransaction::Codes),
        text(GlobalTransaction::WaitingFor),
    ]
}

fn shape() -> TableCreateStatement {
    Table::create()
        .table(Shape::Table)
        .col(ColumnDef::new(Shape::Id).big_integer().not_null().primary_key())
        .col(ColumnDef::new(Shape::Definition).text().not_null())
        .col(ColumnDef::new(Shape::Mode).text().not_null())
        .col(ColumnDef::new(Shape::Coordinator).text().not_null())
        .col(ColumnDef::new(Shape::Participants).text().not_null())
        .col(ColumnDef::new(Shape::Steps).text().not_null())
        .take()
}
