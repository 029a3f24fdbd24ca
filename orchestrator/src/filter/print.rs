//! A tree as text: what `parse` reads back as the same tree.

use super::times::{duration_text, moment_text};
use super::tree::{Expr, Test};
use super::{Moment, TextField};
use std::fmt;

/// How tightly the place around binds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Around {
    Or,
    And,
    Not,
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, Around::Or)
    }
}

impl Expr {
    fn write(&self, f: &mut fmt::Formatter<'_>, around: Around) -> fmt::Result {
        match self {
            // Only the whole filter can be empty; nested it is written so that it means the same.
            Self::And(parts) if parts.is_empty() && around == Around::Or => Ok(()),
            Self::And(parts) if parts.is_empty() => f.write_str("(open or not open)"),
            Self::Or(parts) if parts.is_empty() => f.write_str("(open and not open)"),
            Self::And(parts) => join(f, parts, " and ", Around::And, around >= Around::And),
            Self::Or(parts) => join(f, parts, " or ", Around::And, around > Around::Or),
            Self::Not(inner) => {
                f.write_str("not ")?;
                inner.write(f, Around::Not)
            }
            Self::Test(test) => fmt::Display::fmt(test, f),
        }
    }
}

fn join(
    f: &mut fmt::Formatter<'_>,
    parts: &[Expr],
    word: &str,
    inside: Around,
    parentheses: bool,
) -> fmt::Result {
    // One alone would be read as what it holds; it means that too.
    if parentheses {
        f.write_str("(")?;
    }
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(word)?;
        }
        part.write(f, if word == " or " && matches!(part, Expr::And(_)) { Around::Or } else { inside })?;
    }
    if parentheses { f.write_str(")") } else { Ok(()) }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(flag.name()),
            Self::Is(field, values) => is(f, *field, values),
            Self::Contains(field, value) => write!(f, "{} ~ {}", field.name(), Quoted(value)),
            Self::Count(quantity, order, count) => write!(f, "{} {} {count}", quantity.name(), order.sign()),
            Self::Age(order, us) => write!(f, "age {} {}", order.sign(), duration_text(*us)),
            Self::Time(field, order, moment) => {
                write!(f, "{} {} ", field.name(), order.sign())?;
                match moment {
                    Moment::Ago(us) => write!(f, "{} ago", duration_text(*us)),
                    Moment::At(us) => f.write_str(&moment_text(*us).unwrap_or_default()),
                }
            }
        }
    }
}

fn is(f: &mut fmt::Formatter<'_>, field: TextField, values: &[String]) -> fmt::Result {
    let write = |f: &mut fmt::Formatter<'_>, value: &str| match field.words().is_empty() {
        true => write!(f, "{}", Quoted(value)),
        false => f.write_str(value),
    };
    if let [only] = values {
        write!(f, "{} = ", field.name())?;
        return write(f, only);
    }
    write!(f, "{} in (", field.name())?;
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        write(f, value)?;
    }
    f.write_str(")")
}

struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('\\', "\\\\").replace('"', "\\\""))
    }
}
