//! A real nginx with its access log in a file.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    net::Namespace,
    program::{self, Killed},
    skip,
};

/// Whether there are nginx and curl. If not, says that the test is skipped, and why.
pub fn is_there() -> bool {
    let has = |name: &str, option: &str| Command::new(name).arg(option).output().is_ok();
    let has_both = has("nginx", "-v") && has("curl", "--version");
    if !has_both {
        skip::report("there is no `nginx` or no `curl`; on Debian: apt-get install nginx-light curl");
    }
    has_both
}

/// Starts one in a namespace at port 80 of 192.0.2.1, with these locations, and waits until it runs. Its log is `access.log` in `folder`, in the
/// format `combined`.
pub fn start(namespace: &Namespace, folder: &Path, locations: &str) -> Killed {
    let at = |name: &str| folder.join(name).display().to_string();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {};\n", at(kind)))
        .concat();
    let conf = format!(
        "daemon off; master_process off; pid {}; error_log {};\nevents {{}}\nhttp {{ access_log {};\n{temporary}\
         server {{ listen 192.0.2.1:80; {locations} }} }}\n",
        at("pid"),
        at("error.log"),
        at("access.log"),
    );
    fs::write(at("nginx.conf"), conf).expect("writing a configuration");
    let mut command = namespace.command("nginx");
    command.args(["-e", &at("error.log"), "-c", &at("nginx.conf")]).stdout(Stdio::null()).stderr(Stdio::null());
    let server = Killed(command.spawn().expect("starting nginx"));
    program::wait_for(|| folder.join("pid").exists().then_some(())).expect("nginx runs");
    server
}
