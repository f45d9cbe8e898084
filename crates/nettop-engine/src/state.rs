//! What outlives the monitor: what traffic is usual, where there is a folder for it.

use tokio::time::Instant;

use super::Engine;

/// The name of the file.
const USUAL: &str = "usual.json";
/// It is at most a thousand rows of two hundred counts.
const MOST_BYTES: u64 = 4 << 20;

impl Engine {
    /// Takes what an earlier monitor has learned.
    pub(super) fn load_usual(&mut self) {
        let Some(saved) = self.sinks.state().and_then(|state| state.read(USUAL, MOST_BYTES)) else { return };
        match self.detector.load(&saved) {
            Ok(0) => {}
            Ok(rows) => log::warn!("{USUAL}: {rows} rows were left out, which this version does not know"),
            Err(error) => log::warn!("{USUAL} of the state folder is not used, and will be written anew: {error}"),
        }
    }

    /// Has what was learned written, soon.
    pub(super) fn save_usual(&mut self) {
        self.saved = Instant::now();
        if let Some(state) = self.sinks.state() {
            state.write(USUAL, self.detector.save());
        }
    }
}
