//! Tables on the terminal: as wide as their content, figures to the right.

/// Lays out rows under their header. A column whose cells all start with a digit is a column of figures.
pub(crate) fn render(header: &[&str], rows: &[Vec<String>]) -> String {
    let columns = header.len();
    let cell = |row: &[String], column: usize| row.get(column).cloned().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| cell(row, column).chars().count());
        cells.chain([header[column].chars().count()]).max().unwrap_or(0)
    };
    let figures = |column: usize| {
        let mut filled = rows.iter().map(|row| cell(row, column)).filter(|text| !text.is_empty()).peekable();
        filled.peek().is_some() && filled.all(|text| text.starts_with(|c: char| c.is_ascii_digit()))
    };
    let shape: Vec<(usize, bool)> = (0..columns).map(|column| (width(column), figures(column))).collect();
    let line = |cells: &[String]| {
        let padded = shape.iter().enumerate().map(|(column, (width, figures))| {
            let text = cell(cells, column);
            if *figures {
                format!("{text:>width$}")
            } else {
                format!("{text:<width$}")
            }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let head: Vec<String> = header.iter().map(ToString::to_string).collect();
    let rule: Vec<String> = shape.iter().map(|(width, _)| "-".repeat(*width)).collect();
    let body = rows.iter().map(|row| line(row));
    [line(&head), line(&rule)].into_iter().chain(body).collect::<Vec<_>>().join("\n")
}

/// A count with its thousands apart: `100 000`.
pub(crate) fn count(number: usize) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut groups: Vec<&str> = Vec::new();
    if first > 0 {
        groups.push(&digits[..first]);
    }
    groups.extend(
        digits.as_bytes()[first..]
            .chunks(3)
            .map(|group| std::str::from_utf8(group).unwrap_or_default()),
    );
    groups.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_to_the_right_and_words_to_the_left() {
        let rows = [("triage", 726), ("delays", 100_000)].map(|(name, items)| vec![name.to_owned(), count(items), String::new()]);
        let told = render(&["program", "items", "note"], &rows);
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(
            lines,
            [
                "program    items  note",
                "-------  -------  ----",
                "triage       726",
                "delays   100 000"
            ]
        );
    }

    #[test]
    fn thousands_are_apart() {
        let check = |number, text: &str| assert_eq!(count(number), text);
        check(0, "0");
        check(999, "999");
        check(1_000, "1 000");
        check(1_234_567, "1 234 567");
    }
}
