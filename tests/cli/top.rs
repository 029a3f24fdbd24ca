//! `amends top`: once for programs and pipes, live on a terminal, over deaths of DTM and of the orchestrator.
use crate::terminal::Terminal;
use crate::verbs::{amends, amends_at, order, start, stocked};
use amends_stack::Role;
use serde_json::json;

#[test]
fn without_a_terminal_it_is_told_once() {
    let number = "top-declined";
    let gid = start("saga", &order(number, "tok_decline"), &["--wait", "30"]).json()["gid"].clone();
    let gid = gid.as_str().unwrap();
    for words in [["top"].as_slice(), &["top", "--once"]] {
        let told = amends(words, "");
        assert_eq!(told.code, 0, "{}", told.stderr);
        for part in [
            "coordinator dtm",
            "definition",
            "lanes\n",
            "gateway",
            "newest that ended\n",
            gid,
            "PSP_DECLINED",
        ] {
            assert!(told.stdout.contains(part), "{part} in\n{}", told.stdout);
        }
        assert!(!told.stdout.contains('\u{1b}'), "a pipe gets no colours: {}", told.stdout);
    }
    let told = amends(&["top", "--output", "json"], "").json();
    let ended = told["ended"].as_array().unwrap();
    assert!(ended.iter().any(|one| one["gid"] == gid && one["status"] == "failed"), "{ended:?}");
    let lanes: Vec<_> = told["lanes"].as_array().unwrap().iter().map(|lane| &lane["participant"]).collect();
    assert!(lanes.contains(&&json!("gateway")), "{lanes:?}");
    assert_eq!(told["topology"]["coordinator"], "dtm");
    assert!(told["stats"]["statuses"].is_array() && told["attention"]["open"].is_array(), "{told}");
    assert!(told["open"].is_array() && told["rates"]["ended_per_second"].is_f64(), "{told}");
    let nobody = amends_at("127.0.0.1:1", &["top"], "");
    assert_eq!((nobody.code, nobody.stderr.lines().count()), (1, 1), "{}", nobody.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_are_open_are_told_and_what_ended_last_is_first_whenever_it_began() {
    let folder = tempfile::tempdir().unwrap();
    let stack = stocked(folder.path()).await;
    let target = stack.address(Role::Orchestrator);
    let run = |words: &[&str], input: &str| {
        let ended = amends_at(&target, &[words, &["--output", "json"]].concat(), input);
        assert!([0, 3, 4].contains(&ended.code), "{words:?}: {}", ended.stderr);
        ended.json()
    };
    let begin = |number: &str, wait: &str| {
        let words = ["start", "checkout", "--mode", "saga", "--input", "-", "--wait", wait];
        run(&words, &order(number, "tok_decline"))["gid"].as_str().unwrap().to_owned()
    };
    run(&["pause", "--participant", "gateway", "--reason", "a look at top"], "");
    let open = ["open-1", "open-2", "open-3"].map(|number| begin(number, "0"));
    // Counts are kept for five seconds: told once they know of these.
    let all = amends_testkit::until("a count of the three", async || {
        let top = run(&["top"], "");
        (top["stats"]["open"] == 3).then_some(top)
    });
    let all = all.await;
    let gids = |list: &serde_json::Value| -> Vec<String> {
        let gid = |one: &serde_json::Value| one["gid"].as_str().unwrap().to_owned();
        list.as_array().unwrap().iter().map(gid).collect()
    };
    assert_eq!(gids(&all["open"]), open, "oldest first");
    assert_eq!(all["oldest"]["gid"], open[0].as_str());
    let text = amends_at(&target, &["top", "--once"], "").stdout;
    assert!(open.iter().all(|gid| text.contains(gid)), "{text}");

    run(&["pause", &open[0], "--reason", "the last to end"], "");
    run(&["resume", "--participant", "gateway"], "");
    for number in 0..22 {
        begin(&format!("ended-{number}"), "30");
    }
    run(&["resume", &open[0]], "");
    run(&["wait", &open[0], "--timeout", "30"], "");
    let ended = gids(&run(&["top"], "")["ended"]);
    assert_eq!((ended.len(), &ended[0]), (20, &open[0]), "{ended:?}");
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_terminal_it_is_live_and_outlives_what_dies() {
    let folder = tempfile::tempdir().unwrap();
    let stack = stocked(folder.path()).await;
    let target = stack.address(Role::Orchestrator);
    let mut top = Terminal::start(&target, &["top"], &[]);
    top.shows("an idle system", |text| text.contains("LIVE") && text.contains("newest that ended: none"))
        .await;
    let words = ["start", "checkout", "--mode", "saga", "--input", "-", "--wait", "30", "--output", "json"];
    let started = amends_at(&target, &words, &order("watched-from-above", "tok_ok"));
    let gid = started.json()["gid"].as_str().unwrap().to_owned();
    top.shows("its end", |text| text.contains(&gid) && text.contains("succeeded")).await;

    top.press("\u{1b}[B\r");
    let story = format!("show {gid}");
    top.shows("its story", |text| text.contains(&story) && text.contains("gateway.Charge")).await;
    top.press("p");
    top.shows("a pause", |text| text.contains("PAUSED")).await;
    top.press("p\u{7f}");
    top.shows("the overview again", |text| text.contains("LIVE") && text.contains("worth a look")).await;

    stack.halt(Role::Dtm).await.unwrap();
    top.shows("the death of DTM", |text| text.contains("LIVE") && text.contains("does not answer")).await;
    stack.launch(Role::Dtm).await.unwrap();
    top.shows("its return", |text| text.contains("LIVE") && !text.contains("does not answer")).await;

    stack.halt(Role::Orchestrator).await.unwrap();
    top.shows("the orchestrator's death", |text| text.contains("AWAY for") && text.contains(&gid)).await;
    stack.launch(Role::Orchestrator).await.unwrap();
    top.shows("its return", |text| text.contains("LIVE") && text.contains(&gid)).await;

    top.press("q");
    let (code, written) = top.end();
    assert_eq!(code, 0);
    assert!(written.contains("\u{1b}[?1049l"), "the screen is put back");
    stack.stop().await;
}

#[test]
fn a_story_is_coloured_on_a_terminal_unless_that_is_unwanted() {
    let declined = start("saga", &order("coloured", "tok_decline"), &["--wait", "30"]).json();
    let gid = declined["gid"].as_str().unwrap();
    let target = crate::verbs::target();
    let (code, coloured) = Terminal::start(&target, &["show", gid], &[]).end();
    assert_eq!(code, 3);
    for (colour, word) in
        [("\u{1b}[31m", "refused"), ("\u{1b}[32m", "succeeded"), ("\u{1b}[33m", "undo decided")]
    {
        let painted = coloured.lines().any(|line| line.contains(colour) && line.contains(word));
        assert!(painted, "{word} is not coloured in {coloured:?}");
    }
    let (_, plain) = Terminal::start(&target, &["show", gid], &[("NO_COLOR", "1")]).end();
    assert!(plain.contains("refused") && !plain.contains('\u{1b}'), "{plain:?}");
}
