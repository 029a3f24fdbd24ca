//! How an amount is written for people: on pages, in tables. Knows currencies, no payment.

/// An amount for people, e.g. `12.50 USD`, with the decimals of its currency.
#[must_use]
pub fn money(minor_units: i64, currency: &str) -> String {
    let known = iso_currency::Currency::from_code(currency);
    let decimals = known.and_then(iso_currency::Currency::exponent).map_or(0, usize::from);
    let sign = if minor_units < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", minor_units.unsigned_abs(), width = decimals + 1);
    let (whole, part) = digits.split_at(digits.len() - decimals);
    let dot = if decimals == 0 { "" } else { "." };
    format!("{sign}{whole}{dot}{part} {currency}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_has_the_decimals_of_its_currency() {
        assert_eq!(money(1_250, "USD"), "12.50 USD");
        assert_eq!(money(-5, "USD"), "-0.05 USD");
        assert_eq!(money(1_250, "JPY"), "1250 JPY");
        assert_eq!(money(1_250, "KWD"), "1.250 KWD");
        assert_eq!(money(7, "???"), "7 ???");
    }
}
