//! Frames: version, checksum, and reading that never goes past the end.

use super::CodecError;

const HEADER: usize = 5;

/// Starts a frame; [`seal`] fills in its checksum.
pub(super) fn start(format: u8) -> Vec<u8> {
    vec![format, 0, 0, 0, 0]
}

/// Ends a frame that [`start`] began.
pub(super) fn seal(mut frame: Vec<u8>) -> Vec<u8> {
    let sum = crc32(&frame[HEADER..]);
    frame[1..HEADER].copy_from_slice(&sum.to_le_bytes());
    frame
}

/// Checks a frame and opens its payload.
pub(super) fn open(frame: &[u8], format: u8) -> Result<Reader<'_>, CodecError> {
    let (header, payload) = frame.split_at_checked(HEADER).ok_or(CodecError::Truncated)?;
    if header[0] != format {
        return Err(CodecError::Format { found: header[0], expected: format });
    }
    if header[1..] != crc32(payload).to_le_bytes() {
        return Err(CodecError::Checksum);
    }
    Ok(Reader { rest: payload })
}

/// Reads a payload front to back.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn bytes(&mut self, length: usize) -> Result<&'a [u8], CodecError> {
        let (head, rest) = self.rest.split_at_checked(length).ok_or(CodecError::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(CodecError::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    pub(super) fn u8(&mut self) -> Result<u8, CodecError> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, CodecError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, CodecError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, CodecError> {
        self.array().map(i64::from_le_bytes)
    }

    pub(super) fn f64(&mut self) -> Result<f64, CodecError> {
        self.array().map(f64::from_le_bytes)
    }

    /// The end must have been reached.
    pub(super) fn finish(self) -> Result<(), CodecError> {
        if self.is_empty() { Ok(()) } else { Err(CodecError::Inconsistent("there is data after the end")) }
    }
}

/// CRC-32 as in IEEE 802.3, eight bytes a step.
fn crc32(bytes: &[u8]) -> u32 {
    static TABLES: [[u32; 256]; 8] = tables();
    let mut sum = !0u32;
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let low = sum ^ u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
        sum = TABLES[7][(low & 255) as usize]
            ^ TABLES[6][(low >> 8 & 255) as usize]
            ^ TABLES[5][(low >> 16 & 255) as usize]
            ^ TABLES[4][(low >> 24) as usize]
            ^ TABLES[3][usize::from(word[4])]
            ^ TABLES[2][usize::from(word[5])]
            ^ TABLES[1][usize::from(word[6])]
            ^ TABLES[0][usize::from(word[7])];
    }
    for byte in words.remainder() {
        sum = sum >> 8 ^ TABLES[0][((sum ^ u32::from(*byte)) & 255) as usize];
    }
    !sum
}

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0u32; 256]; 8];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { value >> 1 ^ 0xEDB8_8320 } else { value >> 1 };
            bit += 1;
        }
        tables[0][index] = value;
        index += 1;
    }
    let mut level = 1;
    while level < 8 {
        let mut index = 0;
        while index < 256 {
            let before = tables[level - 1][index];
            tables[level][index] = before >> 8 ^ tables[0][(before & 255) as usize];
            index += 1;
        }
        level += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_well_known_one() {
        assert_eq!(crc32(b""), 0);
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b"The quick brown fox jumps over the lazy dog"), 0x414F_A339);
    }

    #[test]
    fn a_frame_opens_only_whole_undamaged_and_as_what_it_is() {
        let mut frame = start(7);
        frame.extend_from_slice(b"payload");
        let frame = seal(frame);
        assert_eq!(open(&frame, 7).and_then(|mut reader| reader.bytes(7)), Ok(b"payload".as_slice()));
        assert_eq!(open(&frame, 8).err(), Some(CodecError::Format { found: 7, expected: 8 }));
        assert_eq!(open(&frame[..4], 7).err(), Some(CodecError::Truncated));
        for length in 5..frame.len() {
            assert_eq!(open(&frame[..length], 7).err(), Some(CodecError::Checksum));
        }
        for index in 1..frame.len() {
            let mut damaged = frame.clone();
            damaged[index] ^= 1;
            assert_eq!(open(&damaged, 7).err(), Some(CodecError::Checksum));
        }
    }
}
