//! What outlives a monitor.

use super::Finding;
use crate::{
    config,
    run::state::{StateFolder, VARIABLE},
};

/// The folder where it would be kept.
pub fn folder() -> Finding {
    let option = match config::value("state") {
        Ok(option) => option,
        // That is another check's matter.
        Err(_) => return Finding::Unknown("the configuration cannot be read".into()),
    };
    let Some(folder) = StateFolder::choose(option.as_ref().map(AsRef::as_ref)) else {
        return Finding::good("none: nothing is kept for the next start (--state DIR names a folder)");
    };
    look_at(&folder)
}

fn look_at(folder: &StateFolder) -> Finding {
    let path = folder.path().display();
    match (folder.try_out(), folder) {
        (Ok(true), _) => Finding::good(format!("{path} is its user's alone")),
        (Ok(false), _) => Finding::good(format!("{path} will be made")),
        (Err(error), StateFolder::Asked(_)) => Finding::failed(&error, "choose another folder with --state"),
        // The monitor starts without it.
        (Err(error), StateFolder::Provided(_)) => Finding::Unknown(format!("${VARIABLE} would not be used: {error:#}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let (path, file) = (folder.path().join("state"), folder.path().join("file"));
        std::fs::write(&file, "").unwrap();
        let expect = |folder: StateFolder, good: Option<bool>, part: &str| {
            let finding = look_at(&folder);
            let seen = match finding {
                Finding::Good(_) => Some(true),
                Finding::Missing { .. } => Some(false),
                Finding::Unknown(_) => None,
            };
            assert!(seen == good && format!("{finding:?}").contains(part), "{finding:?}");
        };
        expect(StateFolder::Asked(path.clone()), Some(true), "will be made");
        assert!(!path.exists());
        std::fs::create_dir(&path).unwrap();
        expect(StateFolder::Asked(path), Some(true), "alone");
        expect(StateFolder::Asked(file.clone()), Some(false), "in the way");
        expect(StateFolder::Provided(file), None, "in the way");
    }
}
