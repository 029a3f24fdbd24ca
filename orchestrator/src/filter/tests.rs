//! Filters are read as they are meant, refused where they are wrong, and survive being written down.
use super::*;
use proptest::prelude::*;

fn read(text: &str) -> Expr {
    parse(text).unwrap_or_else(|error| panic!("{error}"))
}

/// Reads the text and writes it down again.
fn told(text: &str) -> String {
    read(text).to_string()
}

#[test]
fn each_field_is_read_and_written() {
    for (text, written) in [
        ("", ""),
        ("status = running", "status = running"),
        ("status=RUNNING", "status = running"),
        ("status in (running,failed)", "status in (running, failed)"),
        ("status not in (running, failed)", "not status in (running, failed)"),
        ("status != 'succeeded'", "not status = succeeded"),
        ("attention", "attention"),
        ("attention = payment_in_doubt", "attention = \"payment_in_doubt\""),
        ("attention ~ doubt", "attention ~ \"doubt\""),
        ("not attention and paused", "not attention and paused"),
        ("paused = false or open = true", "not paused or open"),
        ("participant = \"gateway\"", "participant = \"gateway\""),
        ("business_key = demo/1", "business_key = \"demo/1\""),
        ("reason !~ 'it''s'", ""),
        ("reason ~ \"say \\\"no\\\"\"", "reason ~ \"say \\\"no\\\"\""),
        ("code = unavailable", "code = UNAVAILABLE"),
        ("attempts >= 3 and attempts != 5", "attempts >= 3 and not attempts = 5"),
        ("age > 300s", "age > 5m"),
        ("age < 90m", "age < 90m"),
        ("started >= 2026-11-22", "started >= 2026-11-22T00:00:00Z"),
        ("finished < 2026-11-22T07:00:00+01:00", "finished < 2026-11-22T06:00:00Z"),
        ("finished > 2h ago", "finished > 2h ago"),
        ("a = 1", ""),
    ] {
        match parse(text) {
            Ok(tree) => assert_eq!(tree.to_string(), written, "{text}"),
            Err(error) => assert_eq!(written, "", "{text}: {error}"),
        }
    }
}

#[test]
fn and_binds_tighter_than_or_and_not_tightest() {
    let tree = read("open or paused and not attention or (open or paused) and attention");
    assert_eq!(tree.to_string(), "open or paused and not attention or (open or paused) and attention");
    let Expr::Or(parts) = tree else { panic!("no or") };
    assert_eq!(parts.len(), 3);
    assert_eq!(told("not (open and paused)"), "not (open and paused)");
}

#[test]
fn an_error_points_at_its_place() {
    for (text, at, expected) in [
        ("status", 6, "`=`"),
        ("status = walking", 9, "one of accepted, running"),
        ("status ~ run", 7, "`=`, `!=`"),
        ("statu = running", 0, "status, attention"),
        ("status = running and", 20, "one of status"),
        ("status = running attention", 17, "`and`, `or` or the end"),
        ("(open", 5, "`)`"),
        ("open)", 4, "the end"),
        ("age > 5", 6, "5m"),
        ("age > 5 m", 6, "5m"),
        ("age 5m", 4, "`<`"),
        ("attempts > many", 11, "number"),
        ("attempts > -1", 11, "number"),
        ("started > 5m", 12, "`ago`"),
        ("started > tomorrow", 10, "2026-11-22"),
        ("gid in ()", 8, "a value"),
        ("gid in (a b)", 10, "`,` or `)`"),
        ("reason = \"open", 14, "ends the value"),
        ("reason = \"a\\n\"", 12, "backslash"),
        ("reason = § ", 9, "a field"),
        ("paused = maybe", 9, "`true`"),
        ("paused ~ a", 7, "`= true`"),
        ("é = 1", 0, "one of status"),
        ("reason = and", 9, "in quotes"),
    ] {
        let error = parse(text).expect_err(text);
        assert_eq!(error.at, at, "{text}: {error}");
        assert!(error.expected.contains(expected), "{text}: {error}");
    }
    let error = parse("status = running and ège > 5m").unwrap_err().to_string();
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines[1..], ["  status = running and ège > 5m", "                       ^"]);
    let long = format!("{} and statu = 1", vec!["open"; 20].join(" and "));
    let error = parse(&long).unwrap_err().to_string();
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines[1].chars().nth(lines[2].chars().count() - 1), Some('s'), "{error}");
}

