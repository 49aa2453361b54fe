//! One statement for many rows.

use super::{Sql, Value};
use crate::errors::WorkError;

/// Rows of one statement at most.
const MOST: usize = 64;

/// Pieces whose lengths are powers of two: however many there are, few statements differ, and each is prepared
/// once.
pub(crate) fn in_powers_of_two<T>(mut all: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let length = 1 << all.len().min(MOST).checked_ilog2()?;
        let (piece, rest) = all.split_at(length);
        all = rest;
        Some(piece)
    })
}

impl Sql<'_> {
    /// Runs a statement over rows of values, as few times as it takes: `head`, `row` for each row with a `?` for
    /// each value, and `tail`.
    pub(crate) fn execute_rows<const COLUMNS: usize>(
        &self,
        head: &str,
        row: &str,
        tail: &str,
        rows: &[[Value<'_>; COLUMNS]],
    ) -> Result<(), WorkError> {
        for rows in in_powers_of_two(rows) {
            self.execute(&format!("{head} {} {tail}", places(row, rows.len(), 1)), rows.as_flattened())?;
        }
        Ok(())
    }
}

/// So many rows, with numbers from the first one on after their `?`.
pub(crate) fn places(row: &str, rows: usize, first: usize) -> String {
    let mut next = first;
    let mut numbered = String::with_capacity(rows * (2 * row.len() + 2));
    for _ in 0..rows {
        if !numbered.is_empty() {
            numbered.push_str(", ");
        }
        for character in row.chars() {
            numbered.push(character);
            if character == '?' {
                numbered.push_str(&next.to_string());
                next += 1;
            }
        }
    }
    numbered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_numbered_from_the_first_one_on() {
        assert_eq!(
            places("(?, CAST(? AS BIGINT))", 2, 1),
            "(?1, CAST(?2 AS BIGINT)), (?3, CAST(?4 AS BIGINT))"
        );
        assert_eq!((places("?", 3, 2), places("?", 0, 1)), ("?2, ?3, ?4".to_owned(), String::new()));
    }

    #[test]
    fn pieces_are_few_of_few_lengths_and_leave_nothing_out() {
        for length in 0..300 {
            let all: Vec<usize> = (0..length).collect();
            let pieces: Vec<&[usize]> = in_powers_of_two(&all).collect();
            assert_eq!(pieces.concat(), all);
            assert!(pieces.iter().all(|piece| piece.len().is_power_of_two() && piece.len() <= MOST));
            assert!(pieces.len() <= length / MOST + 6, "{length}: {}", pieces.len());
        }
    }
}
