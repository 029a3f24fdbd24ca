//! A filter as a condition of SQL, the same on SQLite and PostgreSQL. Every column has a value, so that what is true in
//! memory is true here. Knows columns; must not know in which order rows are looked at.

use super::super::entity::{attention, global_transaction, shape};
use super::super::marks::BETWEEN;
use crate::filter::{Expr as Filter, Flag, Moment, Order, Quantity, Test, TextField, TimeField};
use sea_orm::DbBackend;
use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, Func, Iden, IntoIden, Query};

/// How and when the store is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asking {
    /// Which store.
    pub(super) backend: DbBackend,
    /// Unix microseconds.
    pub(super) now_us: i64,
}

impl Asking {
    /// The condition on rows of `global_transaction`.
    pub(super) fn condition(self, filter: &Filter) -> Expr {
        match filter {
            Filter::And(parts) => {
                let parts = parts.iter().map(|part| self.condition(part));
                parts.reduce(Expr::and).unwrap_or_else(|| Expr::cust("1 = 1"))
            }
            Filter::Or(parts) => self.any(parts.iter().map(|part| self.condition(part))),
            Filter::Not(inner) => self.condition(inner).not(),
            Filter::Test(test) => self.test(test),
        }
    }

    fn any(self, parts: impl Iterator<Item = Expr>) -> Expr {
        parts.reduce(Expr::or).unwrap_or_else(|| Expr::cust("1 = 0"))
    }

    fn test(self, test: &Test) -> Expr {
        use global_transaction::Column;
        match test {
            Test::Flag(Flag::Open) => Expr::col(Column::IsOpen),
            Test::Flag(Flag::Attention) => Expr::col(Column::NeedsAttention),
            Test::Flag(Flag::Paused) => Expr::col(Column::Paused),
            Test::Is(field, values) => self.is(*field, values),
            Test::Contains(field, part) => self.contains(*field, part),
            Test::Count(Quantity::Attempts, order, count) => {
                compare(Column::Attempts, *order, i64::from(*count))
            }
            // The older, the earlier it began.
            Test::Age(order, us) => {
                compare(Column::CreatedAtUs, turned(*order), self.now_us.saturating_sub(*us))
            }
            Test::Time(TimeField::Started, order, at) => compare(Column::CreatedAtUs, *order, self.at(*at)),
            Test::Time(TimeField::Finished, order, at) => {
                compare(Column::FinishedAtUs, *order, self.at(*at)).and(Expr::col(Column::FinishedAtUs).gt(0))
            }
        }
    }

    fn at(self, moment: Moment) -> i64 {
        moment.unix_us(self.now_us)
    }

    fn is(self, field: TextField, values: &[String]) -> Expr {
        let all = || values.iter().map(String::as_str);
        match place(field) {
            Place::Column(column) => Expr::col(column).is_in(all()),
            Place::Names(column) => self.any(all().map(|value| self.has_name(column, value))),
            Place::OfShape(column) => {
                self.of_shape(self.any(all().map(|value| self.has_name(column, value))))
            }
            Place::OfNeeds(column) => of_needs(named(column).and(Expr::col(column).is_in(all()))),
        }
    }

    fn contains(self, field: TextField, part: &str) -> Expr {
        let holds = |column| self.holds(column, part);
        // Nothing is in every name, but only where there is one.
        match place(field) {
            Place::Column(column) => self.holds(column, part),
            Place::Names(column) => holds(column).and(Expr::col(column).ne("")),
            Place::OfShape(column) => self.of_shape(self.holds(column, part).and(Expr::col(column).ne(""))),
            Place::OfNeeds(column) => of_needs(named(column).and(self.holds(column, part))),
        }
    }

    fn has_name(self, column: impl IntoIden + Iden + Copy + 'static, name: &str) -> Expr {
        self.holds(column, &format!("{BETWEEN}{name}{BETWEEN}"))
    }

    /// By letters as they are written: LIKE is another on each store.
    fn holds(self, column: impl IntoIden + Iden + Copy + 'static, part: &str) -> Expr {
        let find = if self.backend == DbBackend::Postgres { "strpos" } else { "instr" };
        Expr::expr(Func::cust(Alias::new(find)).arg(Expr::col(column)).arg(part)).gt(0)
    }

    fn of_shape(self, condition: Expr) -> Expr {
        let ids = Query::select().column(shape::Column::Id).from(shape::Entity).and_where(condition).take();
        Expr::col(global_transaction::Column::Shape).in_subquery(ids)
    }
}

/// Where the texts of a field are.
enum Place {
    Column(global_transaction::Column),
    Names(global_transaction::Column),
    OfShape(shape::Column),
    OfNeeds(attention::Column),
}

fn place(field: TextField) -> Place {
    use global_transaction::Column;
    match field {
        TextField::Status => Place::Column(Column::Status),
        TextField::Definition => Place::Column(Column::Definition),
        TextField::Mode => Place::Column(Column::Mode),
        TextField::BusinessKey => Place::Column(Column::BusinessKey),
        TextField::Gid => Place::Column(Column::Gid),
        TextField::Caller => Place::Column(Column::Caller),
        TextField::RequestId => Place::Column(Column::RequestId),
        TextField::Coordinator => Place::Column(Column::Coordinator),
        TextField::Reason => Place::Column(Column::Reason),
        TextField::Code => Place::Names(Column::Codes),
        TextField::WaitingFor => Place::Names(Column::WaitingFor),
        TextField::Participant => Place::OfShape(shape::Column::Participants),
        TextField::Step => Place::OfShape(shape::Column::Steps),
        TextField::Attention => Place::OfNeeds(attention::Column::Cause),
        TextField::Owner => Place::OfNeeds(attention::Column::Owner),
    }
}

fn of_needs(condition: Expr) -> Expr {
    let gids =
        Query::select().column(attention::Column::Gid).from(attention::Entity).and_where(condition).take();
    Expr::col(global_transaction::Column::Gid).in_subquery(gids)
}

/// Nobody is no owner.
fn named(column: attention::Column) -> Expr {
    Expr::col(column).ne("")
}

fn compare(column: global_transaction::Column, order: Order, value: i64) -> Expr {
    let column = Expr::col(column);
    match order {
        Order::Less => column.lt(value),
        Order::AtMost => column.lte(value),
        Order::More => column.gt(value),
        Order::AtLeast => column.gte(value),
        Order::Equal => column.eq(value),
    }
}

fn turned(order: Order) -> Order {
    match order {
        Order::Less => Order::More,
        Order::AtMost => Order::AtLeast,
        Order::More => Order::Less,
        Order::AtLeast => Order::AtMost,
        Order::Equal => Order::Equal,
    }
}
