//! The API as pages: one for each package of ours, from the descriptors and the comments of the .proto files.
use super::Page;
use super::markdown::{NOTE, anchor, code, table};
use anyhow::Context as _;
use prost::Message as _;
use prost_reflect::{
    DescriptorPool, EnumDescriptor, ExtensionDescriptor, FieldDescriptor, FileDescriptor, MessageDescriptor,
    MethodDescriptor, ServiceDescriptor,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;

/// Packages of ours; DTM's and Google's are told elsewhere.
const OURS: [&str; 2] = ["amends.", "pay."];
/// Path of the `syntax` line in a file's descriptor: the comment above it is the file's.
const SYNTAX: &[i32] = &[12];

/// All pages, the index among them.
pub fn pages() -> anyhow::Result<Vec<Page>> {
    let api = Api::read()?;
    let packages: BTreeSet<String> = api.pool.files().map(|file| file.package_name().to_owned()).collect();
    let packages: Vec<String> =
        packages.into_iter().filter(|name| OURS.iter().any(|ours| name.starts_with(ours))).collect();
    let mut pages: Vec<Page> = packages
        .iter()
        .map(|package| Page { path: format!("api/{package}.md"), text: api.package(package) })
        .collect();
    pages.push(Page { path: "api/README.md".to_owned(), text: api.index(&packages) });
    Ok(pages)
}

struct Api {
    pool: DescriptorPool,
    /// By file and path in its descriptor.
    comments: HashMap<(String, Vec<i32>), String>,
    sensitive: ExtensionDescriptor,
}

impl Api {
    fn read() -> anyhow::Result<Api> {
        let pool =
            DescriptorPool::decode(amends_proto::DOCUMENTED_DESCRIPTORS).context("read the descriptors")?;
        let sensitive = pool
            .get_extension_by_name("amends.v1.sensitive")
            .context("the option `sensitive` is not there")?;
        let files = prost_types::FileDescriptorSet::decode(amends_proto::DOCUMENTED_DESCRIPTORS)?.file;
        let mut comments = HashMap::new();
        for file in files {
            for location in file.source_code_info.unwrap_or_default().location {
                let told = [location.leading_comments(), location.trailing_comments()];
                let told = told.map(str::trim).join(" ");
                if !told.trim().is_empty() {
                    comments.insert(
                        (file.name.clone().unwrap_or_default(), location.path),
                        told.trim().to_owned(),
                    );
                }
            }
        }
        Ok(Api { pool, comments, sensitive })
    }

    fn comment(&self, file: &FileDescriptor, path: &[i32]) -> &str {
        self.comments.get(&(file.name().to_owned(), path.to_vec())).map_or("", String::as_str)
    }

    fn index(&self, packages: &[String]) -> String {
        let mut text = format!("# API\n\n{NOTE}\n\n");
        text.push_str(
            "Every gRPC method of Amends, its messages and what their fields mean, by package. All servers have \
             `grpc.health.v1`, and reflection with `--reflection`. Errors carry a reason in front of their text \
             (`REASON|text`). The files themselves are in `proto/`.\n\n",
        );
        let rows: Vec<Vec<String>> = packages
            .iter()
            .map(|package| {
                let services = self.services(package).into_iter().map(|service| {
                    let heading = anchor(&service_heading(&service));
                    format!("[{}]({package}.md#{heading})", service.name())
                });
                vec![format!("[{package}]({package}.md)"), services.collect::<Vec<_>>().join(", ")]
            })
            .collect();
        text.push_str(&table(&["package", "services"], &rows));
        text
    }

    fn services(&self, package: &str) -> Vec<ServiceDescriptor> {
        self.pool.services().filter(|service| service.package_name() == package).collect()
    }

    fn package(&self, package: &str) -> String {
        let mut text = format!("# {package}\n\n{NOTE}\n\n");
        for file in self.pool.files().filter(|file| file.package_name() == package) {
            let _ = writeln!(
                text,
                "- `proto/{}`: {}",
                file.name(),
                self.comment(&file, SYNTAX).replace('\n', " ")
            );
        }
        for service in self.services(package) {
            let _ = write!(text, "\n## {}\n\n{}", service_heading(&service), self.service(&service));
        }
        let mut parts = BTreeMap::new();
        for message in self.pool.all_messages() {
            if message.package_name() == package && !message.is_map_entry() {
                parts.insert(heading(message.full_name(), package), self.message(&message));
            }
        }
        for each in self.pool.all_enums() {
            if each.package_name() == package {
                parts.insert(heading(each.full_name(), package), self.enumeration(&each));
            }
        }
        text.push_str("\n## Messages\n");
        for (name, part) in parts {
            let _ = write!(text, "\n### {name}\n\n{part}");
        }
        text
    }

    fn service(&self, service: &ServiceDescriptor) -> String {
        let package = service.package_name();
        let rows: Vec<Vec<String>> = service.methods().map(|method| self.method(&method, package)).collect();
        let told = self.comment(&service.parent_file(), service.path());
        format!("{told}\n\n{}", table(&["method", "takes", "answers", "what"], &rows))
    }

    fn method(&self, method: &MethodDescriptor, package: &str) -> Vec<String> {
        let stream = |streaming: bool, message: &MessageDescriptor| {
            let link = link(message.full_name(), message.package_name(), package);
            if streaming { format!("stream of {link}") } else { link }
        };
        vec![
            code(method.name()),
            stream(method.is_client_streaming(), &method.input()),
            stream(method.is_server_streaming(), &method.output()),
            self.comment(&method.parent_service().parent_file(), method.path()).to_owned(),
        ]
    }

    fn message(&self, message: &MessageDescriptor) -> String {
        let package = message.package_name();
        let rows: Vec<Vec<String>> = message.fields().map(|field| self.field(&field, package)).collect();
        let told = self.comment(&message.parent_file(), message.path());
        format!("{told}\n\n{}", table(&["field", "no.", "type", "what"], &rows))
    }

    fn field(&self, field: &FieldDescriptor, package: &str) -> Vec<String> {
        let mut told = self.comment(&field.parent_file(), field.path()).to_owned();
        if field.options().get_extension(&self.sensitive).as_bool() == Some(true) {
            told.push_str(" **Sensitive**: masked wherever it is shown.");
        }
        vec![code(field.name()), field.number().to_string(), kind(field, package), told.trim().to_owned()]
    }

    fn enumeration(&self, each: &EnumDescriptor) -> String {
        let file = each.parent_file();
        let value = |value: prost_reflect::EnumValueDescriptor| {
            vec![code(value.name()), value.number().to_string(), self.comment(&file, value.path()).to_owned()]
        };
        let rows: Vec<Vec<String>> = each.values().map(value).collect();
        format!("{}\n\n{}", self.comment(&file, each.path()), table(&["value", "no.", "what"], &rows))
    }
}

fn service_heading(service: &ServiceDescriptor) -> String {
    format!("Service {}", service.name())
}

/// The name within its package.
fn heading(full_name: &str, package: &str) -> String {
    full_name.strip_prefix(package).unwrap_or(full_name).trim_start_matches('.').to_owned()
}

fn link(full_name: &str, of: &str, package: &str) -> String {
    if !OURS.iter().any(|ours| of.starts_with(ours)) {
        return code(full_name);
    }
    let name = heading(full_name, of);
    let page = if of == package { String::new() } else { format!("{of}.md") };
    format!("[{name}]({page}#{})", anchor(&name))
}

/// The type of a field, with how often and whether it must be there.
fn kind(field: &FieldDescriptor, package: &str) -> String {
    let kind = field.kind();
    let named = match (kind.as_message(), kind.as_enum()) {
        (Some(message), _) if field.is_map() => {
            return format!("map of {} to {}", kind_of(message, 1, package), kind_of(message, 2, package));
        }
        (Some(message), _) => link(message.full_name(), message.package_name(), package),
        (None, Some(each)) => link(each.full_name(), each.package_name(), package),
        (None, None) => code(&format!("{kind:?}")),
    };
    let choice = field.containing_oneof().filter(|oneof| !oneof.is_synthetic());
    match (field.is_list(), choice) {
        (true, _) => format!("repeated {named}"),
        (false, Some(oneof)) => format!("{named}, one of `{}`", oneof.name()),
        (false, None) if field.containing_oneof().is_some() => format!("optional {named}"),
        (false, None) => named,
    }
}

fn kind_of(entry: &MessageDescriptor, number: u32, package: &str) -> String {
    entry.get_field(number).map(|field| kind(&field, package)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_tell_methods_fields_and_what_is_masked() {
        let pages = pages().unwrap();
        let page = |path: &str| {
            let page = pages.iter().find(|page| page.path == path);
            page.map(|page| page.text.as_str()).unwrap_or_else(|| panic!("there is no {path}"))
        };
        let own = page("api/amends.v1.md");
        assert!(own.contains(
            "| `Watch` | [WatchRequest](#watchrequest) | stream of [Event](#event) | Events as they"
        ));
        assert!(own.contains("| `from_seq` | 2 | `int64` | First seq wanted;"), "{own}");
        assert!(own.contains("| `STATUS_ACCEPTED` | 1 | Durable, not yet running. |"));
        let checkout = page("api/pay.checkout.v1.md");
        assert!(checkout.contains("**Sensitive**"), "{checkout}");
        assert!(checkout.contains("[Money](pay.money.v1.md#money)"), "{checkout}");
        assert!(page("api/README.md").contains("[Transactions](amends.v1.md#service-transactions)"));
        assert!(!pages.iter().any(|page| page.path.contains("google") || page.path.contains("dtm")));
    }
}