#[test]
fn what_is_too_much_is_refused() {
    let deep = |levels: usize| format!("{}open{}", "(".repeat(levels), ")".repeat(levels));
    assert!(parse(&deep(MAX_DEPTH - 1)).is_ok());
    assert!(parse(&deep(MAX_DEPTH)).unwrap_err().expected.contains("nesting"));
    assert!(parse(&format!("{}open", "not ".repeat(MAX_DEPTH))).is_err());
    assert!(parse(&vec!["open"; MAX_TERMS].join(" or ")).is_ok());
    assert!(parse(&vec!["open"; MAX_TERMS + 1].join(" or ")).is_err());
    assert!(parse(&format!("gid in ({})", vec!["a"; MAX_TERMS + 1].join(","))).is_err());
    assert!(parse(&format!("reason = \"{}\"", "x".repeat(MAX_VALUE_BYTES + 1))).is_err());
    assert!(parse(&" ".repeat(MAX_BYTES + 1)).is_err());
}

#[test]
fn a_filter_fits_or_not() {
    let now = 1_000_000_000_000;
    let subject = Subject {
        status: "running".into(),
        participants: vec!["order".into(), "gateway".into()],
        codes: vec!["UNAVAILABLE".into()],
        needs: vec![Need { cause: "payment_in_doubt".into(), owner: String::new() }],
        attempts: 3,
        open: true,
        started_us: now - 600_000_000,
        ..Subject::default()
    };
    for text in [
        "",
        "status = running and attention and participant = \"gateway\" and age > 5m",
        "participant = order",
        "participant ~ gate",
        "attention in (x, payment_in_doubt)",
        "code = unavailable and attempts >= 3 and attempts < 4",
        "not finished > 1970-01-01",
        "started > 11m ago and started < 9m ago and age = 10m",
        "owner != bob",
        "paused or open",
    ] {
        assert!(read(text).fits(&subject, now), "{text}");
        assert!(!Expr::Not(Box::new(read(text))).fits(&subject, now), "{text}");
    }
    for text in
        ["participant = gate", "paused", "attention = x", "finished < 1h ago", "age > 10m", "step = a"]
    {
        assert!(!read(text).fits(&subject, now), "{text}");
    }
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,6}", "[ -~]{0,12}", "\\PC{0,8}"]
}

fn text_field() -> impl Strategy<Value = TextField> {
    use TextField as F;
    prop::sample::select(vec![
        F::Definition,
        F::BusinessKey,
        F::Gid,
        F::Caller,
        F::RequestId,
        F::Coordinator,
        F::Reason,
        F::Participant,
        F::Step,
        F::WaitingFor,
        F::Attention,
        F::Owner,
    ])
}

fn test() -> impl Strategy<Value = Test> {
    let order =
        || prop::sample::select(vec![Order::Less, Order::AtMost, Order::More, Order::AtLeast, Order::Equal]);
    let words = |field: TextField| {
        prop::collection::vec(prop::sample::select(field.words()).prop_map(str::to_owned), 1..4)
            .prop_map(move |values| Test::Is(field, values))
    };
    let moment = prop_oneof![
        (0..4_000_000_000_000_000_i64).prop_map(Moment::At),
        (0..1_i64 << 50).prop_map(Moment::Ago)
    ];
    prop_oneof![
        prop::sample::select(vec![Flag::Open, Flag::Attention, Flag::Paused]).prop_map(Test::Flag),
        words(TextField::Status),
        words(TextField::Mode),
        words(TextField::Code),
        (text_field(), prop::collection::vec(value(), 1..4))
            .prop_map(|(field, values)| Test::Is(field, values)),
        (text_field(), value()).prop_map(|(field, value)| Test::Contains(field, value)),
        (order(), 0..=i32::MAX).prop_map(|(order, n)| Test::Count(Quantity::Attempts, order, n)),
        (order(), 0..1_i64 << 50).prop_map(|(order, us)| Test::Age(order, us)),
        (prop::sample::select(vec![TimeField::Started, TimeField::Finished]), order(), moment)
            .prop_map(|(field, order, at)| Test::Time(field, order, at)),
    ]
}

/// Trees as the parser makes them: no `and` or `or` of one.
fn tree() -> impl Strategy<Value = Expr> {
    test().prop_map(Expr::Test).prop_recursive(5, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::Or),
            inner.prop_map(|inner| Expr::Not(Box::new(inner))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn a_tree_that_is_written_down_is_read_as_the_same(tree in tree()) {
        let text = tree.to_string();
        prop_assert_eq!(parse(&text), Ok(tree), "{}", text);
    }

    #[test]
    fn no_text_breaks_the_parser(text in "\\PC{0,80}") {
        drop(parse(&text).map_err(|error| error.to_string()));
    }

    #[test]
    fn no_words_break_the_parser(
        words in prop::collection::vec(prop::sample::select(vec![
            "and", "or", "not", "in", "(", ")", ",", "=", "!=", "<", "~", "status", "running", "age", "5m", "ago",
            "attention", "started", "attempts", "3", "\"", "'x'", "\\", "participant", "é", "\u{7}",
        ]), 0..20),
        between in prop::sample::select(vec!["", " "]),
    ) {
        if let Ok(tree) = parse(&words.join(between)) {
            prop_assert_eq!(parse(&tree.to_string()), Ok(tree));
        }
    }
}
