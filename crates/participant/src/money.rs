//! Money inside a service: an amount in minor units that is in range, of a currency that exists. No floats, no
//! rounding, no conversion; arithmetic refuses instead of wrapping.

use std::fmt;

use amends_proto::pay::money::v1::Money;

use crate::fields::QUANTITY_MAX;
use crate::reason::Reason;
use crate::refusal::Refusal;

/// An ISO-4217 currency that has minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// Reads an alpha-3 code in upper case.
    pub fn parse(code: &str, field: &str) -> Result<Currency, Refusal> {
        iso_currency::Currency::from_code(code)
            .filter(|currency| currency.exponent().is_some())
            .map(Currency)
            .ok_or_else(|| Refusal::new(Reason::CurrencyUnsupported, format!("{field}: no such currency")))
    }

    /// The alpha-3 code.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Decimal places of its minor unit; for display only.
    #[must_use]
    pub fn exponent(self) -> u16 {
        self.0.exponent().unwrap_or_default()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.code())
    }
}

/// An amount of 1 to 10^14 minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Amount {
    /// In minor units of the currency.
    pub minor_units: i64,
    /// Of which currency.
    pub currency: Currency,
}

impl Amount {
    /// Checks an amount of a request; `field` names it in the refusal.
    pub fn checked(money: Option<&Money>, field: &str) -> Result<Amount, Refusal> {
        let money = money.ok_or_else(|| Refusal::new(Reason::InvalidRequest, format!("{field}: missing")))?;
        Amount::new(money.minor_units, Currency::parse(&money.currency, field)?, field)
    }

    /// An amount, if it is in range.
    pub fn new(minor_units: i64, currency: Currency, field: &str) -> Result<Amount, Refusal> {
        if !(1..=QUANTITY_MAX).contains(&minor_units) {
            return Err(out_of_range(field));
        }
        Ok(Amount { minor_units, currency })
    }

    /// The sum of two amounts of one currency.
    pub fn checked_add(self, other: Amount, field: &str) -> Result<Amount, Refusal> {
        if self.currency != other.currency {
            return Err(Refusal::new(
                Reason::CurrencyMismatch,
                format!("{field}: amounts of two currencies"),
            ));
        }
        let sum = self.minor_units.checked_add(other.minor_units).ok_or_else(|| out_of_range(field))?;
        Amount::new(sum, self.currency, field)
    }

    /// `times` as much.
    pub fn checked_mul(self, times: i64, field: &str) -> Result<Amount, Refusal> {
        let product = self.minor_units.checked_mul(times).ok_or_else(|| out_of_range(field))?;
        Amount::new(product, self.currency, field)
    }
}

impl From<Amount> for Money {
    fn from(amount: Amount) -> Money {
        Money { minor_units: amount.minor_units, currency: amount.currency.code().to_owned() }
    }
}

fn out_of_range(field: &str) -> Refusal {
    Refusal::new(Reason::AmountOutOfRange, format!("{field}: must be 1 to 10^14 minor units"))
}

#[cfg(test)]
mod tests {
    use super::{Amount, Currency};
    use crate::reason::Reason;
    use amends_proto::pay::money::v1::Money;

    const MAX: i64 = 100_000_000_000_000;

    fn checked(minor_units: i64, currency: &str) -> Result<Amount, Reason> {
        let money = Money { minor_units, currency: currency.into() };
        Amount::checked(Some(&money), "total").map_err(|refusal| refusal.reason)
    }

    #[test]
    fn an_amount_is_1_to_10_to_the_14_of_a_currency_with_minor_units() {
        for good in [1, MAX] {
            assert_eq!(Money::from(checked(good, "USD").unwrap()).minor_units, good);
        }
        for bad in [0, -1, MAX + 1, i64::MIN, i64::MAX] {
            assert_eq!(checked(bad, "USD"), Err(Reason::AmountOutOfRange), "{bad}");
        }
        for bad in ["", "usd", "US", "USDX", "ABC", "XXX", "XAU"] {
            assert_eq!(checked(1, bad), Err(Reason::CurrencyUnsupported), "{bad}");
        }
        assert_eq!(Amount::checked(None, "total").unwrap_err().reason, Reason::InvalidRequest);
    }

    #[test]
    fn exponents_follow_the_standard() {
        let exponents =
            ["JPY", "USD", "EUR", "CNY", "KWD"].map(|code| Currency::parse(code, "c").unwrap().exponent());
        assert_eq!(exponents, [0, 2, 2, 2, 3]);
    }

    #[test]
    fn arithmetic_refuses_instead_of_wrapping() {
        let (one, most, yen) =
            (checked(1, "USD").unwrap(), checked(MAX, "USD").unwrap(), checked(1, "JPY").unwrap());
        assert_eq!(one.checked_add(one, "t").unwrap().minor_units, 2);
        assert_eq!(one.checked_mul(MAX, "t").unwrap(), most);
        let refused = [
            (most.checked_add(one, "t"), Reason::AmountOutOfRange),
            (most.checked_mul(2, "t"), Reason::AmountOutOfRange),
            (most.checked_mul(i64::MAX, "t"), Reason::AmountOutOfRange),
            (one.checked_mul(0, "t"), Reason::AmountOutOfRange),
            (one.checked_mul(-1, "t"), Reason::AmountOutOfRange),
            (one.checked_add(yen, "t"), Reason::CurrencyMismatch),
        ];
        for (result, reason) in refused {
            assert_eq!(result.unwrap_err().reason, reason);
        }
    }
}
