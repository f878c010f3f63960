//! The table: a row for each step, a column for each server.

use std::fmt;

use crate::servers::Server;
use crate::steps;

/// The result of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    Passed,
    NotOffered(&'static str),
    Failed(String),
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cell::Passed => f.write_str("passed"),
            Cell::NotOffered(reason) => write!(f, "not offered: {reason}"),
            Cell::Failed(error) => write!(f, "FAILED: {error}"),
        }
    }
}

/// The results for a server.
pub(crate) struct Column {
    name: &'static str,
    title: &'static str,
    version: String,
    cells: Vec<Option<Cell>>,
    explained: Vec<Option<&'static str>>,
}

impl Column {
    pub(crate) fn new(server: &dyn Server) -> Column {
        Column {
            name: server.name(),
            title: server.title(),
            version: server.version(),
            cells: vec![None; steps::ALL.len()],
            explained: steps::ALL.iter().map(|step| server.explain(step.name)).collect(),
        }
    }

    /// Adds the result of one variant: a failure counts more than a success, and that more than what is not offered.
    pub(crate) fn add(&mut self, row: usize, cell: Cell) {
        let rank = |cell: &Option<Cell>| match cell {
            None => 0,
            Some(Cell::NotOffered(_)) => 1,
            Some(Cell::Passed) => 2,
            Some(Cell::Failed(_)) => 3,
        };
        let cell = Some(cell);
        if let Some(old) = self.cells.get_mut(row)
            && rank(&cell) > rank(old)
        {
            *old = cell;
        }
    }

    /// Whether exactly those steps failed whose failure is explained.
    pub(crate) fn is_as_expected(&self) -> bool {
        let failed = |cell: &Option<Cell>| matches!(cell, Some(Cell::Failed(_)));
        let mut cells = self.cells.iter().zip(&self.explained);
        cells.all(|(cell, explained)| failed(cell) == explained.is_some())
    }
}

/// The table in Markdown, with notes.
pub(crate) fn table(columns: &[Column]) -> String {
    let mut notes: Vec<String> = Vec::new();
    let mut note = |text: String| {
        let known = notes.iter().position(|found| *found == text);
        let number = known.unwrap_or_else(|| {
            notes.push(text);
            notes.len() - 1
        });
        number + 1
    };
    let mut lines = vec![
        row(
            "",
            columns
                .iter()
                .map(|column| format!("[{}]({}.md)", column.title, column.name)),
        ),
        row("---", columns.iter().map(|_| "---".to_owned())).replace(' ', ""),
        row("version", columns.iter().map(|column| column.version.clone())),
    ];
    for (index, step) in steps::ALL.iter().enumerate() {
        let cells = columns.iter().map(|column| {
            match (
                column.cells.get(index).cloned().flatten(),
                column.explained.get(index).copied().flatten(),
            ) {
                (None, _) => String::new(),
                (Some(Cell::Passed), None) => "yes".to_owned(),
                (Some(Cell::Passed), Some(_)) => "yes, unexpectedly".to_owned(),
                (Some(Cell::NotOffered(reason)), _) => format!("– [{}]", note(format!("{}: {reason}", column.title))),
                (Some(Cell::Failed(_)), Some(why)) => format!("no [{}]", note(format!("{}: {why}", column.title))),
                (Some(Cell::Failed(error)), None) => format!("FAILED [{}]", note(format!("{}: {error}", column.title))),
            }
        });
        lines.push(row(step.name, cells.collect::<Vec<_>>().into_iter()));
    }
    let notes = notes
        .iter()
        .enumerate()
        .map(|(index, note)| format!("{}. {note}", index + 1));
    let notes: Vec<String> = notes.collect();
    format!("{}\n\n{}", lines.join("\n"), notes.join("\n"))
}

fn row(name: &str, cells: impl Iterator<Item = String>) -> String {
    let cells: String = cells.map(|cell| format!(" {cell} |")).collect();
    format!("| {name} |{cells}")
}
