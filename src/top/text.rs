//! A board as lines of text, for the screen as for a pipe. Pure: reads messages, calls nobody.
use super::board::Board;
use super::rates::Rates;
use crate::output::{Paint, Tone, status_name, status_tone, table};
use crate::stats::duration;
use crate::timeline::{micros, plain_reason};
use crate::{lanes, stats};
use amends_proto::amends::v1::{GlobalTransaction, OpenAttention, TopologyResponse};
use prost_types::Timestamp;

/// Longest reason in a row, in characters.
const LONGEST: usize = 72;

/// A titled list of global transactions.
pub struct List {
    /// What they have in common.
    pub title: &'static str,
    /// Names of the columns; empty where there is no row.
    pub header: String,
    /// One each.
    pub rows: Vec<Row>,
    /// Says how many there are besides, and who tells them; none = these are all.
    pub more: Option<String>,
}

/// One line of a list.
pub struct Row {
    /// The same for as long as it is the same row.
    pub key: String,
    /// Which global transaction it is about.
    pub gid: String,
    /// What is told of it.
    pub line: String,
}

/// Everything, one block below the other.
pub fn page(board: &Board, rates: Option<Rates>, target: &str, paint: Paint) -> String {
    let mut blocks = vec![
        head(board, target, paint),
        figures(board, rates),
        format!("{}\n{}", paint.tone(Tone::Strong, "lanes"), lanes(board, paint)),
    ];
    for List { title, header, rows, more } in lists(board, paint) {
        let title = paint.tone(Tone::Strong, title);
        let more = more.map(|more| paint.tone(Tone::Faint, &more));
        let lines = rows.into_iter().map(|row| row.line).chain(more);
        let lines = lines.map(|line| format!("{line}\n")).collect::<String>();
        blocks.push(if lines.is_empty() {
            format!("{title}: none\n")
        } else {
            format!("{title}\n{header}\n{lines}")
        });
    }
    blocks.join("\n")
}

/// Who was asked, when, and how its coordinator is.
pub fn head(board: &Board, target: &str, paint: Paint) -> String {
    let version = board.topology.as_ref().map(|topology| format!(" {}", topology.version));
    let (tone, coordinator) = coordinator(board.topology.as_ref());
    format!(
        "{}{} · {} · {} UTC\n",
        paint.tone(Tone::Strong, target),
        version.unwrap_or_default(),
        paint.tone(tone, &coordinator),
        board.at.format("%F %T"),
    )
}

fn coordinator(topology: Option<&TopologyResponse>) -> (Tone, String) {
    match topology {
        Some(TopologyResponse { coordinator, dtm_version, .. })
            if coordinator == "dtm" && dtm_version.is_empty() =>
        {
            (Tone::Bad, "coordinator dtm does not answer".to_owned())
        }
        Some(TopologyResponse { coordinator, dtm_version, .. }) => {
            (Tone::Good, format!("coordinator {coordinator} {dtm_version}").trim_end().to_owned())
        }
        None => (Tone::Bad, "coordinator does not answer in time".to_owned()),
    }
}

/// Counts by status, what is open, what is held back, needs by cause, and rates.
pub fn figures(board: &Board, rates: Option<Rates>) -> String {
    let rates = match rates {
        Some(Rates { started, ended }) => format!("{started:.1} started and {ended:.1} ended in a second\n"),
        None => String::new(),
    };
    format!("{}{rates}", stats::text(&board.stats, board.holds.as_deref()))
}

/// A row for each lane.
pub fn lanes(board: &Board, paint: Paint) -> String {
    lanes::text(&board.lanes.lanes, board.at.timestamp_micros(), paint)
}

/// Those that are worth a look: who is needed, the oldest, the newest ends.
pub fn lists(board: &Board, paint: Paint) -> [List; 3] {
    [needs(board, paint), oldest(board, paint), ended(board, paint)]
}

fn needs(board: &Board, paint: Paint) -> List {
    let open = &board.attention.open;
    let cells = |need: &OpenAttention| {
        vec![
            since(board, need.since.as_ref()),
            need.cause.clone(),
            format!("{} {}", need.branch_id, need.op).trim().to_owned(),
            need.gid.clone(),
            need.owner.clone(),
            cut(&plain_reason(&need.text)),
        ]
    };
    let header = ["for", "cause", "at", "gid", "owner", "what"];
    let named = |need: &OpenAttention| (format!("need {} {}", need.cause, need.gid), need.gid.clone());
    let all = board.stats.causes.iter().map(|cause| cause.count).sum();
    list("needs a person", &header, open, cells, named, |_| Tone::Bad, paint).of(all, "amends attention")
}

fn oldest(board: &Board, paint: Paint) -> List {
    let cells = |one: &GlobalTransaction| {
        let age = since(board, one.created_at.as_ref());
        vec![age, status_name(one.status()), one.gid.clone(), one.business_key.clone()]
    };
    let header = ["for", "status", "gid", "business key"];
    list(
        "open for longest",
        &header,
        &board.oldest,
        cells,
        |one| named("oldest", one),
        |one| status_tone(one.status()),
        paint,
    )
    .of(board.stats.open, "amends list --filter open")
}

