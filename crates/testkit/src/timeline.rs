//! A history as one line of words: `place deduct charge(refused) return_stock close_placed`. Pure.
use amends_proto::amends::v1::{Event, Step};

/// The ops of a history with what became of each attempt. What was skipped is not told: nobody was called.
#[must_use]
pub fn told(steps: &[Step], events: &[Event]) -> String {
    let words: Vec<String> = events.iter().filter_map(|event| word(steps, event)).collect();
    words.join(" ")
}

fn word(steps: &[Step], event: &Event) -> Option<String> {
    let outcome = match event.kind.as_str() {
        "attempt_succeeded" => "",
        "attempt_refused" => "(refused)",
        "attempt_unknown" => "(unknown)",
        "parked" => "(parked)",
        _ => return None,
    };
    let step = steps.iter().find(|step| step.branch_id == event.branch_id)?;
    let method = match event.op.as_str() {
        "action" | "try" => &step.forward,
        "confirm" => &step.confirm,
        _ => &step.undo,
    };
    Some(format!("{}{outcome}", snake(method)))
}

/// `pay.order.v1.OrderService/ClosePlaced` → `close_placed`.
#[must_use]
pub fn snake(method: &str) -> String {
    let name = method.rsplit('/').next().unwrap_or_default();
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push('_');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_reads_as_a_line() {
        let step = Step {
            branch_id: "01".into(),
            forward: "a.B/PlaceOrder".into(),
            undo: "a.B/Close".into(),
            ..Step::default()
        };
        let event = |kind: &str, op: &str| Event {
            kind: kind.into(),
            op: op.into(),
            branch_id: "01".into(),
            ..Event::default()
        };
        let events = [
            event("started", ""),
            event("attempt_unknown", "action"),
            event("attempt_refused", "action"),
            event("skipped", "compensate"),
            event("attempt_succeeded", "compensate"),
        ];
        assert_eq!(told(&[step], &events), "place_order(unknown) place_order(refused) close");
    }
}
