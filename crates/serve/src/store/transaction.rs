//! A local transaction of either kind of database, and the few ways to use one. Knows no table.

use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait, ConnectionTrait as _, DatabaseConnection, DatabaseTransaction,
    DbBackend, DbErr, EntityTrait, IntoActiveModel, Iterable, PaginatorTrait as _, QueryTrait, Select,
    Statement, TryIntoModel,
    sea_query::{Asterisk, Expr, ExprTrait as _, OnConflict, Query},
};

use super::trace::Trace;
use super::turn::Turn;
use super::values::model;

/// What SeaORM makes of every entity; a name for a bound.
pub trait Row:
    EntityTrait<
        Model: IntoActiveModel<Self::ActiveModel> + Sync,
        ActiveModel: ActiveModelBehavior + TryIntoModel<Self::Model> + Send,
    >
{
}

impl<E> Row for E
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel> + Sync,
    E::ActiveModel: ActiveModelBehavior + TryIntoModel<E::Model> + Send,
{
}

/// The rows of the entity that `A` changes.
type ModelOf<A> = <<A as ActiveModelTrait>::Entity as EntityTrait>::Model;

/// A local transaction that may write. Dropping it rolls back.
///
/// On SQLite its statements run on the caller's thread, in some microseconds each: handing each of them to a pool's
/// thread and back costs more than the statement itself (ARCHITECTURE.md, Figures).
#[derive(Debug)]
pub struct LocalTransaction {
    kind: Kind,
    trace: Trace,
}

#[derive(Debug)]
enum Kind {
    Embedded(Turn),
    Server(DatabaseTransaction),
}

/// Where rows are read: a local transaction, or a connection of a store.
pub trait Reads: Sync {
    /// The first row.
    ///
    /// # Errors
    /// Those of the database.
    fn one<E: Row>(&self, select: Select<E>) -> impl Future<Output = Result<Option<E::Model>, DbErr>> + Send;

    /// All rows.
    ///
    /// # Errors
    /// Those of the database.
    fn all<E: Row>(&self, select: Select<E>) -> impl Future<Output = Result<Vec<E::Model>, DbErr>> + Send;
}

impl Reads for DatabaseConnection {
    async fn one<E: Row>(&self, select: Select<E>) -> Result<Option<E::Model>, DbErr> {
        select.one(self).await
    }

    async fn all<E: Row>(&self, select: Select<E>) -> Result<Vec<E::Model>, DbErr> {
        select.all(self).await
    }
}

impl Reads for LocalTransaction {
    async fn one<E: Row>(&self, select: Select<E>) -> Result<Option<E::Model>, DbErr> {
        self.trace.saw("SELECT");
        match &self.kind {
            Kind::Embedded(turn) => {
                Ok(turn.query(&select.build(DbBackend::Sqlite), 1, model::<E>)?.into_iter().next())
            }
            Kind::Server(transaction) => select.one(transaction).await,
        }
    }

    async fn all<E: Row>(&self, select: Select<E>) -> Result<Vec<E::Model>, DbErr> {
        self.trace.saw("SELECT");
        match &self.kind {
            Kind::Embedded(turn) => turn.query(&select.build(DbBackend::Sqlite), usize::MAX, model::<E>),
            Kind::Server(transaction) => select.all(transaction).await,
        }
    }
}

impl LocalTransaction {
    /// One on the connection that writes an SQLite file.
    pub(super) fn embedded(turn: Turn, trace: Trace) -> Self {
        Self { kind: Kind::Embedded(turn), trace }
    }

    /// One on a server.
    pub(super) fn on_server(transaction: DatabaseTransaction, trace: Trace) -> Self {
        Self { kind: Kind::Server(transaction), trace }
    }

    /// Which kind of database it is.
    #[must_use]
    pub fn backend(&self) -> DbBackend {
        match &self.kind {
            Kind::Embedded(_) => DbBackend::Sqlite,
            Kind::Server(transaction) => transaction.get_database_backend(),
        }
    }

