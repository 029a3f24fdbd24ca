//! Named places at which a process of a test build kills itself: around each durable write and each call to another
//! process. Which ones there are is said once, in [`Place`]; code marks them with [`around!`]. Knows no store and no wire.
//!
//! Without the feature `armed`, `around!(place, work)` is `work` and nothing else: no name, no branch, no read of the
//! environment. An optimised build with the feature does not compile.
#[cfg(feature = "armed")]
mod armed;
mod place;

pub use place::Place;

#[cfg(feature = "armed")]
pub use armed::{FOLDER, Point, Side, reached};

#[cfg(all(feature = "armed", not(debug_assertions)))]
compile_error!("crash points are for tests: an optimised build must not have them");

/// Does `work`, an expression, at a place where the process can be made to die immediately before and immediately after it.
#[cfg(feature = "armed")]
#[macro_export]
macro_rules! around {
    ($place:expr, $work:expr) => {{
        let place: $crate::Place = $place;
        $crate::reached(place, $crate::Side::Before);
        let done = $work;
        $crate::reached(place, $crate::Side::After);
        done
    }};
}

/// Does `work`, an expression. The place is checked by the compiler and leaves no trace.
#[cfg(not(feature = "armed"))]
#[macro_export]
macro_rules! around {
    ($place:expr, $work:expr) => {{
        if false {
            let _: $crate::Place = $place;
        }
        $work
    }};
}
