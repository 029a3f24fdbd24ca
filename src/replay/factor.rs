//! A decimal number as a fraction: `1`, `30`, `0.25`. No floats. Knows nothing of stock.
use std::str::FromStr;

/// Digits behind the point; enough for any stock, and the powers of ten fit.
const MAX_DECIMALS: usize = 9;

/// A decimal number ≥ 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Factor {
    numerator: u64,
    denominator: u64,
}

/// A text is no factor.
#[derive(Debug, PartialEq, Eq)]
pub struct NotDecimal;

impl std::error::Error for NotDecimal {}

impl std::fmt::Display for NotDecimal {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "not a decimal number of at most {MAX_DECIMALS} decimals, like 30 or 0.25")
    }
}

impl Factor {
    /// `units` times this number, floored; `None` if that is too much.
    pub fn of(self, units: i64) -> Option<i64> {
        let product = i128::from(units).checked_mul(i128::from(self.numerator))?;
        i64::try_from(product.div_euclid(i128::from(self.denominator))).ok()
    }
}

impl FromStr for Factor {
    type Err = NotDecimal;

    fn from_str(text: &str) -> Result<Factor, NotDecimal> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(decimals) || decimals.len() > MAX_DECIMALS {
            return Err(NotDecimal);
        }
        let denominator = 10_u64.pow(u32::try_from(decimals.len()).map_err(|_| NotDecimal)?);
        let number = |part: &str| part.parse::<u64>().map_err(|_| NotDecimal);
        let numerator = number(whole)?.checked_mul(denominator).ok_or(NotDecimal)?;
        let numerator = numerator.checked_add(number(decimals)?).ok_or(NotDecimal)?;
        Ok(Factor { numerator, denominator })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_is_exact_and_floored() {
        let of = |text: &str, units| text.parse::<Factor>().unwrap().of(units);
        assert_eq!(of("30", 39), Some(1_170));
        assert_eq!(of("0.5", 39), Some(19));
        assert_eq!(of("0.1", 30), Some(3));
        assert_eq!(of("1.05", 100), Some(105));
        assert_eq!(of("0", 39), Some(0));
        assert_eq!(of("18446744073", i64::MAX), None);
    }

    #[test]
    fn what_is_no_decimal_is_refused() {
        for text in ["", "-1", "1.", ".5", "1e3", "1,5", "NaN", "0.0000000001", "99999999999999999999"] {
            assert_eq!(text.parse::<Factor>(), Err(NotDecimal), "{text}");
        }
    }
}
