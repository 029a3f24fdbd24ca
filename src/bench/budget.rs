//! What each case must reach (design.md §7), by who drives it and on what raw DTM keeps its data. Knows no figures of
//! a run.
use super::case::Case;
use super::processes::Driver;
use super::store::Store;

/// Global transactions in flight, beyond which nothing is asked for.
const MOST: usize = 64;

/// One comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    pub case: Case,
    pub driver: Driver,
    pub raw: Store,
    pub in_flight: usize,
}

impl Match {
    /// The least ratio to raw DTM that is asked for, which it is up to 64 in flight; `None` = only reported.
    pub fn least_ratio(self) -> Option<f64> {
        let from = |in_flight, least| (in_flight..=MOST).contains(&self.in_flight).then_some(least);
        match self.driver {
            Driver::Embedded => match (self.case, self.raw) {
                (Case::Saga2, Store::Boltdb) => from(64, 8.0),
                (Case::Saga2, Store::Redis) => from(64, 2.5),
                (Case::Saga2, Store::Postgres)
                | (Case::Saga7 | Case::Tcc2 | Case::Saga2Refused | Case::Checkout, _) => None,
            },
            Driver::Dtm(_) => match (self.case, self.raw) {
                (Case::Saga2 | Case::Tcc2, Store::Boltdb) => from(16, 0.65),
                (Case::Checkout, Store::Boltdb) | (Case::Saga2, Store::Redis) => from(16, 0.5),
                (Case::Tcc2 | Case::Checkout, Store::Redis)
                | (Case::Saga2 | Case::Tcc2 | Case::Checkout, Store::Postgres)
                | (Case::Saga7 | Case::Saga2Refused, _) => None,
            },
        }
    }

    /// The most milliseconds that may be added to the 99th percentile of raw DTM; `None` = only reported.
    pub fn most_added_ms(self, raw_p99_ms: f64) -> Option<f64> {
        // What the five services take is not the orchestrator's.
        (self.in_flight == 16 && self.case != Case::Checkout).then(|| raw_p99_ms.max(10.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(case: Case, driver: Driver, raw: Store, in_flight: usize) -> Match {
        Match { case, driver, raw, in_flight }
    }

    #[test]
    fn budgets_are_those_of_the_design() {
        let dtm = |case, store, in_flight| of(case, Driver::Dtm(store), store, in_flight).least_ratio();
        assert_eq!(dtm(Case::Saga2, Store::Boltdb, 1), None);
        assert_eq!(dtm(Case::Saga2, Store::Boltdb, 16), Some(0.65));
        assert_eq!(dtm(Case::Tcc2, Store::Boltdb, 64), Some(0.65));
        assert_eq!(dtm(Case::Tcc2, Store::Boltdb, 256), None);
        assert_eq!(dtm(Case::Checkout, Store::Boltdb, 16), Some(0.5));
        assert_eq!(dtm(Case::Saga2, Store::Redis, 64), Some(0.5));
        assert_eq!(dtm(Case::Tcc2, Store::Redis, 64), None);
        assert_eq!(dtm(Case::Saga2, Store::Postgres, 64), None);
        let embedded = |raw, in_flight| of(Case::Saga2, Driver::Embedded, raw, in_flight).least_ratio();
        assert_eq!(embedded(Store::Boltdb, 64), Some(8.0));
        assert_eq!(embedded(Store::Redis, 64), Some(2.5));
        assert_eq!(embedded(Store::Redis, 16), None);
        assert_eq!(of(Case::Checkout, Driver::Embedded, Store::Boltdb, 64).least_ratio(), None);
    }

    #[test]
    fn what_may_be_added_is_as_much_again_or_ten_milliseconds() {
        let added = |in_flight, p99| {
            of(Case::Saga2, Driver::Dtm(Store::Boltdb), Store::Boltdb, in_flight).most_added_ms(p99)
        };
        assert_eq!([added(16, 4.0), added(16, 25.0), added(64, 25.0)], [Some(10.0), Some(25.0), None]);
        let checkout = of(Case::Checkout, Driver::Embedded, Store::Boltdb, 16);
        assert_eq!(checkout.most_added_ms(4.0), None);
    }
}
