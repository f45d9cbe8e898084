//! The page about alerts: its table is that of the rules.

use std::{fs, path::Path};

use nettop_engine::detect;

const BEGIN: &str = "<!-- from the rules -->\n";
const END: &str = "<!-- end -->\n";

#[test]
fn its_table_is_made_of_the_rules() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/alerts.md");
    let text = fs::read_to_string(&path).expect("the page about alerts");
    let (before, rest) = text.split_once(BEGIN).expect("where the table begins");
    let (table, after) = rest.split_once(END).expect("where it ends");
    let wanted = format!("\n{}\n", detect::table());
    if std::env::var_os("NETTOP_RENEW").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{wanted}{END}{after}")).expect("the page is renewed");
        return;
    }
    assert_eq!(table, wanted, "NETTOP_RENEW=1 cargo test -p nettop-tests --test alerts_page renews it");
}