    /// How many rows there are.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn count<E: Row>(&self, select: Select<E>) -> Result<u64, DbErr> {
        self.trace.saw("SELECT");
        match &self.kind {
            Kind::Embedded(turn) => {
                let rows = select.into_query();
                let counted = Query::select()
                    .expr(Expr::col(Asterisk).count())
                    .from_subquery(rows, "counted")
                    .to_owned();
                let number = |row: &rusqlite::Row<'_>| row.get(0).map_err(super::refusal::refused);
                let found: Vec<i64> = turn.query(&DbBackend::Sqlite.build(&counted), 1, number)?;
                Ok(found.first().and_then(|count| u64::try_from(*count).ok()).unwrap_or(0))
            }
            Kind::Server(transaction) => select.count(transaction).await,
        }
    }

    /// Runs an INSERT, UPDATE or DELETE and gives the number of rows that it changed.
    ///
    /// # Errors
    /// Those of the database; nothing is changed by a statement that failed.
    pub async fn run(&self, change: impl QueryTrait) -> Result<u64, DbErr> {
        self.statement(change.build(self.backend())).await
    }

    /// Runs a statement and gives the number of rows that it changed.
    ///
    /// # Errors
    /// Those of the database; nothing is changed by a statement that failed.
    pub async fn statement(&self, statement: Statement) -> Result<u64, DbErr> {
        self.trace.saw(&statement.sql);
        match &self.kind {
            Kind::Embedded(turn) => turn.execute(&statement),
            Kind::Server(transaction) => Ok(transaction.execute_raw(statement).await?.rows_affected()),
        }
    }

    /// Adds a row and gives it as it is stored, with its generated key.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn insert<A>(&self, row: A) -> Result<ModelOf<A>, DbErr>
    where
        A: ActiveModelTrait<Entity: Row<ActiveModel = A>> + ActiveModelBehavior + Send,
        ModelOf<A>: IntoActiveModel<A>,
    {
        self.trace.saw("INSERT");
        match &self.kind {
            Kind::Embedded(turn) => {
                let mut insert = sea_orm::Insert::one(row).into_query();
                let columns = <A::Entity as EntityTrait>::Column::iter();
                insert.returning(Query::returning().columns(columns));
                let stored = turn.query(&DbBackend::Sqlite.build(&insert), 1, model::<A::Entity>)?;
                stored.into_iter().next().ok_or(DbErr::RecordNotInserted)
            }
            Kind::Server(transaction) => row.insert(transaction).await,
        }
    }

    /// Adds a row and gives it as it is stored, unless one with any of its unique keys is there.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn insert_unless_there<A>(&self, row: A) -> Result<Option<ModelOf<A>>, DbErr>
    where
        A: ActiveModelTrait<Entity: Row<ActiveModel = A>> + ActiveModelBehavior + Send,
        ModelOf<A>: IntoActiveModel<A>,
    {
        self.trace.saw("INSERT");
        let mut insert = sea_orm::Insert::one(row).into_query();
        let columns = <A::Entity as EntityTrait>::Column::iter();
        insert.on_conflict(OnConflict::new().do_nothing().to_owned());
        insert.returning(Query::returning().columns(columns));
        let statement = self.backend().build(&insert);
        match &self.kind {
            Kind::Embedded(turn) => Ok(turn.query(&statement, 1, model::<A::Entity>)?.into_iter().next()),
            Kind::Server(transaction) => A::Entity::find().from_raw_sql(statement).one(transaction).await,
        }
    }

    /// Writes the changed columns of a row, found by its key, and gives the whole row.
    ///
    /// # Errors
    /// [`DbErr::RecordNotUpdated`] where there is no such row; those of the database.
    pub async fn update<A>(&self, row: A) -> Result<ModelOf<A>, DbErr>
    where
        A: ActiveModelTrait<Entity: Row<ActiveModel = A>>
            + ActiveModelBehavior
            + TryIntoModel<ModelOf<A>>
            + Send,
        ModelOf<A>: IntoActiveModel<A>,
    {
        self.trace.saw("UPDATE");
        match &self.kind {
            Kind::Embedded(turn) if row.is_changed() => {
                let update = sea_orm::Update::one(row.clone()).validate()?;
                match turn.execute(&update.build(DbBackend::Sqlite))? {
                    0 => Err(DbErr::RecordNotUpdated),
                    _ => row.try_into_model(),
                }
            }
            Kind::Embedded(_) => row.try_into_model(),
            Kind::Server(transaction) => row.update(transaction).await,
        }
    }

    /// Makes everything durable, or nothing.
    ///
    /// # Errors
    /// Nobody knows then whether it is durable.
    pub async fn commit(self) -> Result<(), DbErr> {
        let committed = match self.kind {
            Kind::Embedded(turn) => turn.commit().await,
            Kind::Server(transaction) => transaction.commit().await,
        };
        self.trace.end("committed", &committed);
        committed
    }

    /// Takes everything back.
    ///
    /// # Errors
    /// Where the way to the database broke; nothing is changed then either.
    pub async fn rollback(self) -> Result<(), DbErr> {
        let taken_back = match self.kind {
            Kind::Embedded(turn) => turn.rollback(),
            Kind::Server(transaction) => transaction.rollback().await,
        };
        self.trace.end("rolled back", &taken_back);
        taken_back
    }
}
