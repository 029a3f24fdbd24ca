//! Charts as SVG that stand alone: panels below each other with the same axes, lines with their names. Readable on light
//! and on dark pages: the viewer's own preference decides. Knows no benchmark.
use plotters::coord::Shift;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::fmt::Write as _;
use std::ops::Range;

const WIDTH: u32 = 980;
/// Room for the names beside a panel: within it they would cover lines.
const NAMES_WIDTH: u32 = 240;
const NAME_HEIGHT: i32 = 22;
const PANEL_HEIGHT: u32 = 240;
const TITLE_HEIGHT: u32 = 40;
/// Lines across a linear axis, at most.
const STEPS: f64 = 5.0;

/// A colour on light ground, and what takes its place on dark ground.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shade {
    light: RGBColor,
    dark: &'static str,
}

const GROUND: Shade = Shade { light: RGBColor(0xFF, 0xFF, 0xFF), dark: "#0D1117" };
const TEXT: Shade = Shade { light: RGBColor(0x1F, 0x23, 0x28), dark: "#E6EDF3" };
const GRID: Shade = Shade { light: RGBColor(0xD1, 0xD9, 0xE0), dark: "#30363D" };
const GREY: Shade = Shade { light: RGBColor(0x6E, 0x77, 0x81), dark: "#9EA7B0" };
const BLUE: Shade = Shade { light: RGBColor(0x09, 0x69, 0xDA), dark: "#58A6FF" };
const GREEN: Shade = Shade { light: RGBColor(0x1A, 0x7F, 0x37), dark: "#3FB950" };
const SHADES: [Shade; 6] = [GROUND, TEXT, GRID, GREY, BLUE, GREEN];

/// The colour of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    Grey,
    Blue,
    Green,
}

/// A named line of a panel.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub name: String,
    pub ink: Ink,
    pub points: Vec<(f64, f64)>,
}

/// Lines that share an area.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    pub title: String,
    pub lines: Vec<Line>,
}

/// One axis of all panels.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    label: String,
    scale: Scale,
    /// Values that are written beside it.
    ticks: Vec<f64>,
    from: f64,
    to: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scale {
    Linear,
    Logarithmic,
}

/// How points of a line are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Points {
    Dots,
    Plain,
}

/// A picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    pub title: String,
    pub x: Axis,
    pub y: Axis,
    pub points: Points,
    pub panels: Vec<Panel>,
}

impl Axis {
    /// From nothing to at least `highest`.
    pub fn linear(label: &str, highest: f64) -> Axis {
        let step = round_step(highest / STEPS);
        let count = (1..=10_u32).find(|count| step * f64::from(*count) >= highest).unwrap_or(1);
        let ticks: Vec<f64> = (0..=count).map(|number| step * f64::from(number)).collect();
        Axis { label: label.to_owned(), scale: Scale::Linear, from: 0.0, to: step * f64::from(count), ticks }
    }

    /// Logarithmic, with all of these values, which are above nothing, and some room around them. Those of `ticks` that
    /// lie within are written.
    pub fn logarithmic(label: &str, values: impl Iterator<Item = f64>, ticks: &[f64]) -> Axis {
        let positive = values.filter(|value| *value > 0.0);
        let range = positive.fold(None, |range: Option<(f64, f64)>, value| {
            Some(range.map_or((value, value), |(least, most)| (least.min(value), most.max(value))))
        });
        let (least, most) = range.unwrap_or((1.0, 1.0));
        let (from, to) = (least / 1.25, most * 1.25);
        let ticks = ticks.iter().copied().filter(|tick| (from..=to).contains(tick)).collect();
        Axis { label: label.to_owned(), scale: Scale::Logarithmic, ticks, from, to }
    }

    /// Where a value lies. What has no place on a logarithmic axis lies at its beginning.
    fn place(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear => value,
            Scale::Logarithmic => value.max(self.from).log10(),
        }
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        RangedCoordf64::from(self.place(self.from)..self.place(self.to)).map(&self.place(*value), limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // Nothing between the ticks.
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.clone() }
    }

    fn range(&self) -> Range<f64> {
        self.from..self.to
    }
}

impl ValueFormatter<f64> for Axis {
    fn format(value: &f64) -> String {
        with_thousands(*value)
    }
}

/// 1, 2 and 5 times each power of ten from the `from`-th to below the `to`-th.
pub fn round_values(from: i32, to: i32) -> Vec<f64> {
    (from..to).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10_f64.powi(power))).collect()
}

/// The next of them that is not below.
fn round_step(least: f64) -> f64 {
    round_values(-6, 9).into_iter().find(|value| *value >= least).unwrap_or(1.0)
}

