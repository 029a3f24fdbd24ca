//! A payload as its owner writes it: JSON in which `${uuid}`, `${uuid:NAME}` and `${gid}` stand for ids that each branch
//! has for itself. Knows no message type and makes no id.
use serde_json::Value;
use std::collections::BTreeMap;

/// A payload with places for ids.
#[derive(Debug, Clone, PartialEq)]
pub struct Template(Value);

/// A payload that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// It is not JSON.
    #[error("the payload is not JSON")]
    Json(#[from] serde_json::Error),
    /// A place for something that the kit does not have.
    #[error("the payload has ${{{0}}}; there are ${{uuid}}, ${{uuid:NAME}} and ${{gid}}")]
    Placeholder(String),
    /// A place that does not end.
    #[error("the payload has a ${{ without its }}")]
    Open,
    /// The path of a change leads nowhere.
    #[error("the payload has no `{0}` to set")]
    Path(String),
    /// A change without `=`.
    #[error("`{0}` is not PATH=VALUE")]
    Change(String),
}

/// What the places of a payload are filled with; a name always gets the same id of one branch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filling(BTreeMap<String, String>);

impl Template {
    /// Reads a payload and checks its places.
    ///
    /// # Errors
    /// It is not JSON, or has a place that nothing fills.
    pub fn parse(text: &str) -> Result<Template, TemplateError> {
        let template = Template(serde_json::from_str(text)?);
        template.names()?;
        Ok(template)
    }

    /// The same payload with one value changed: `PATH=VALUE`, e.g. `lines.0.quantity=4`. A value that is not JSON is
    /// text.
    ///
    /// # Errors
    /// The path leads nowhere, or there is no `=`.
    pub fn with(&self, change: &str) -> Result<Template, TemplateError> {
        let (path, value) = change.split_once('=').ok_or_else(|| TemplateError::Change(change.to_owned()))?;
        let mut changed = self.0.clone();
        let place = path.split('.').try_fold(&mut changed, |value, key| match value {
            Value::Object(fields) => fields.get_mut(key),
            Value::Array(items) => items.get_mut(key.parse::<usize>().ok()?),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        });
        let place = place.ok_or_else(|| TemplateError::Path(path.to_owned()))?;
        *place = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        let template = Template(changed);
        template.names()?;
        Ok(template)
    }

    /// Whether two branches have different payloads.
    #[must_use]
    pub fn has_places(&self) -> bool {
        self.names().is_ok_and(|names| !names.is_empty())
    }

    /// What is to be filled in.
    fn names(&self) -> Result<Vec<String>, TemplateError> {
        let mut names = Vec::new();
        each_text(&mut self.0.clone(), &mut |text| {
            for name in places(text)? {
                let known = name == "gid" || name == "uuid" || name.starts_with("uuid:");
                known.then_some(()).ok_or_else(|| TemplateError::Placeholder(name.to_owned()))?;
                names.push(name.to_owned());
            }
            Ok(())
        })?;
        Ok(names)
    }

    /// New ids for every place; the gid's is given.
    pub(crate) fn filling(&self, gid: &str, new_id: impl Fn() -> String) -> Filling {
        let mut filling = Filling::default();
        for name in self.names().unwrap_or_default() {
            let id = || if name == "gid" { gid.to_owned() } else { new_id() };
            filling.0.entry(name.clone()).or_insert_with(id);
        }
        filling
    }

    /// The payload of one branch. A place that `filling` does not know stays as it is.
    pub(crate) fn fill(&self, filling: &Filling) -> Value {
        let mut value = self.0.clone();
        let filled = each_text(&mut value, &mut |text| {
            for (name, id) in &filling.0 {
                *text = text.replace(&format!("${{{name}}}"), id);
            }
            Ok(())
        });
        debug_assert!(filled.is_ok(), "filling in cannot fail");
        value
    }
}

impl Filling {
    /// The same ids, and new ones for what only `other` has.
    pub(crate) fn and(&self, other: Filling) -> Filling {
        let mut all = other.0;
        all.extend(self.0.clone());
        Filling(all)
    }

    /// A text in which each id is its place again: what two branches say can then be compared.
    pub(crate) fn unfill(&self, text: &str) -> String {
        let unfilled =
            |text: String, (name, id): (&String, &String)| text.replace(id, &format!("${{{name}}}"));
        self.0.iter().fold(text.to_owned(), unfilled)
    }
}

/// The names between `${` and `}`.
fn places(text: &str) -> Result<Vec<&str>, TemplateError> {
    let parts = text.split("${").skip(1);
    parts.map(|part| Ok(part.split_once('}').ok_or(TemplateError::Open)?.0)).collect()
}

fn each_text(
    value: &mut Value,
    change: &mut impl FnMut(&mut String) -> Result<(), TemplateError>,
) -> Result<(), TemplateError> {
    match value {
        Value::String(text) => change(text),
        Value::Array(items) => items.iter_mut().try_for_each(|item| each_text(item, change)),
        Value::Object(fields) => fields.values_mut().try_for_each(|field| each_text(field, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Template, TemplateError};
    use serde_json::json;
    use std::cell::Cell;

    const PAYLOAD: &str = r#"{"id": "${uuid}", "again": "x-${uuid}", "lines": [{"id": "${uuid:line}", "n": 3}], "g": "${gid}"}"#;

    fn counted() -> impl Fn() -> String {
        let made = Cell::new(0);
        move || {
            made.set(made.get() + 1);
            format!("id{}", made.get())
        }
    }

    #[test]
    fn a_name_gets_one_id_wherever_it_stands() {
        let template = Template::parse(PAYLOAD).unwrap();
        let filling = template.filling("G", counted());
        let filled = template.fill(&filling);
        assert_eq!(filled["g"], "G");
        assert_eq!(filled["again"], json!(format!("x-{}", filled["id"].as_str().unwrap())));
        assert_ne!(filled["id"], filled["lines"][0]["id"]);
        let back = filling.unfill(&filled.to_string());
        assert_eq!(back, Template::parse(PAYLOAD).unwrap().0.to_string());
    }

    #[test]
    fn a_change_reaches_into_lists_and_keeps_the_rest() {
        let template = Template::parse(PAYLOAD).unwrap();
        let changed = template.with("lines.0.n=4").unwrap();
        assert_eq!((&changed.0["lines"][0]["n"], &changed.0["id"]), (&json!(4), &json!("${uuid}")));
        assert_eq!(template.with("g=plain text").unwrap().0["g"], "plain text");
        assert!(matches!(template.with("lines.1.n=4"), Err(TemplateError::Path(_))));
        assert!(matches!(template.with("lines"), Err(TemplateError::Change(_))));
    }

    #[test]
    fn what_cannot_be_filled_is_refused() {
        assert!(
            matches!(Template::parse(r#"["${now}"]"#), Err(TemplateError::Placeholder(name)) if name == "now")
        );
        assert!(matches!(Template::parse(r#"["${uuid"]"#), Err(TemplateError::Open)));
        assert!(matches!(Template::parse("{"), Err(TemplateError::Json(_))));
        assert!(Template::parse(PAYLOAD).unwrap().has_places());
        assert!(!Template::parse(r#"{"n": 3}"#).unwrap().has_places());
    }
}
