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
            let mut place = 0;
            let places: Vec<String> = rows.iter().map(|_| numbered(row, &mut place)).collect();
            self.execute(&format!("{head} {} {tail}", places.join(", ")), rows.as_flattened())?;
        }
        Ok(())
    }
}

/// A row with numbers after its `?`.
fn numbered(row: &str, place: &mut usize) -> String {
    let mut numbered = String::with_capacity(row.len() * 2);
    for character in row.chars() {
        numbered.push(character);
        if character == '?' {
            *place += 1;
            numbered.push_str(&place.to_string());
        }
    }
    numbered
}

#[cfg(test)]
mod tests {
    use super::*;

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
