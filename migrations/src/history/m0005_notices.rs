//! What needs a person now, and what of it is still to be told: one row for each open need, one for each notice that
//! the receiver has not acknowledged. Both follow from the events, and are written in the same commit.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[derive(DeriveIden)]
enum Attention {
    Table,
    Gid,
    Cause,
    OpenedSeq,
    SinceUs,
    BranchId,
    Op,
    Reason,
    Owner,
    AcknowledgedBy,
    AcknowledgedAtUs,
    Note,
}

#[derive(DeriveIden)]
enum Notice {
    Table,
    Gid,
    Cause,
    Seq,
    TimeUs,
    Body,
    Attempts,
    NextAtUs,
    LastError,
}

/// What was open before there was this table. Of several openings without a closing behind them the first counts; a
/// decision to undo closes what was needed to go forward.
const OPEN_ALREADY: &str = "INSERT INTO attention (gid, cause, opened_seq, since_us, branch_id, op, reason, owner, \
    acknowledged_by, acknowledged_at_us, note) \
    SELECT opened.gid, opened.code, opened.seq, opened.time_us, opened.branch_id, opened.op, opened.reason, \
    '', '', 0, '' FROM event AS opened JOIN ( \
        SELECT e.gid, e.code, MIN(e.seq) AS seq FROM event AS e \
        JOIN global_transaction AS g ON g.gid = e.gid AND g.needs_attention \
        WHERE e.kind = 'attention_opened' AND NOT EXISTS ( \
            SELECT 1 FROM event AS c WHERE c.gid = e.gid AND c.seq > e.seq \
            AND (c.kind = 'finished' OR (c.kind = 'attention_closed' AND c.code = e.code) \
            OR (c.kind IN ('undo_decided', 'abort_decided') AND e.code <> 'disagreement' \
                AND e.op IN ('action', 'try', 'confirm')))) \
        GROUP BY e.gid, e.code) AS first ON first.gid = opened.gid AND first.seq = opened.seq";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(attention()).await?;
        let oldest = Index::create()
            .name("attention_since")
            .table(Attention::Table)
            .col(Attention::SinceUs)
            .col(Attention::Gid)
            .col(Attention::Cause)
            .take();
        manager.create_index(oldest).await?;
        manager.create_table(notice()).await?;
        let due = Index::create().name("notice_next_at").table(Notice::Table).col(Notice::NextAtUs).take();
        manager.create_index(due).await?;
        manager.get_connection().execute_unprepared(OPEN_ALREADY).await.map(|_| ())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Notice::Table).take()).await?;
        manager.drop_table(Table::drop().table(Attention::Table).take()).await
    }
}

fn attention() -> TableCreateStatement {
    Table::create()
        .table(Attention::Table)
        .col(ColumnDef::new(Attention::Gid).text().not_null())
        .col(ColumnDef::new(Attention::Cause).text().not_null())
        .col(ColumnDef::new(Attention::OpenedSeq).big_integer().not_null())
        .col(ColumnDef::new(Attention::SinceUs).big_integer().not_null())
        .col(ColumnDef::new(Attention::BranchId).text().not_null())
        .col(ColumnDef::new(Attention::Op).text().not_null())
        .col(ColumnDef::new(Attention::Reason).text().not_null())
        .col(ColumnDef::new(Attention::Owner).text().not_null())
        .col(ColumnDef::new(Attention::AcknowledgedBy).text().not_null())
        .col(ColumnDef::new(Attention::AcknowledgedAtUs).big_integer().not_null())
        .col(ColumnDef::new(Attention::Note).text().not_null())
        .primary_key(Index::create().col(Attention::Gid).col(Attention::Cause))
        .take()
}

fn notice() -> TableCreateStatement {
    Table::create()
        .table(Notice::Table)
        .col(ColumnDef::new(Notice::Gid).text().not_null())
        .col(ColumnDef::new(Notice::Cause).text().not_null())
        .col(ColumnDef::new(Notice::Seq).big_integer().not_null())
        .col(ColumnDef::new(Notice::TimeUs).big_integer().not_null())
        .col(ColumnDef::new(Notice::Body).text().not_null())
        .col(ColumnDef::new(Notice::Attempts).integer().not_null())
        .col(ColumnDef::new(Notice::NextAtUs).big_integer().not_null())
        .col(ColumnDef::new(Notice::LastError).text().not_null())
        .primary_key(Index::create().col(Notice::Gid).col(Notice::Cause).col(Notice::Seq))
        .take()
}
