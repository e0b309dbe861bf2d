//! Data on stdout: JSON lines, or a table on a terminal.

use std::io::{self, BufWriter, IsTerminal as _, Write};

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use secmon_core::Level;

use super::Failure;

/// How data is printed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Format {
    /// One JSON object a line
    Jsonl,
    /// Aligned columns
    Table,
}

impl Format {
    /// The one given; else a table on a terminal and JSON lines elsewhere.
    pub(super) fn or_default(given: Option<Self>) -> Self {
        given.unwrap_or(if io::stdout().is_terminal() { Self::Table } else { Self::Jsonl })
    }
}

/// Stdout, buffered; colours only where they can be seen.
pub(super) fn stdout() -> Stdout {
    Stdout(BufWriter::with_capacity(64 * 1024, anstream::AutoStream::auto(io::stdout())))
}

/// See [`stdout`].
pub(super) struct Stdout(BufWriter<anstream::AutoStream<io::Stdout>>);

impl Stdout {
    /// Prints a line.
    pub(super) fn line(&mut self, line: impl std::fmt::Display) -> Result<(), Failure> {
        written(writeln!(self.0, "{line}"))
    }

    /// Prints bytes as they are.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        written(self.0.write_all(bytes))
    }

    /// Prints what is buffered.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        written(self.0.flush())
    }
}

/// A reader that went away (`secmon scan | head`) is no failure.
fn written(result: io::Result<()>) -> Result<(), Failure> {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure(String::new()),
        _ => Failure(format!("cannot write: {error}")),
    })
}

/// Says something on stderr.
pub(super) fn say(message: impl std::fmt::Display) {
    // Nobody reads a message that cannot be written.
    let _ = writeln!(anstream::stderr(), "{message}");
}

/// A table with a heading; columns are as wide as their widest cell.
pub(super) struct Table {
    rows: Vec<(Style, Vec<String>)>,
}

impl Table {
    pub(super) fn new<const N: usize>(heading: [&str; N]) -> Self {
        Self { rows: vec![(Style::new().bold(), heading.map(str::to_owned).to_vec())] }
    }

    pub(super) fn row<const N: usize>(&mut self, style: Style, cells: [String; N]) {
        self.rows.push((style, cells.map(|cell| printable(&cell)).to_vec()));
    }

    pub(super) fn print(&self, out: &mut Stdout) -> Result<(), Failure> {
        let columns = self.rows.iter().map(|(_, cells)| cells.len()).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|(_, cells)| cells.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (style, cells) in &self.rows {
            let cells: Vec<String> =
                cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            out.line(format_args!("{style}{}{style:#}", cells.join("  ").trim_end()))?;
        }
        Ok(())
    }
}

/// The colour of a level.
pub(super) fn style(level: Level) -> Style {
    let colour = match level {
        Level::Critical | Level::High => AnsiColor::Red,
        Level::Medium => AnsiColor::Yellow,
        Level::Low => AnsiColor::Cyan,
        Level::Informational => return Style::new(),
    };
    let style = Style::new().fg_color(Some(colour.into()));
    if level == Level::Critical { style.bold() } else { style }
}

/// A text that a terminal shows as it is: what is controlled by a log line must not control a screen.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}
