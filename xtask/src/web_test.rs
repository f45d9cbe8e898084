//! `cargo xtask web-test`: the page of the dashboard in a real browser.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::{process, workspace::Workspace};

/// Where the tests are.
const FOLDER: &str = "tests/web";
/// Names of Chromium, the first that is there is taken.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Try the dashboard's page in Chromium (tests/web); skipped, visibly, without Node or Chromium
#[derive(Default, clap::Args)]
pub struct Args {
    /// Arguments for `node --test`, such as `--test-name-pattern=axe`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    arguments: Vec<String>,
}

/// What the tests need.
pub struct Tools {
    node: PathBuf,
    npm: PathBuf,
    browser: PathBuf,
}

impl Tools {
    /// Those that are there.
    ///
    /// # Errors
    /// What is missing, and where it comes from.
    pub fn find() -> Result<Self, String> {
        let find = |name: &str| process::find(name, &[]);
        let missing = |what: &str, package: &str| format!("{what} is missing; on Debian: apt-get install {package}");
        Ok(Self {
            node: find("node").ok_or_else(|| missing("node", "nodejs"))?,
            npm: find("npm").ok_or_else(|| missing("npm", "npm"))?,
            browser: BROWSERS.iter().find_map(|name| find(name)).ok_or_else(|| missing("Chromium", "chromium"))?,
        })
    }
}

/// Runs them, or says why not.
pub fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    match Tools::find() {
        Ok(tools) => run_with(workspace, &tools, args),
        Err(why) => {
            println!("SKIPPED: {why}");
            Ok(())
        }
    }
}

/// Builds nettop, fetches what the lock file names, and runs the tests.
pub fn run_with(workspace: &Workspace, Tools { node, npm, browser }: &Tools, args: &Args) -> Result<()> {
    process::run(workspace.cargo().args(["build", "--locked", "--package", "nettop", "--bins"]))?;
    let folder = workspace.root.join(FOLDER);
    let in_folder = |program: &Path| {
        let mut command = std::process::Command::new(program);
        command.current_dir(&folder);
        command
    };
    // Neither package has anything to run when it is installed, nor brings another one.
    process::run(in_folder(npm).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]))?;
    let mut tests = in_folder(node);
    tests.arg("--test").args(&args.arguments);
    tests.env("NETTOP", workspace.target.join("debug/nettop")).env("CHROMIUM", browser);
    process::run(&mut tests)
}
