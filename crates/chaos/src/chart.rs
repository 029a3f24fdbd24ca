//! Charts as SVG text: bars over a line, with marks. Knows no run; colours come from the page's style sheet.
use std::fmt::Write as _;

/// Size of a chart in its own units; a page scales it.
const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 220.0;
/// Room for the numbers on the left and below, and above the highest bar.
const LEFT: f64 = 48.0;
const BELOW: f64 = 24.0;
const ABOVE: f64 = 14.0;
/// Lines across, the ground line included.
const LINES: u32 = 4;
/// Words below: a chart has no room for more.
const WORDS: usize = 10;

/// One bar.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// What stands below it, where there is room.
    pub word: String,
    /// How high.
    pub height: u64,
}

/// Something that lasted for a while.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// From here, in bars from the left; may lie within one.
    pub from: f64,
    /// To here.
    pub to: f64,
    /// Class in the style sheet.
    pub class: &'static str,
    /// What a pointer shows.
    pub text: String,
}

/// Bars of equal width, and marks behind them.
#[must_use]
pub fn bars(bars: &[Bar], marks: &[Mark]) -> String {
    let highest = bars.iter().map(|bar| bar.height).max().unwrap_or(0).max(1);
    let area = Area { bars: bars.len().max(1), top: nice(highest) };
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n");
    // Writing to a String cannot fail.
    for mark in marks {
        let _ = writeln!(svg, "{}", area.mark(mark));
    }
    for line in 0..=LINES {
        let _ = writeln!(svg, "{}", area.line(line));
    }
    for (place, bar) in bars.iter().enumerate() {
        let _ = writeln!(svg, "{}", area.bar(place, bar));
    }
    let each = bars.len().div_ceil(WORDS).max(1);
    for (place, bar) in bars.iter().enumerate().step_by(each) {
        let _ = writeln!(svg, "{}", area.word(place, &bar.word));
    }
    svg + "</svg>"
}

/// The next of 1, 2, 5, 10, 20, 50, … that is not below, and at least one for each line across.
fn nice(highest: u64) -> u64 {
    let mut unit = 1;
    loop {
        for step in [1, 2, 5] {
            let top = unit * step;
            if top >= highest && top >= u64::from(LINES) {
                return top;
            }
        }
        unit *= 10;
    }
}

struct Area {
    bars: usize,
    top: u64,
}

impl Area {
    fn x(&self, place: f64) -> f64 {
        LEFT + (WIDTH - LEFT) * place / as_length(self.bars as u64)
    }

    fn y(&self, height: f64) -> f64 {
        let ground = HEIGHT - BELOW;
        ground - (ground - ABOVE) * height / as_length(self.top)
    }

    fn line(&self, number: u32) -> String {
        let value = as_length(self.top) * f64::from(number) / f64::from(LINES);
        let y = self.y(value);
        format!(
            "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{WIDTH}\" y2=\"{y:.1}\"/>\
             <text class=\"end\" x=\"{:.1}\" y=\"{:.1}\">{value}</text>",
            LEFT - 6.0,
            y + 4.0
        )
    }

    fn bar(&self, place: usize, bar: &Bar) -> String {
        let (left, right) = (self.x(as_length(place as u64)), self.x(as_length(place as u64 + 1)));
        let top = self.y(as_length(bar.height));
        format!(
            "<rect class=\"bar\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\"><title>{}: {}</title></rect>",
            (right - left) * 0.86,
            HEIGHT - BELOW - top,
            escape(&bar.word),
            bar.height
        )
    }

    fn mark(&self, mark: &Mark) -> String {
        let (left, right) = (self.x(mark.from), self.x(mark.to));
        // A moment is seen, too.
        let width = (right - left).max(1.5);
        format!(
            "<rect class=\"{}\" x=\"{left:.1}\" y=\"{ABOVE}\" width=\"{width:.1}\" height=\"{:.1}\"><title>{}</title></rect>",
            mark.class,
            HEIGHT - BELOW - ABOVE,
            escape(&mark.text)
        )
    }

    fn word(&self, place: usize, word: &str) -> String {
        let (x, y) = (self.x(as_length(place as u64)), HEIGHT - 6.0);
        format!("<text x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escape(word))
    }
}

/// Counts of a chart are far below where this loses anything.
fn as_length(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

/// Text that is not to be read as markup.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_has_each_bar_and_mark_within_its_area() {
        let bar = |height: u64| Bar { word: height.to_string(), height };
        let mark = Mark { from: 1.0, to: 1.5, class: "process", text: "kill <order>".to_owned() };
        let svg = bars(&[bar(1), bar(0), bar(7)], &[mark]);
        assert_eq!(svg.matches("class=\"bar\"").count(), 3);
        assert!(svg.contains("<title>kill &lt;order&gt;</title>"), "{svg}");
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn nothing_is_a_chart_too() {
        assert!(!bars(&[], &[]).contains("NaN"));
    }

    #[test]
    fn the_scale_is_round() {
        assert_eq!([1, 4, 5, 6, 11, 21, 99, 101].map(nice), [5, 5, 5, 10, 20, 50, 100, 200]);
    }
}