fn with_thousands(value: f64) -> String {
    if value < 1_000.0 {
        return format!("{}", (value * 1e6).round() / 1e6);
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl Chart {
    /// The picture as an SVG document.
    pub fn svg(&self) -> anyhow::Result<String> {
        let count = u32::try_from(self.panels.len())?.max(1);
        let mut svg = String::new();
        {
            let size = (WIDTH, TITLE_HEIGHT + count * PANEL_HEIGHT);
            let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
            root.fill(&GROUND.light)?;
            let (title, panels) = root.split_vertically(TITLE_HEIGHT);
            title.titled(&self.title, text(20))?;
            for (area, panel) in panels.split_evenly((self.panels.len().max(1), 1)).iter().zip(&self.panels) {
                let (plot, key) = area.split_horizontally(WIDTH - NAMES_WIDTH);
                self.panel(&plot, panel)?;
                names(&key, &panel.lines)?;
            }
            root.present()?;
        }
        Ok(dressed(&svg, &self.title))
    }

    fn panel(&self, area: &DrawingArea<SVGBackend<'_>, Shift>, panel: &Panel) -> anyhow::Result<()> {
        let mut chart = ChartBuilder::on(area)
            .caption(&panel.title, text(16))
            .margin(8)
            .margin_right(16)
            .x_label_area_size(40)
            .y_label_area_size(64)
            .build_cartesian_2d(self.x.clone(), self.y.clone())?;
        chart
            .configure_mesh()
            .bold_line_style(GRID.light)
            .light_line_style(TRANSPARENT)
            .axis_style(GRID.light)
            .label_style(text(14))
            .x_desc(&self.x.label)
            .y_desc(&self.y.label)
            .axis_desc_style(text(14))
            .draw()?;
        for line in &panel.lines {
            let style = line.ink.colour().filled().stroke_width(2);
            let series = LineSeries::new(line.points.iter().copied(), style).point_size(self.points.size());
            chart.draw_series(series)?;
        }
        Ok(())
    }
}

/// Which line is whose.
fn names(area: &DrawingArea<SVGBackend<'_>, Shift>, lines: &[Line]) -> anyhow::Result<()> {
    let mut y = 2 * NAME_HEIGHT;
    for line in lines {
        let sample = PathElement::new(vec![(0, y), (20, y)], line.ink.colour().stroke_width(2));
        area.draw(&sample)?;
        let style = text(14).pos(Pos::new(HPos::Left, VPos::Center));
        area.draw(&Text::new(line.name.as_str(), (28, y), style))?;
        y += NAME_HEIGHT;
    }
    Ok(())
}

impl Points {
    fn size(self) -> u32 {
        match self {
            Points::Dots => 3,
            Points::Plain => 0,
        }
    }
}

impl Ink {
    fn colour(self) -> RGBColor {
        match self {
            Ink::Grey => GREY.light,
            Ink::Blue => BLUE.light,
            Ink::Green => GREEN.light,
        }
    }
}

fn text(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&TEXT.light)
}

/// Tells readers of the screen what it is, and every viewer what to show on dark ground.
fn dressed(svg: &str, title: &str) -> String {
    let mut style = String::new();
    for shade in SHADES {
        let RGBColor(red, green, blue) = shade.light;
        let light = format!("#{red:02X}{green:02X}{blue:02X}");
        // Writing to a String cannot fail.
        let _ = write!(style, "[fill=\"{light}\"]{{fill:{0}}}[stroke=\"{light}\"]{{stroke:{0}}}", shade.dark);
    }
    let title = title.replace('&', "&amp;").replace('<', "&lt;");
    let head = format!(
        " role=\"img\">\n<title>{title}</title>\n<style>@media (prefers-color-scheme: dark){{{style}}}</style>\n"
    );
    svg.replacen(">\n", &head, 1)
}

#[cfg(test)]
pub mod judge {
    //! Whether a text is a well-formed document of one element; enough of XML for what is drawn here.

    /// The names of all elements, in their order.
    pub fn elements(document: &str) -> Result<Vec<String>, String> {
        let (mut open, mut seen, mut rest) = (Vec::new(), Vec::new(), document.trim_end());
        while let Some(start) = rest.find('<') {
            text(&rest[..start])?;
            if open.is_empty() && !(seen.is_empty() && start == 0) {
                return Err(format!("more than one element: {rest:.40}"));
            }
            let end = rest[start..].find('>').ok_or("a tag does not end")? + start;
            let tag = &rest[start + 1..end];
            rest = &rest[end + 1..];
            if let Some(name) = tag.strip_prefix('/') {
                if open.pop().as_deref() != Some(name) {
                    return Err(format!("</{name}> closes another one"));
                }
                continue;
            }
            let (body, is_empty) = tag.strip_suffix('/').map_or((tag, false), |body| (body, true));
            let (name, attributes) = body.split_once(' ').unwrap_or((body, ""));
            check_attributes(attributes)?;
            seen.push(name.to_owned());
            if !is_empty {
                open.push(name.to_owned());
            }
        }
        if open.is_empty() && rest.is_empty() {
            Ok(seen)
        } else {
            Err(format!("not closed: {open:?} {rest}"))
        }
    }

    /// name="value" name="value"
    fn check_attributes(attributes: &str) -> Result<(), String> {
        let mut rest = attributes.trim();
        while !rest.is_empty() {
            let (name, behind) = rest.split_once("=\"").ok_or(format!("no value: {rest}"))?;
            let (value, behind) = behind.split_once('"').ok_or(format!("no end of a value: {rest}"))?;
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == ':') {
                return Err(format!("no name: {name}"));
            }
            text(value)?;
            rest = behind.trim_start();
        }
        Ok(())
    }

    /// An ampersand begins an entity.
    fn text(text: &str) -> Result<(), String> {
        let entities = ["amp;", "lt;", "gt;", "quot;", "apos;"];
        let known = |rest: &str| entities.iter().any(|entity| rest.starts_with(entity));
        match text.split('&').skip(1).all(known) {
            true => Ok(()),
            false => Err(format!("a bare ampersand: {text}")),
        }
    }

    #[test]
    fn what_is_not_well_formed_is_seen() {
        assert_eq!(elements("<a b=\"1\"><c/>x &amp; y</a>\n"), Ok(vec!["a".to_owned(), "c".to_owned()]));
        for broken in [
            "",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "x<a/>",
            "<a b=1/>",
            "<a>&</a>",
            "<a b=\"&x\"/>",
            "<a",
            "<a/>x",
        ] {
            assert!(elements(broken).is_err_and(|why| !why.is_empty()) || broken.is_empty(), "{broken}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Chart {
        let line = |name: &str, ink, y: f64| Line {
            name: name.to_owned(),
            ink,
            points: vec![(1.0, y), (64.0, 9.0 * y)],
        };
        let lines = vec![line("raw <DTM> & co", Ink::Grey, 40.0), line("Amends", Ink::Blue, 30.0)];
        let panel = |title: &str| Panel { title: title.to_owned(), lines: lines.clone() };
        Chart {
            title: "Throughput & more".to_owned(),
            x: Axis::logarithmic("in flight", [1.0, 64.0].into_iter(), &[1.0, 16.0, 64.0]),
            y: Axis::logarithmic("a second", [30.0, 360.0].into_iter(), &round_values(0, 5)),
            points: Points::Dots,
            panels: vec![panel("BoltDB"), panel("Redis")],
        }
    }

    #[test]
    fn a_chart_is_well_formed_and_names_each_line_in_each_panel() {
        let svg = chart().svg().unwrap();
        let elements = judge::elements(&svg).unwrap_or_else(|why| panic!("{why}\n{svg}"));
        assert_eq!(elements[..3], ["svg", "title", "style"]);
        assert!(svg.contains("xmlns=\"http://www.w3.org/2000/svg\""));
        for word in ["raw &lt;DTM&gt; &amp; co", "Amends", "in flight", "a second"] {
            assert_eq!(svg.matches(word).count(), 2, "{word}");
        }
        assert_eq!(["BoltDB", "Redis"].map(|title| svg.matches(title).count()), [1, 1]);
        // Two dots of two lines in two panels.
        assert_eq!(elements.iter().filter(|name| *name == "circle").count(), 8);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn each_colour_has_one_for_dark_ground() {
        let svg = chart().svg().unwrap();
        let (style, drawn) = svg.split_once("</style>").unwrap();
        let colours = drawn.split(['"']).filter(|word| word.starts_with('#'));
        for colour in colours {
            assert!(style.contains(&format!("[fill=\"{colour}\"]{{fill:#")), "{colour}");
        }
        let darker = SHADES.iter().all(|shade| style.contains(shade.dark));
        assert!(darker && style.contains("prefers-color-scheme: dark"), "{style}");
    }

    #[test]
    fn one_point_or_none_is_a_chart_too() {
        let mut chart = chart();
        chart.x = Axis::logarithmic("in flight", [16.0].into_iter(), &[16.0]);
        chart.y = Axis::linear("share", 0.0);
        chart.panels[0].lines[0].points.truncate(1);
        chart.panels[1].lines.clear();
        let svg = chart.svg().unwrap();
        assert!(judge::elements(&svg).is_ok() && !svg.contains("NaN"), "{svg}");
        chart.panels.clear();
        assert!(judge::elements(&chart.svg().unwrap()).is_ok());
    }

    #[test]
    fn axes_end_at_round_values() {
        let axis = Axis::linear("share", 43.0);
        assert_eq!((axis.ticks.clone(), axis.to), (vec![0.0, 10.0, 20.0, 30.0, 40.0, 50.0], 50.0));
        let axis = Axis::logarithmic("ms", [0.0, 3.0, 300.0].into_iter(), &round_values(-2, 4));
        assert_eq!(axis.ticks, [5.0, 10.0, 20.0, 50.0, 100.0, 200.0]);
        assert_eq!([axis.from, 30.0, axis.to].map(|ms| axis.map(&ms, (0, 100))), [0, 50, 100]);
        assert_eq!(["1,000", "20,000", "0.5"], [1_000.0, 20_000.0, 0.5].map(with_thousands));
    }
}
