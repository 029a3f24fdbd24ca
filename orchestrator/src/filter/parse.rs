//! From words to a tree, by recursive descent: `or` of `and` of `not` of conditions. Every error points at its place.

use super::error::FilterError;
use super::fields::{Flag, NAMES, Named, Quantity, TextField, TimeField};
use super::times::{Moment, duration, moment};
use super::tree::{Expr, Order, Test};
use super::words::{Is, Word, words};
use super::{MAX_DEPTH, MAX_TERMS};

/// Words that are no values.
const KEYWORDS: [&str; 4] = ["and", "or", "not", "in"];

/// Reads a whole filter.
pub(super) fn filter(text: &str) -> Result<Expr, FilterError> {
    let mut parser = Parser { text, words: words(text)?, next: 0, depth: 0, terms: 0 };
    if parser.peek().is == Is::End {
        return Ok(Expr::everything());
    }
    let tree = parser.either()?;
    match parser.peek().is {
        Is::End => Ok(tree),
        Is::Plain(_) | Is::Quoted(_) | Is::Sign(_) => Err(parser.error("`and`, `or` or the end")),
    }
}

struct Parser<'t> {
    text: &'t str,
    words: Vec<Word>,
    next: usize,
    depth: usize,
    terms: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Word {
        // The last word is the end, and nobody goes beyond it.
        &self.words[self.next.min(self.words.len() - 1)]
    }

    fn take(&mut self) -> Word {
        let word = self.peek().clone();
        self.next += 1;
        word
    }

    fn error(&self, expected: impl Into<String>) -> FilterError {
        self.error_at(self.peek(), expected)
    }

    fn error_at(&self, word: &Word, expected: impl Into<String>) -> FilterError {
        FilterError::new(self.text, word.at, word.found(), expected)
    }

    fn keyword(&mut self, wanted: &str) -> bool {
        let is = matches!(&self.peek().is, Is::Plain(text) if text.eq_ignore_ascii_case(wanted));
        self.next += usize::from(is);
        is
    }

    fn sign(&mut self, wanted: &str) -> bool {
        let is = matches!(self.peek().is, Is::Sign(sign) if sign == wanted);
        self.next += usize::from(is);
        is
    }

    fn either(&mut self) -> Result<Expr, FilterError> {
        let mut parts = vec![self.all()?];
        while self.keyword("or") {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::Or(parts) })
    }

    fn all(&mut self) -> Result<Expr, FilterError> {
        let mut parts = vec![self.one()?];
        while self.keyword("and") {
            parts.push(self.one()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::And(parts) })
    }

    fn one(&mut self) -> Result<Expr, FilterError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error(format!("at most {MAX_DEPTH} levels of nesting")));
        }
        let one = if self.keyword("not") {
            self.one().map(|inner| Expr::Not(Box::new(inner)))
        } else if self.sign("(") {
            let inner = self.either()?;
            if self.sign(")") { Ok(inner) } else { Err(self.error("`and`, `or` or `)`")) }
        } else {
            self.condition()
        };
        self.depth -= 1;
        one
    }

    fn condition(&mut self) -> Result<Expr, FilterError> {
        self.count_term()?;
        let word = self.take();
        let Is::Plain(name) = &word.is else { return Err(self.error_at(&word, field_names())) };
        let named = NAMES.iter().find(|(known, _)| known == name).map(|(_, named)| *named);
        match named.ok_or_else(|| self.error_at(&word, field_names()))? {
            Named::Flag(flag) => self.flag(flag),
            Named::Text(field) => self.text(field),
            Named::Quantity(quantity) => self.quantity(quantity),
            Named::Time(field) => self.time(field),
            Named::Age => self.age(),
        }
    }

    fn count_term(&mut self) -> Result<(), FilterError> {
        self.terms += 1;
        if self.terms <= MAX_TERMS {
            return Ok(());
        }
        Err(self.error(format!("at most {MAX_TERMS} conditions and values")))
    }

    fn flag(&mut self, flag: Flag) -> Result<Expr, FilterError> {
        let is = Expr::Test(Test::Flag(flag));
        let compared = matches!(&self.peek().is, Is::Sign("=" | "!=" | "~" | "!~"))
            || matches!(&self.peek().is, Is::Plain(text) if text.eq_ignore_ascii_case("in"));
        if !compared {
            return Ok(is);
        }
        if flag == Flag::Attention {
            return self.text(TextField::Attention);
        }
        let negated = match self.take().is {
            Is::Sign("=") => false,
            Is::Sign("!=") => true,
            Is::Sign(_) | Is::Plain(_) | Is::Quoted(_) | Is::End => {
                self.next -= 1;
                return Err(self.error("`and`, `or`, `= true` or `= false`"));
            }
        };
        let word = self.take();
        let value = match &word.is {
            Is::Plain(text) if text == "true" => true,
            Is::Plain(text) if text == "false" => false,
            Is::Plain(_) | Is::Quoted(_) | Is::Sign(_) | Is::End => {
                return Err(self.error_at(&word, "`true` or `false`"));
            }
        };
        Ok(if value == negated { not(is) } else { is })
    }

    fn text(&mut self, field: TextField) -> Result<Expr, FilterError> {
        let signs = "`=`, `!=`, `~`, `!~`, `in` or `not in`";
        let word = self.take();
        let test = |test| Expr::Test(test);
        Ok(match &word.is {
            Is::Sign("=") => test(Test::Is(field, vec![self.value(field)?])),
            Is::Sign("!=") => not(test(Test::Is(field, vec![self.value(field)?]))),
            Is::Sign("~" | "!~") if !field.words().is_empty() => {
                return Err(self.error_at(&word, "`=`, `!=`, `in` or `not in`"));
            }
            Is::Sign("~") => test(Test::Contains(field, self.value(field)?)),
            Is::Sign("!~") => not(test(Test::Contains(field, self.value(field)?))),
            Is::Plain(text) if text.eq_ignore_ascii_case("in") => test(Test::Is(field, self.values(field)?)),
            Is::Plain(text) if text.eq_ignore_ascii_case("not") => {
                if !self.keyword("in") {
                    return Err(self.error("`in`"));
                }
                not(test(Test::Is(field, self.values(field)?)))
            }
            Is::Plain(_) | Is::Quoted(_) | Is::Sign(_) | Is::End => {
                return Err(self.error_at(&word, signs));
            }
        })
    }

    fn values(&mut self, field: TextField) -> Result<Vec<String>, FilterError> {
        if !self.sign("(") {
            return Err(self.error("`(`"));
        }
        let mut values = vec![self.value(field)?];
        while self.sign(",") {
            self.count_term()?;
            values.push(self.value(field)?);
        }
        if self.sign(")") { Ok(values) } else { Err(self.error("`,` or `)`")) }
    }

    fn value(&mut self, field: TextField) -> Result<String, FilterError> {
        let word = self.take();
        let words = field.words();
        let value = match &word.is {
            Is::Quoted(value) => value.clone(),
            Is::Plain(value) if !KEYWORDS.iter().any(|keyword| value.eq_ignore_ascii_case(keyword)) => {
                value.clone()
            }
            Is::Plain(_) | Is::Sign(_) | Is::End if words.is_empty() => {
                return Err(self.error_at(&word, "a value, in quotes where it is not one plain word"));
            }
            Is::Plain(_) | Is::Sign(_) | Is::End => {
                return Err(self.error_at(&word, format!("one of {}", words.join(", "))));
            }
        };
        if words.is_empty() {
            return Ok(value);
        }
        let known = words.iter().find(|known| known.eq_ignore_ascii_case(&value));
        known
            .map(|known| (*known).to_owned())
            .ok_or_else(|| self.error_at(&word, format!("one of {}", words.join(", "))))
    }

    /// The sign of a comparison, and whether its opposite is meant.
    fn order(&mut self) -> Result<(Order, Turned), FilterError> {
        let word = self.take();
        Ok(match word.is {
            Is::Sign("<") => (Order::Less, Turned::No),
            Is::Sign("<=") => (Order::AtMost, Turned::No),
            Is::Sign(">") => (Order::More, Turned::No),
            Is::Sign(">=") => (Order::AtLeast, Turned::No),
            Is::Sign("=") => (Order::Equal, Turned::No),
            Is::Sign("!=") => (Order::Equal, Turned::Yes),
            Is::Sign(_) | Is::Plain(_) | Is::Quoted(_) | Is::End => {
                return Err(self.error_at(&word, "`<`, `<=`, `>`, `>=`, `=` or `!=`"));
            }
        })
    }

    fn plain<T>(&mut self, read: impl Fn(&str) -> Option<T>, expected: &str) -> Result<T, FilterError> {
        let word = self.take();
        let value = match &word.is {
            Is::Plain(text) | Is::Quoted(text) => read(text),
            Is::Sign(_) | Is::End => None,
        };
        value.ok_or_else(|| self.error_at(&word, expected))
    }

    fn quantity(&mut self, quantity: Quantity) -> Result<Expr, FilterError> {
        let (order, turned) = self.order()?;
        let number = |text: &str| text.parse().ok().filter(|count: &i32| *count >= 0);
        let count = self.plain(number, "a whole number such as 3")?;
        Ok(turned.over(Test::Count(quantity, order, count)))
    }

    fn age(&mut self) -> Result<Expr, FilterError> {
        let (order, turned) = self.order()?;
        let us = self.plain(duration, "a duration such as 30s, 5m, 2h or 3d")?;
        Ok(turned.over(Test::Age(order, us)))
    }

    fn time(&mut self, field: TimeField) -> Result<Expr, FilterError> {
        let (order, turned) = self.order()?;
        let read = |text: &str| moment(text).map(Moment::At).or_else(|| duration(text).map(Moment::Ago));
        let expected = "a time such as 2026-11-22, 2026-11-22T07:00:00Z or `2h ago`";
        let at = self.plain(read, expected)?;
        if matches!(at, Moment::Ago(_)) && !self.keyword("ago") {
            return Err(self.error("`ago` behind the duration"));
        }
        Ok(turned.over(Test::Time(field, order, at)))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Turned {
    Yes,
    No,
}

impl Turned {
    fn over(self, test: Test) -> Expr {
        match self {
            Self::Yes => not(Expr::Test(test)),
            Self::No => Expr::Test(test),
        }
    }
}

fn not(inner: Expr) -> Expr {
    Expr::Not(Box::new(inner))
}

fn field_names() -> String {
    let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
    format!("`not`, `(` or one of {}", names.join(", "))
}
