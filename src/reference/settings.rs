//! The settings of every served role as a page, from the description of the command line.
use super::Page;
use super::markdown::{NOTE, code, table};
use anyhow::Context as _;
use clap::{Arg, Command};
use std::fmt::Write as _;

/// The roles that take part in global transactions, and have the same flags for it.
const PARTICIPANTS: [&str; 5] = ["order", "account", "inventory", "points", "gateway"];

/// One setting as it is told, for all roles that have it in the same form.
type Setting = Vec<String>;

/// The page.
pub fn page(command: &Command) -> anyhow::Result<Page> {
    let serve = command.find_subcommand("serve").context("there is no verb `serve`")?;
    let roles: Vec<&Command> = serve.get_subcommands().filter(|role| !role.is_hide_set()).collect();
    let all: Vec<Setting> = shared(&roles, |_| true);
    let branch: Vec<Setting> = shared(&roles, |role| PARTICIPANTS.contains(&role))
        .into_iter()
        .filter(|one| !all.contains(one))
        .collect();
    let mut text = format!("# Settings\n\n{NOTE}\n\n");
    text.push_str(
        "Each process is one role: `amends serve ROLE`. Every setting is a flag; those with a variable can be set in the \
         environment instead, and the flag wins. A value that cannot be is refused before a port is opened. Times ending \
         in `-ms` are milliseconds. What they are for: [operations](operations.md).\n",
    );
    section(&mut text, "Every process", "Flags that all roles have.", &all);
    section(&mut text, "Every participant", "Order, account, inventory, points and gateway.", &branch);
    let before = "Flags of `amends serve` itself, before the role.";
    section(&mut text, "Before the role", before, &settings(serve));
    for role in &roles {
        let is_participant = PARTICIPANTS.contains(&role.get_name());
        let is_shared = |one: &Setting| all.contains(one) || (is_participant && branch.contains(one));
        let own: Vec<Setting> = settings(role).into_iter().filter(|one| !is_shared(one)).collect();
        let about = role.get_about().map(ToString::to_string).unwrap_or_default();
        let told = if own.is_empty() {
            format!("{about}. It has no settings of its own.")
        } else {
            format!("{about}.")
        };
        section(&mut text, &format!("amends serve {}", role.get_name()), &told, &own);
    }
    Ok(Page { path: "settings.md".to_owned(), text })
}

fn section(text: &mut String, title: &str, about: &str, settings: &[Setting]) {
    let _ = write!(text, "\n## {title}\n\n{about}\n");
    if !settings.is_empty() {
        let _ = write!(text, "\n{}", table(&["flag", "variable", "default", "what"], settings));
    }
}

/// Settings that all of these roles have alike.
fn shared(roles: &[&Command], wanted: impl Fn(&str) -> bool) -> Vec<Setting> {
    let mut of_each = roles.iter().filter(|role| wanted(role.get_name())).map(|role| settings(role));
    let first = of_each.next().unwrap_or_default();
    let others: Vec<Vec<Setting>> = of_each.collect();
    first.into_iter().filter(|one| others.iter().all(|settings| settings.contains(one))).collect()
}

fn settings(command: &Command) -> Vec<Setting> {
    command.get_arguments().filter(|arg| !arg.is_hide_set()).filter_map(setting).collect()
}

fn setting(arg: &Arg) -> Option<Setting> {
    let long = arg.get_long()?;
    let takes = arg.get_action().takes_values();
    let values = arg.get_possible_values();
    let names = arg.get_value_names().unwrap_or_default();
    let value = match (takes, values.as_slice(), names) {
        (false, _, _) => String::new(),
        (true, [], []) => format!(" {}", long.to_uppercase().replace('-', "_")),
        (true, [], names) => format!(" {}", names.join(" ")),
        (true, values, _) => {
            let values: Vec<&str> = values.iter().map(clap::builder::PossibleValue::get_name).collect();
            format!(" {}", values.join("|"))
        }
    };
    let default: Vec<String> =
        arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    let default = match (default.as_slice(), arg.is_required_set()) {
        (_, true) => "must be given".to_owned(),
        ([], _) => String::new(),
        (values, _) => code(&values.join(",")),
    };
    let variable = arg.get_env().map(|name| code(&name.to_string_lossy())).unwrap_or_default();
    let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
    Some(vec![code(&format!("--{long}{value}")), variable, default, help])
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn each_setting_stands_once_with_variable_and_default() {
        let page = page(&crate::Cli::command()).unwrap().text;
        assert_eq!(page.matches("| `--data-dir DIR` | `AMENDS_DATA_DIR` | `.amends` |").count(), 1, "{page}");
        assert_eq!(page.matches("`--branch-auth required\\|off`").count(), 1, "{page}");
        assert!(
            page.contains("## amends serve orchestrator") && page.contains("`--attention-webhook"),
            "{page}"
        );
        assert!(!page.contains("--help"), "{page}");
    }
}
