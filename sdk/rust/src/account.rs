//! Account bytes to structs, without a copy.

use anchor_lang::Discriminator;
use bytemuck::Pod;
use thiserror::Error;

/// Why bytes are not the account that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// Another account type, or none.
    #[error("the account is of another type")]
    WrongType,
    /// Fewer bytes than the type has.
    #[error("the account is {actual} bytes long, {expected} are needed")]
    TooShort {
        /// Bytes there are.
        actual: usize,
        /// Bytes there should be.
        expected: usize,
    },
    /// The bytes do not start at a multiple of eight: use [`decode_copy`].
    #[error("the account's bytes are not aligned")]
    Misaligned,
}

fn body<T: Pod + Discriminator>(data: &[u8]) -> Result<&[u8], DecodeError> {
    let body = data.strip_prefix(T::DISCRIMINATOR).ok_or(DecodeError::WrongType)?;
    let expected = size_of::<T>() + 8;
    body.get(..size_of::<T>()).ok_or(DecodeError::TooShort { actual: data.len(), expected })
}

/// Views an account in place.
///
/// # Errors
/// [`DecodeError`].
pub fn decode<T: Pod + Discriminator>(data: &[u8]) -> Result<&T, DecodeError> {
    bytemuck::try_from_bytes(body::<T>(data)?).map_err(|_| DecodeError::Misaligned)
}

/// Copies an account out of bytes of any alignment.
///
/// # Errors
/// [`DecodeError`].
pub fn decode_copy<T: Pod + Discriminator>(data: &[u8]) -> Result<Box<T>, DecodeError> {
    let mut value: Box<T> = bytemuck::zeroed_box();
    bytemuck::bytes_of_mut(&mut *value).copy_from_slice(body::<T>(data)?);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use bulwark::state::{Exchange, Pool};

    use super::*;

    #[test]
    fn an_account_is_told_by_its_discriminator_and_length() {
        let mut data = vec![0; Pool::SPACE];
        data[..8].copy_from_slice(Pool::DISCRIMINATOR);
        assert!(decode_copy::<Pool>(&data).is_ok());
        assert_eq!(decode_copy::<Exchange>(&data).unwrap_err(), DecodeError::WrongType);
        data.pop();
        let (actual, expected) = (Pool::SPACE - 1, Pool::SPACE);
        assert_eq!(decode_copy::<Pool>(&data).unwrap_err(), DecodeError::TooShort { actual, expected });
        assert_eq!(decode::<Pool>(&[]).unwrap_err(), DecodeError::WrongType);
    }

    #[test]
    fn misaligned_bytes_are_refused_or_copied() {
        let mut data = vec![0; Pool::SPACE + 8];
        let at = (1..8).find(|i| !(data.as_ptr() as usize + i).is_multiple_of(8)).unwrap();
        data[at..at + 8].copy_from_slice(Pool::DISCRIMINATOR);
        assert_eq!(decode::<Pool>(&data[at..]).unwrap_err(), DecodeError::Misaligned);
        assert!(decode_copy::<Pool>(&data[at..]).is_ok());
    }
}