fn ended(board: &Board, paint: Paint) -> List {
    let cells = |one: &GlobalTransaction| {
        let took = one.finished_at.as_ref().zip(one.created_at.as_ref());
        vec![
            format!("{} ago", since(board, one.finished_at.as_ref())),
            status_name(one.status()),
            took.map(|(end, start)| format!("{} ms", (micros(end) - micros(start)) / 1_000))
                .unwrap_or_default(),
            one.gid.clone(),
            one.business_key.clone(),
            cut(&plain_reason(&one.reason)),
        ]
    };
    let header = ["ended", "status", "took", "gid", "business key", "reason"];
    let tone = |one: &GlobalTransaction| status_tone(one.status());
    let all = board.stats.statuses.iter().map(|figure| figure.count).sum::<i64>() - board.stats.open;
    list("newest that ended", &header, &board.ended, cells, |one| named("ended", one), tone, paint)
        .of(all, "amends list --filter 'not open'")
}

impl List {
    /// Tells how many of all are not among the rows, and which command has them. Counts are some seconds old: more may
    /// be shown than were counted.
    fn of(mut self, all: i64, command: &str) -> List {
        let shown = i64::try_from(self.rows.len()).unwrap_or(i64::MAX);
        self.more =
            Some(all - shown).filter(|more| *more > 0).map(|more| format!("… and {more} more: {command}"));
        self
    }
}

fn named(list: &str, one: &GlobalTransaction) -> (String, String) {
    (format!("{list} {}", one.gid), one.gid.clone())
}

/// Lays out what `cells` says of each item; `named` gives a row's key and gid.
fn list<T>(
    title: &'static str,
    header: &[&str],
    items: &[T],
    cells: impl Fn(&T) -> Vec<String>,
    named: impl Fn(&T) -> (String, String),
    tone: impl Fn(&T) -> Tone,
    paint: Paint,
) -> List {
    if items.is_empty() {
        return List { title, header: String::new(), rows: Vec::new(), more: None };
    }
    let told = table(header, &["for", "ended", "took"], items.iter().map(cells).collect());
    let mut lines = told.lines();
    let header = paint.tone(Tone::Faint, lines.next().unwrap_or_default());
    let rows = items.iter().zip(lines).map(|(item, line)| {
        let (key, gid) = named(item);
        Row { key, gid, line: paint.tone(tone(item), line) }
    });
    List { title, header, rows: rows.collect(), more: None }
}

/// How long ago, seen from when the board was asked for.
fn since(board: &Board, time: Option<&Timestamp>) -> String {
    let us = time.map(|time| (board.at.timestamp_micros() - micros(time)).max(0));
    us.map(|us| duration(us / 1_000_000)).unwrap_or_default()
}

/// On one line, and not longer than a row can be.
fn cut(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::super::board::tests::board;
    use super::*;

    #[test]
    fn a_page_tells_all_of_it() {
        let text = page(&board(), Some(Rates { started: 2.0, ended: 1.5 }), "h:1", Paint::Plain);
        for told in [
            "h:1 0.1.0 · coordinator dtm v1.18.0 · 1970-01-01 00:02:00 UTC",
            "2.0 started and 1.5 ended in a second",
            "1 need a person: payment_in_doubt",
            "held: participant points since 1970-01-01T00:00:02Z, by ann: maintenance\n",
            "gateway: its participant does not answer",
            "needs a person\n",
            "60 s  payment_in_doubt  05 action  gid-1  ann    UNAVAILABLE",
            "open for longest\n",
            "newest that ended\n",
            "PSP_DECLINED: stolen_card",
        ] {
            assert!(text.contains(told), "{told} in\n{text}");
        }
    }

    #[test]
    fn an_empty_system_has_no_lists_and_a_silent_dtm_is_told() {
        let mut empty = Board {
            attention: Default::default(),
            stats: Default::default(),
            oldest: Vec::new(),
            ended: Vec::new(),
            ..board()
        };
        if let Some(topology) = &mut empty.topology {
            topology.dtm_version.clear();
        }
        let text = page(&empty, None, "h:1", Paint::Plain);
        assert!(
            text.ends_with("needs a person: none\n\nopen for longest: none\n\nnewest that ended: none\n"),
            "{text}"
        );
        assert!(text.contains("coordinator dtm does not answer"), "{text}");
        empty.topology = None;
        assert!(head(&empty, "h:1", Paint::Plain).contains("does not answer in time"));
    }

    #[test]
    fn what_is_not_among_the_rows_is_counted() {
        let mut board = board();
        board.stats.open = 17;
        board.stats.causes[0].count = 3;
        let text = page(&board, None, "h:1", Paint::Plain);
        assert!(text.contains("gid-1\n… and 16 more: amends list --filter open\n"), "{text}");
        assert!(text.contains("… and 2 more: amends attention\n"), "{text}");
        assert!(!text.contains("not open"), "all that ended are told: {text}");
    }

    #[test]
    fn rows_are_one_line_each_and_keep_their_names() {
        let mut board = board();
        board.attention.open[0].text = format!("two\nlines {}", "x".repeat(200));
        let [needs, oldest, ended] = lists(&board, Paint::Plain);
        assert_eq!((needs.rows.len(), needs.rows[0].key.as_str()), (1, "need payment_in_doubt gid-1"));
        assert!(needs.rows[0].line.ends_with("x…"), "{}", needs.rows[0].line);
        assert_eq!((oldest.rows[0].key.as_str(), oldest.rows[0].gid.as_str()), ("oldest gid-1", "gid-1"));
        assert_eq!(ended.rows[0].gid, "gid-2");
    }
}
