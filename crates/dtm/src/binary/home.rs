//! In which folder a build of the DTM server is kept. Must not know what is built there, or how.

use std::path::{Path, PathBuf};

/// What Cargo leaves in a target folder; the first only if it made the folder itself.
const TARGET_MARKS: [&str; 2] = ["CACHEDIR.TAG", ".rustc_info.json"];
/// What only a checkout of this workspace has.
const CHECKOUT_MARK: &str = "crates/dtm/server/go.mod";
/// Below a folder of caches.
const OUR_CACHE: &str = "amends";

/// What decides where a build is kept.
#[derive(Debug, Clone, Default)]
pub(super) struct Surroundings {
    /// The program that runs.
    pub(super) program: PathBuf,
    /// The folder one stands in.
    pub(super) current: PathBuf,
    /// `CARGO_TARGET_DIR`.
    pub(super) cargo_target: Option<PathBuf>,
    /// `XDG_CACHE_HOME`.
    pub(super) caches: Option<PathBuf>,
    /// The user's folder.
    pub(super) user: Option<PathBuf>,
}

impl Surroundings {
    /// Those of this process.
    pub(super) fn look() -> Surroundings {
        let named = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Surroundings {
            program: std::env::current_exe().unwrap_or_default(),
            current: std::env::current_dir().unwrap_or_default(),
            cargo_target: named("CARGO_TARGET_DIR"),
            caches: named("XDG_CACHE_HOME"),
            user: std::env::home_dir(),
        }
    }

    /// Cargo's target folder if we run from one, or stand in a checkout; else a cache of the user, so that nothing is left
    /// in a folder that has nothing to do with us.
    pub(super) fn build_folder(&self) -> PathBuf {
        self.target_folder()
            .or_else(|| self.cache())
            .unwrap_or_else(|| self.current.join("target"))
            .join("dtm")
    }

    fn target_folder(&self) -> Option<PathBuf> {
        let is_cargos = |folder: &&Path| TARGET_MARKS.iter().any(|mark| folder.join(mark).is_file());
        if let Some(cargos) = self.program.ancestors().skip(1).find(is_cargos) {
            return Some(cargos.to_owned());
        }
        let named = self.cargo_target.as_ref().map(|folder| self.current.join(folder));
        named.or_else(|| self.checkout().map(|checkout| checkout.join("target")))
    }

    fn checkout(&self) -> Option<&Path> {
        self.current.ancestors().find(|folder| folder.join(CHECKOUT_MARK).is_file())
    }

    /// As the XDG base directory specification has it: a relative path there does not count.
    fn cache(&self) -> Option<PathBuf> {
        let named = self.caches.clone().filter(|folder| folder.is_absolute());
        let users = || self.user.as_ref().map(|user| user.join(".cache"));
        named.or_else(users).map(|caches| caches.join(OUR_CACHE))
    }
}

#[cfg(test)]
mod tests {
    use super::{CHECKOUT_MARK, Surroundings, TARGET_MARKS};
    use std::path::Path;

    fn touch(file: &Path) {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, "").unwrap();
    }

    #[test]
    fn a_test_finds_the_target_folder_it_runs_from() {
        let found = Surroundings::look();
        assert!(found.program.starts_with(found.build_folder().parent().unwrap()));
    }

    #[test]
    fn a_checkout_keeps_it_and_any_other_folder_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let [elsewhere, checkout, user] =
            ["elsewhere", "checkout", "user"].map(|name| folder.path().join(name));
        touch(&checkout.join(CHECKOUT_MARK));
        let installed = Surroundings {
            program: user.join("bin/amends"),
            current: elsewhere.clone(),
            user: Some(user.clone()),
            ..Surroundings::default()
        };
        assert_eq!(installed.build_folder(), user.join(".cache/amends/dtm"));
        let caches = |caches: &Path| Surroundings { caches: Some(caches.to_owned()), ..installed.clone() };
        assert_eq!(
            caches(&folder.path().join("caches")).build_folder(),
            folder.path().join("caches/amends/dtm")
        );
        assert_eq!(caches("relative".as_ref()).build_folder(), user.join(".cache/amends/dtm"));
        for current in [checkout.clone(), checkout.join("crates/dtm")] {
            let inside = Surroundings { current, ..installed.clone() };
            assert_eq!(inside.build_folder(), checkout.join("target/dtm"));
        }
        let named = Surroundings { cargo_target: Some("mine".into()), ..installed.clone() };
        assert_eq!(named.build_folder(), elsewhere.join("mine/dtm"));
        touch(&folder.path().join("made").join(TARGET_MARKS[1]));
        let program = folder.path().join("made/debug/amends");
        assert_eq!(Surroundings { program, ..named }.build_folder(), folder.path().join("made/dtm"));
    }
}
