//! What all pages have around them: head, navigation, the field to find something, the part that is exchanged while it
//! is looked at. Knows no figure.

use super::assets;
use maud::{DOCTYPE, Markup, html};

/// htmx as this console needs it: no inline style, nothing evaluated, nobody else asked.
const HTMX: &str = r#"{"includeIndicatorStyles":false,"allowEval":false,"selfRequestsOnly":true,"historyEnabled":false,"defaultSwapDelay":0,"defaultSettleDelay":0}"#;

/// Where in the navigation a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The first page.
    Overview,
    /// Lists and single global transactions.
    List,
    /// Needs for a person.
    Attention,
    /// Payments that nobody can prove.
    InDoubt,
    /// Lanes and who is behind them.
    Participants,
    /// Definitions and their plans.
    Definitions,
    /// Nowhere.
    None,
}

const PLACES: [(Place, &str, &str); 6] = [
    (Place::Overview, "/", "Overview"),
    (Place::List, "/list", "Transactions"),
    (Place::Attention, "/attention", "Needs a person"),
    (Place::InDoubt, "/in-doubt", "In doubt"),
    (Place::Participants, "/participants", "Participants"),
    (Place::Definitions, "/definitions", "Definitions"),
];

impl Place {
    /// Milliseconds between two exchanges at least: what is dear to gather is not gathered with each commit of anybody.
    fn pace_ms(self) -> u32 {
        match self {
            Self::Overview | Self::Participants | Self::Definitions | Self::None => 0,
            Self::List | Self::Attention => 2_000,
            Self::InDoubt => 3_000,
        }
    }
}

/// What differs from page to page.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// Its name.
    pub title: &'a str,
    /// Where it is.
    pub here: Place,
    /// Its own address, if its main part is exchanged when something has changed; empty = nothing changes any more.
    pub live: Option<&'a str>,
}

/// A whole page. `above` stays as it is while somebody looks: fields and what is said once.
#[must_use]
pub fn page(head: &Head<'_>, above: &Markup, main: &Markup) -> Markup {
    page_with(head, above, main, &html! {})
}

/// A whole page with something `below` that stays, too, and fetches itself what it shows.
#[must_use]
pub fn page_with(head: &Head<'_>, above: &Markup, main: &Markup, below: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="htmx-config" content=(HTMX);
                title { (head.title) " · Amends" }
                link rel="icon" type="image/svg+xml" href=(assets::address("icon.svg"));
                link rel="stylesheet" href=(assets::address("console.css"));
                script defer src=(assets::address("htmx.min.js")) {}
                script defer src=(assets::address("console.js")) {}
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                (top(head.here))
                p #lost .notice.bad role="alert" hidden {
                    "The orchestrator does not answer: what you see is what was. This page tries again by itself."
                }
                p #stale .notice.bad role="alert" hidden {
                    "This page could not be read again: what you see is what was. It tries again with the next news."
                }
                main #main tabindex="-1" {
                    (above)
                    @match head.live {
                        Some("") => div #live { (main) },
                        Some(own) => {
                            div #live data-pace=(head.here.pace_ms()) hx-get=(own) hx-trigger="amends-news from:body" hx-select="#live"
                                hx-target="this" hx-swap="outerHTML" hx-sync="this:drop" { (main) }
                        }
                        None => (main),
                    }
                    (below)
                }
                footer {
                    "Amends " (env!("CARGO_PKG_VERSION"))
                    @if head.live.is_some() { " · " span #link { "not live" } }
                    " · " button #zone .plain type="button" hidden { "Times" }
                    noscript { " · times are UTC; without scripts pages do not refresh by themselves" }
                }
            }
        }
    }
}

fn top(here: Place) -> Markup {
    html! {
        header.top {
            a.brand href="/" { "Amends" }
            nav aria-label="Pages" {
                @for (place, address, name) in PLACES {
                    a href=(address) aria-current=[(place == here).then_some("page")] { (name) }
                }
            }
            form.find role="search" action="/find" method="get" {
                label.quiet for="find" { "Order number, business key or gid" }
                input #find name="what" type="search" required maxlength="160" autocomplete="off"
                    placeholder="Order, key or gid";
                button type="submit" { "Find" }
            }
        }
    }
}
