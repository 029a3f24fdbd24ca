//! Tells the program which of Cargo's profiles it is built with: `AMENDS_PROFILE`. Knows where Cargo builds, nothing else.
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let folder = std::env::var("OUT_DIR").expect("Cargo sets it");
    println!("cargo::rustc-env=AMENDS_PROFILE={}", profile(Path::new(&folder)).unwrap_or("unknown"));
}

/// Cargo's own PROFILE says `release` of every profile that inherits from it; its folder has the true name, above the
/// innermost `build`. That of `dev` and `test` is `debug`.
fn profile(folder: &Path) -> Option<&str> {
    let build = folder.ancestors().find(|path| path.ends_with("build"))?;
    build.parent()?.file_name()?.to_str()
}
