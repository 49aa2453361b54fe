//! Compressed columns of numbers.

use super::CodecError;
use super::frame::Reader;
use pco::ChunkConfig;
use pco::data_types::Number;
use pco::standalone::{simple_compress, simple_decompress};

/// Appends a column: its compressed length, then the compressed numbers.
pub(super) fn write<T: Number>(out: &mut Vec<u8>, numbers: &[T]) {
    // The default configuration is valid and memory is the only sink, so nothing can fail.
    let column = simple_compress(numbers, &ChunkConfig::default()).expect("compressing into memory");
    out.extend_from_slice(&(column.len() as u32).to_le_bytes());
    out.extend_from_slice(&column);
}

/// Reads a column that must have `count` numbers.
pub(super) fn read<T: Number>(reader: &mut Reader<'_>, count: usize) -> Result<Vec<T>, CodecError> {
    let numbers = read_any(reader)?;
    if numbers.len() != count {
        return Err(CodecError::Inconsistent("a column has another length than its frame says"));
    }
    Ok(numbers)
}

/// Reads a column of whatever length it has.
pub(super) fn read_any<T: Number>(reader: &mut Reader<'_>) -> Result<Vec<T>, CodecError> {
    let length = reader.u32()? as usize;
    simple_decompress(reader.bytes(length)?).map_err(|error| CodecError::Column(error.to_string()))
}

/// Passes over a column.
pub(super) fn skip(reader: &mut Reader<'_>) -> Result<(), CodecError> {
    let length = reader.u32()? as usize;
    reader.bytes(length).map(|_| ())
}
